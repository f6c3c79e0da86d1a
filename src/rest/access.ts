/**
 * Who may do what over HTTP: which names this server has, and which role a token gives.
 *
 * AC-1 On loopback everybody of this machine may view and operate; submitting brings code, and needs the token of that
 *      role. On any other address each request needs a token.
 * AC-2 Tokens are compared by their hashes: how long that takes says nothing of how much of one was right.
 * AC-3 Wrong tokens are counted; too many within a minute are not looked at any more.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../base/env.ts';
import { Refusal, type Role } from './router.ts';

/** The token of each role, as the server knows them. */
export type Tokens = Readonly<Record<Role, string>>;

/** Whom the server answers. */
export interface AccessOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** `undefined`: nobody submits anything, as in an embedded run. */
  readonly tokens: Tokens | undefined;
  /** AC-1. */
  readonly isLoopback: boolean;
}

/** Each role includes the ones before it. */
const ROLES: readonly Role[] = ['view', 'operate', 'submit'];
/** AC-3. */
export const WRONG_TOKENS_MAX = 100;
const WRONG_TOKENS_MS = 60_000;
/** What a browser asks its user for: any name, the token as the password. */
const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="millrace", charset="UTF-8", Bearer' };

/** See the head of the file. */
export class Access {
  readonly #options: AccessOptions;
  #wrong = 0;
  #since = 0;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** Throws a refusal unless who says `authorization` has a role. */
  check(authorization: string | undefined, role: Role): void {
    const { tokens, isLoopback } = this.#options;
    const isFree = isLoopback && (role !== 'submit' || tokens === undefined);
    if (authorization === undefined) {
      if (isFree) return;
      throw new Refusal(
        401,
        `This needs a token with the role "${role}" (Authorization: Bearer …).`,
        CHALLENGE,
      );
    }
    if (tokens === undefined) {
      if (isFree) return;
      throw new Refusal(403, 'No token is known here.');
    }
    const given = this.#roleOf(tokenOf(authorization), tokens);
    if (ROLES.indexOf(given) < ROLES.indexOf(role)) {
      throw new Refusal(403, `This needs the role "${role}"; the token has the role "${given}".`);
    }
  }

  /** Whether who was let in has a role too. */
  allows(authorization: string | undefined, role: Role): boolean {
    try {
      this.check(authorization, role);
      return true;
    } catch (error) {
      if (error instanceof Refusal) return false;
      throw error;
    }
  }

  #roleOf(token: string, tokens: Tokens): Role {
    this.#checkRate();
    // All are compared, whichever fits.
    const fitting = ROLES.filter((role) => isEqual(token, tokens[role]));
    const found = fitting.at(-1);
    if (found !== undefined) return found;
    this.#wrong += 1;
    throw new Refusal(401, 'The token is not one of this server.', CHALLENGE);
  }

  /** AC-3. */
  #checkRate(): void {
    const now = this.#options.clock.monotonic();
    if (now - this.#since >= WRONG_TOKENS_MS) {
      this.#since = now;
      this.#wrong = 0;
    }
    if (this.#wrong >= WRONG_TOKENS_MAX) {
      throw new Refusal(429, 'Too many wrong tokens were sent within a minute; try again later.');
    }
  }
}

/** `Bearer <token>`, or the password of `Basic`. */
function tokenOf(authorization: string): string {
  const [, scheme = '', value = ''] = /^(\w+) +(\S+)$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() !== 'basic') return scheme.toLowerCase() === 'bearer' ? value : '';
  const text = Buffer.from(value, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1);
}

/** AC-2. */
function isEqual(left: string, right: string): boolean {
  const hash = (text: string): Uint8Array => createHash('sha256').update(text).digest();
  return right !== '' && timingSafeEqual(hash(left), hash(right));
}
