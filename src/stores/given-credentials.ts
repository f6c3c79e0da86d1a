/**
 * Credentials of S3 that a machine gives to what runs on it, for a while: a container's (ECS, EKS with pod identities), or an
 * instance's (IMDSv2). They are asked for over HTTP, kept, and asked for again before they are over.
 *
 * ```
 * container   GET <address of the environment>, with its token                        → the document below
 * instance    PUT /latest/api/token → a token; with it GET …/security-credentials/ → a role; GET …/security-credentials/<role>
 *
 * { "AccessKeyId", "SecretAccessKey", "Token", "Expiration" }
 * ```
 *
 * GC-1 All who need credentials at once wait for one answer.
 * GC-2 They are renewed when less than RENEW_MS is left; what cannot be renewed is used until it is over, and that is logged.
 * GC-3 What is told of a failure is the address, the status and no answer: an answer may hold a secret.
 */

import { Buffer } from 'node:buffer';
import type { Env } from '../base/env.ts';
import { type HttpAnswer, type HttpRequest, type HttpTransport, NoAnswer } from './http.ts';
import type { GivenCredentials, S3Credentials } from './settings.ts';

/** Renewed when so much is left, ms. */
const RENEW_MS = 5 * 60_000;
/** After a renewal that failed the next one is tried, ms. */
const RENEW_AGAIN_MS = 60_000;
/** Whoever gives them is on this machine, or a hop away. */
const TIMEOUT_MS = 2_000;
const INSTANCE_TOKEN_SECONDS = 21_600;
const ROLES = '/latest/meta-data/iam/security-credentials/';

/** There are no credentials to sign a request with: it was not sent. */
export class NoCredentials extends NoAnswer {
  constructor(reason: string) {
    super(reason, false);
  }
}

interface Kept {
  readonly credentials: S3Credentials;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** See the head of the file. */
export class CredentialsGiver {
  readonly #env: Pick<Env, 'clock' | 'files' | 'log'>;
  readonly #transport: HttpTransport;
  readonly #source: GivenCredentials;
  #kept: Kept | undefined;
  #renewAt = Number.NEGATIVE_INFINITY;
  #asked: Promise<void> | undefined;

  constructor(env: Pick<Env, 'clock' | 'files' | 'log'>, transport: HttpTransport, source: GivenCredentials) {
    this.#env = env;
    this.#transport = transport;
    this.#source = source;
  }

  /** Those that hold now. Throws {@link NoCredentials}. */
  async current(): Promise<S3Credentials> {
    if (this.#kept === undefined || this.#env.clock.now() >= this.#renewAt) {
      this.#asked ??= this.#renew().finally(() => {
        this.#asked = undefined;
      });
      await this.#asked; // GC-1
    }
    return this.#kept!.credentials;
  }

  /** S3 does not believe these any more: the next request asks for others, unless somebody has done so (GC-1). */
  refused(credentials: S3Credentials | undefined): void {
    if (this.#kept?.credentials === credentials) this.#kept = undefined;
  }

  async #renew(): Promise<void> {
    const { clock, log } = this.#env;
    try {
      const found = this.#source.kind === 'container' ? await this.#ofContainer() : await this.#ofInstance();
      this.#kept = keptOf(found, this.#where);
      this.#renewAt = this.#kept.expiresAt - RENEW_MS;
    } catch (error) {
      const isOver = this.#kept === undefined || clock.now() >= this.#kept.expiresAt;
      if (isOver) throw error;
      this.#renewAt = clock.now() + RENEW_AGAIN_MS;
      log.warn('credentials of S3 were not renewed; those that are there are used', { error: String(error) });
    }
    // One that is short from the beginning is not asked for with every request.
    this.#renewAt = Math.max(this.#renewAt, clock.now() + 1_000);
  }

  get #where(): string {
    return `${new URL(this.#source.url).origin} (s3.credentials-provider)`;
  }

  async #ofContainer(): Promise<HttpAnswer> {
    const headers = await this.#authorization();
    return this.#ask({ method: 'GET', url: new URL(this.#source.url), headers });
  }

  async #authorization(): Promise<Record<string, string>> {
    const { token, tokenFile } = this.#source;
    let text = token;
    if (tokenFile !== undefined) {
      try {
        // It is replaced while the process runs.
        text = Buffer.from(await this.#env.files.read(tokenFile))
          .toString('utf8')
          .trim();
      } catch (error) {
        throw new NoCredentials(`the token for ${this.#where} could not be read: ${String(error)}`);
      }
    }
    if (text === undefined || text === '') return {};
    if (/[\r\n]/.test(text)) throw new NoCredentials(`the token for ${this.#where} is more than one line`);
    return { authorization: text };
  }

  async #ofInstance(): Promise<HttpAnswer> {
    const at = (path: string): URL => new URL(path, this.#source.url);
    const asked = { 'x-aws-ec2-metadata-token-ttl-seconds': `${INSTANCE_TOKEN_SECONDS}` };
    const token = await this.#ask({ method: 'PUT', url: at('/latest/api/token'), headers: asked });
    const headers = { 'x-aws-ec2-metadata-token': textOf(token) };
    const role = textOf(await this.#ask({ method: 'GET', url: at(ROLES), headers }))
      .split('\n')[0]!
      .trim();
    if (!/^[\w+=,.@-]+$/.test(role)) throw new NoCredentials(`${this.#where} names no role of this instance`);
    return this.#ask({ method: 'GET', url: at(`${ROLES}${role}`), headers });
  }

  async #ask(request: Pick<HttpRequest, 'method' | 'url' | 'headers'>): Promise<HttpAnswer> {
    let answer: HttpAnswer;
    try {
      answer = await this.#transport({ ...request, timeoutMs: TIMEOUT_MS });
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      throw new NoCredentials(`${this.#where} gives no credentials: ${error.message}`);
    }
    if (answer.status === 200) return answer;
    throw new NoCredentials(`${this.#where} gives no credentials: HTTP ${answer.status}`); // GC-3
  }
}

function textOf({ body }: HttpAnswer): string {
  return Buffer.from(body).toString('utf8');
}

function keptOf(answer: HttpAnswer, where: string): Kept {
  let document: Readonly<Record<string, unknown>>;
  try {
    document = JSON.parse(textOf(answer)) as Readonly<Record<string, unknown>>;
  } catch {
    throw new NoCredentials(`${where} does not answer with JSON`);
  }
  const text = (name: string): string | undefined => {
    const value = document?.[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const [accessKey, secretKey, expiration] = ['AccessKeyId', 'SecretAccessKey', 'Expiration'].map(text);
  const expiresAt = expiration === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiration);
  if (accessKey === undefined || secretKey === undefined || Number.isNaN(expiresAt))
    throw new NoCredentials(`${where} answers without AccessKeyId, SecretAccessKey or a date in Expiration`);
  return { credentials: { accessKey, secretKey, sessionToken: text('Token') }, expiresAt };
}
