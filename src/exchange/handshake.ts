/**
 * How two processes prove to each other that they speak the same protocol and know the same secret, before anything else
 * is sent. The secret itself never travels.
 *
 * ```
 *  dialer ─▶ listener   hello      magic u32, version u16, length u16, subject (UTF-8), challenge (32 hex digits)
 *  dialer ◀─ listener   answer     status u8, challenge (32 hex digits), proof (32 bytes)
 *  dialer ─▶ listener   proof      32 bytes
 *  dialer ◀─ listener   welcome    status u8
 *
 *  subject   who dials, what for and for which attempt; the listener looks up the secret by it, or refuses
 *  proof     HMAC-SHA-256 of (role, hello, challenge of the answer); role = "listener" or "dialer"
 *  status    0 welcome, 1 other version, 2 not expected here, 3 wrong proof; after 1 to 3 nothing follows
 * ```
 *
 * HS-1 Lengths are checked before anything is kept: what an unknown peer makes us hold is one hello and what one read gives.
 * HS-2 It ends: by success, refusal, a broken connection, or at its deadline; on all but success the connection is closed.
 * HS-3 Challenges are drawn anew by both sides, so that no recorded handshake is worth anything.
 */

import type { Clock, Random, Timer } from '../base/env.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { hmacSha256, sameProof } from '../base/hash.ts';
import type { Connection } from '../base/network.ts';

/** The version of all that processes of a cluster say to each other; each has its golden bytes in `test/golden/wire/`. */
export const PROTOCOL_VERSION = 4;
/** A peer that has not proved itself by then never will, ms. */
export const HANDSHAKE_DEADLINE_MS = 5_000;
/** Bytes behind a handshake that wait until somebody listens, at most; whoever sends more is cut off. */
export const EARLY_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of a hello, at most. */
export const HELLO_BYTES_MAX = 1_024;

const MAGIC = 0x4c_4d_52_31;
const FIXED_BYTES = 8;
const CHALLENGE_BYTES = 32;
const PROOF_BYTES = 32;
const ANSWER_BYTES = 1 + CHALLENGE_BYTES + PROOF_BYTES;

const WELCOME = 0;
const OTHER_VERSION = 1;
const NOT_EXPECTED = 2;
const WRONG_PROOF = 3;

const REFUSALS: Readonly<Record<number, string>> = {
  [OTHER_VERSION]: `it runs another version of the protocol than ${PROTOCOL_VERSION}`,
  [NOT_EXPECTED]: 'it does not expect this process (any more)',
  [WRONG_PROOF]: 'it has another secret',
};

const utf8 = new TextEncoder();
const readUtf8 = new TextDecoder('utf-8', { fatal: true });

/** Seams of a handshake. */
export interface HandshakeSeams {
  readonly clock: Pick<Clock, 'timer'>;
  readonly random: Pick<Random, 'id'>;
}

/** A connection whose two ends know each other. */
export interface Introduced {
  readonly connection: Connection;
  /** What the dialer said it is. */
  readonly subject: string;
  /**
   * Bytes that came behind the handshake: the first ones of what follows. They grow until somebody listens, and so are to be read
   * in the turn in which that begins.
   */
  readonly rest: Uint8Array;
}

/** The dialer's part. Throws HANDSHAKE_REFUSED, NETWORK_FAILED when the peer is silent or gone, or what the network says. */
export function introduce(
  connection: Connection,
  options: HandshakeSeams & { readonly subject: string; readonly secret: string },
): Promise<Introduced> {
  const { subject, secret } = options;
  return new Shake(connection, options).run((shake) => {
    const challenge = utf8.encode(options.random.id());
    const hello = helloOf(subject, challenge);
    connection.write(hello);
    shake.take(1, ([status]) => {
      if (status !== WELCOME) return shake.refused(status!);
      shake.take(ANSWER_BYTES - 1, (answer) => {
        const theirs = answer.subarray(0, CHALLENGE_BYTES);
        const proof = answer.subarray(CHALLENGE_BYTES);
        if (!sameProof(proof, proofOf(secret, 'listener', hello, theirs))) return shake.refused(WRONG_PROOF);
        connection.write(proofOf(secret, 'dialer', hello, theirs));
        shake.take(1, ([welcome]) =>
          welcome === WELCOME ? shake.succeed(subject) : shake.refused(welcome!),
        );
      });
    });
  });
}

/** The listener's part. `secretOf` gives the secret that the subject must know; `undefined` refuses it. */
export function receive(
  connection: Connection,
  options: HandshakeSeams & { readonly secretOf: (subject: string) => string | undefined },
): Promise<Introduced> {
  return new Shake(connection, options).run((shake) => {
    shake.take(FIXED_BYTES, (fixed) => {
      const view = viewOf(fixed);
      if (view.getUint32(0, true) !== MAGIC) return shake.fail('it does not speak this protocol');
      if (view.getUint16(4, true) !== PROTOCOL_VERSION) return shake.refuse(OTHER_VERSION);
      const length = view.getUint16(6, true);
      if (length > HELLO_BYTES_MAX) return shake.fail(`its hello has ${length} bytes`); // HS-1
      shake.take(length + CHALLENGE_BYTES, (said) => {
        const subject = textOf(said.subarray(0, length));
        if (subject === undefined) return shake.fail('its name is no text');
        const secret = options.secretOf(subject);
        if (secret === undefined) return shake.refuse(NOT_EXPECTED);
        const hello = concat(fixed, said);
        const challenge = utf8.encode(options.random.id());
        const proof = proofOf(secret, 'listener', hello, challenge);
        connection.write(concat(Uint8Array.of(WELCOME), challenge, proof));
        shake.take(PROOF_BYTES, (theirs) => {
          if (!sameProof(theirs, proofOf(secret, 'dialer', hello, challenge)))
            return shake.refuse(WRONG_PROOF);
          connection.write(Uint8Array.of(WELCOME));
          shake.succeed(subject);
        });
      });
    });
  });
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return readUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function helloOf(subject: string, challenge: Uint8Array): Uint8Array {
  const name = utf8.encode(subject);
  const hello = new Uint8Array(FIXED_BYTES + name.length + CHALLENGE_BYTES);
  const view = viewOf(hello);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, PROTOCOL_VERSION, true);
  view.setUint16(6, name.length, true);
  hello.set(name, FIXED_BYTES);
  hello.set(challenge, FIXED_BYTES + name.length);
  return hello;
}

function proofOf(secret: string, role: string, hello: Uint8Array, challenge: Uint8Array): Uint8Array {
  return hmacSha256(secret, concat(utf8.encode(`${role}\n`), hello, challenge));
}

/** One handshake: collects bytes until what is awaited is whole. */
class Shake {
  readonly #connection: Connection;
  readonly #seams: HandshakeSeams;
  #bytes: Uint8Array = new Uint8Array(0);
  #awaited: { readonly length: number; readonly then: (bytes: Uint8Array) => void } | undefined;
  #isOver = false;
  #hasSucceeded = false;
  #timer: Timer | undefined;
  #resolve: (introduced: Introduced) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(connection: Connection, seams: HandshakeSeams) {
    this.#connection = connection;
    this.#seams = seams;
  }

  run(start: (shake: Shake) => void): Promise<Introduced> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#timer = this.#seams.clock.timer(
        HANDSHAKE_DEADLINE_MS,
        () => this.fail(`it said nothing for ${HANDSHAKE_DEADLINE_MS} ms`),
        'a handshake has to end',
      );
      this.#connection.listen({
        data: (bytes) => this.#receive(bytes),
        drained: () => {},
        closed: (error) => this.#closed(error),
      });
      start(this);
    });
  }

  /** Calls `then` with the next `length` bytes. */
  take(length: number, then: (bytes: Uint8Array) => void): void {
    this.#awaited = { length, then };
    this.#go();
  }

  succeed(subject: string): void {
    if (!this.#end()) return;
    this.#hasSucceeded = true;
    const read = (): Uint8Array => this.#bytes;
    this.#resolve({
      connection: this.#connection,
      subject,
      get rest() {
        return read();
      },
    });
  }

  /** Tells the peer why, then as {@link refused}. */
  refuse(status: number): void {
    if (this.#isOver) return;
    this.#connection.write(Uint8Array.of(status));
    // The word has to leave this process before the connection ends.
    this.#seams.clock.timer(REFUSAL_LINGER_MS, () => this.#connection.close(), 'a refusal is on its way');
    this.#end();
    this.#reject(refusal(this.#connection.peer, `this process refused it: ${REASONS[status]}`));
  }

  /** The peer said no, or is not who it should be. */
  refused(status: number): void {
    if (!this.#end()) return;
    this.#connection.close();
    this.#reject(refusal(this.#connection.peer, REFUSALS[status] ?? `it refuses with status ${status}`));
  }

  fail(why: string): void {
    if (!this.#end()) return;
    this.#connection.close();
    this.#reject(new MillraceError('NETWORK_FAILED', `no handshake with ${this.#connection.peer}: ${why}`));
  }

  #closed(error: Error | undefined): void {
    if (!isMillraceError(error)) return this.fail(error?.message ?? 'it closed the connection');
    // The network knows better why.
    if (this.#end()) this.#reject(error);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#isOver && !this.#hasSucceeded) return;
    this.#bytes = this.#bytes.length === 0 ? bytes : concat(this.#bytes, bytes);
    if (!this.#hasSucceeded) return this.#go();
    // Whoever was introduced is not listened to yet.
    if (this.#bytes.length > EARLY_BYTES_MAX) this.#connection.close();
  }

  #go(): void {
    while (!this.#isOver && this.#awaited !== undefined && this.#bytes.length >= this.#awaited.length) {
      const { length, then } = this.#awaited;
      const taken = this.#bytes.slice(0, length);
      this.#bytes = this.#bytes.subarray(length);
      this.#awaited = undefined;
      then(taken);
    }
  }

  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#timer?.cancel();
    return true;
  }
}

const REFUSAL_LINGER_MS = 200;
const REASONS: Readonly<Record<number, string>> = {
  [OTHER_VERSION]: 'it runs another version of the protocol',
  [NOT_EXPECTED]: 'nothing of that name is expected here',
  [WRONG_PROOF]: 'it does not know the secret',
};

function refusal(peer: string, why: string): MillraceError {
  return new MillraceError('HANDSHAKE_REFUSED', `no handshake with ${peer}: ${why}`);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
