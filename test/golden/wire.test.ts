// What processes say to each other is what it was: each message of this protocol has golden bytes, means what it meant, and is
// refused by name wherever it is cut or has another bit. Processes of another protocol are refused before anything else.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { isMillraceError, MillraceError } from '../../src/base/errors.ts';
import { PROTOCOL_VERSION } from '../../src/exchange/handshake.ts';
import { ELEMENTS, hearControl, hearLink, LINK_VALUES, SAID, shakeWith, turns, wireBytes } from './wire.ts';

const FOLDER = new URL('wire/', import.meta.url);

/** The messages of a protocol. */
function goldenOf(version: number): Map<string, Uint8Array> {
  const file = JSON.parse(readFileSync(new URL(`protocol-${version}.json`, FOLDER), 'utf8')) as object;
  return new Map(Object.entries(file).map(([name, hex]) => [name, Buffer.from(hex as string, 'hex')]));
}

const golden = goldenOf(PROTOCOL_VERSION);

/** Those of one plane, by their names. */
function plane(name: 'handshake' | 'data' | 'control'): [string, Uint8Array][] {
  const prefix = `${name}: `;
  return [...golden]
    .filter(([each]) => each.startsWith(prefix))
    .map(([each, bytes]) => [each.slice(prefix.length), bytes]);
}

/** Every beginning of bytes, without the whole. */
function* cuts(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length++) yield bytes.subarray(0, length);
}

/** Bytes with one other bit, for each bit. */
function* flips(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Uint8Array.from(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    yield changed;
  }
}

function codesOf(errors: readonly Error[]): unknown[] {
  return errors.map((error) => isMillraceError(error) && error.code);
}

describe(`protocol ${PROTOCOL_VERSION}`, () => {
  it('is written as it was: who changes a message counts the protocol up, and keeps its bytes', async () => {
    const now = new Map([...(await wireBytes())].map(([name, bytes]) => [name, Buffer.from(bytes)]));
    assert.deepEqual([...now.keys()], [...golden.keys()], 'no message is missing (scripts/golden-bytes.ts)');
    for (const [name, bytes] of golden) assert.equal(hexOf(now.get(name)!), hexOf(bytes), name);
  });

  it('is read as it was, between the processes of a job', () => {
    for (const [name, bytes] of plane('data')) {
      const other = LINK_VALUES[name];
      if (other !== undefined) {
        assert.deepEqual(other.decode(bytes), other.value, name);
        continue;
      }
      const { element, codec } = ELEMENTS[name]!;
      const heard = hearLink(bytes, codec);
      assert.deepEqual(heard.element, element, name);
      assert.deepEqual(codesOf(heard.lost), ['EXCHANGE_LOST'], 'its end, behind the message');
    }
    const overtaking = golden.get('data: a barrier that overtakes')!;
    assert.deepEqual(hearLink(overtaking).priority, LINK_VALUES['a barrier that overtakes']!.value);
  });

  it('is read as it was, between the processes of a cluster', async () => {
    for (const [name, bytes] of plane('control')) {
      const { kind, body } = SAID[name]!;
      const heard = hearControl(bytes, kind);
      await turns();
      assert.equal(heard.said.length, 1, name);
      assert.equal(heard.said[0]!.kind, kind, name);
      if (kind === 'failure') assertSameError(heard.said[0]!.body, body);
      else assert.deepEqual(heard.said[0]!.body, body, name);
      assert.deepEqual(codesOf(heard.losses), ['RPC_LOST'], 'its end, behind the message');
    }
  });

  it('a message of a job that was cut, or has another bit, is refused by name, and nothing of it is used', () => {
    let cases = 0;
    const refused = (name: string, bytes: Uint8Array, code: string, why: RegExp): void => {
      const { lost, element, priority } = hearLink(bytes, ELEMENTS[name]?.codec);
      if (codesOf(lost).join() !== code) assert.fail(`${name}: ${codesOf(lost).join()} for ${hexOf(bytes)}`);
      assert.match(lost[0]!.message, why);
      if (element !== undefined || priority !== undefined) assert.fail(`${name}: something of it is there`);
      cases++;
    };
    for (const [name, whole] of plane('data')) {
      for (const bytes of cuts(whole)) refused(name, bytes, 'EXCHANGE_LOST', /connection to the peer broke/);
      for (const bytes of flips(whole)) refused(name, bytes, 'EXCHANGE_DAMAGED', /checksum does not match/);
    }
    console.log(`cases: damaged messages of a job ${cases} (minimum 10000)`);
    assert.ok(cases >= 10_000);
  });

  it('a message of a cluster that was cut, or has another bit, is refused by name, and nobody hears of it', async () => {
    let cases = 0;
    const refused = async (name: string, damaged: Iterable<Uint8Array>, why: RegExp): Promise<void> => {
      const { kind } = SAID[name]!;
      const outcomes = [...damaged].map((bytes) => ({ bytes, ...hearControl(bytes, kind) }));
      await turns();
      for (const { bytes, said, losses } of outcomes) {
        if (codesOf(losses).join() !== 'RPC_LOST') assert.fail(`${name}: ${hexOf(bytes)} ends nothing`);
        if (!why.test(losses[0]!.message)) assert.fail(`${name}: ${losses[0]!.message}`);
        if (said.length > 0) assert.fail(`${name}: somebody heard ${JSON.stringify(said[0])}`);
        cases++;
      }
    };
    for (const [name, whole] of plane('control')) {
      await refused(name, cuts(whole), /the peer broke: it closed/);
      await refused(name, flips(whole), /the peer broke: .*checksum does not match/);
    }
    console.log(`cases: damaged messages of a cluster ${cases} (minimum 50000)`);
    assert.ok(cases >= 50_000);
  });

  it('a handshake that was cut, or has another bit, introduces nobody', async () => {
    const [hello, answer, proof, welcome] = plane('handshake').map(([, bytes]) => bytes) as Transcript;
    // What each side is said, before the message that is damaged.
    const steps = [
      { side: 'listener', before: [], message: hello, after: [proof] },
      { side: 'dialer', before: [], message: answer, after: [welcome] },
      { side: 'listener', before: [hello], message: proof, after: [] },
      { side: 'dialer', before: [answer], message: welcome, after: [] },
    ] as const;
    let cases = 0;
    for (const { side, before, message, after } of steps) {
      assert.ok(!((await shaken(side, [...before, message, ...after])) instanceof MillraceError));
      for (const bytes of flips(message)) {
        const outcome = await shaken(side, [...before, bytes, ...after]);
        if (!isRefusal(outcome)) assert.fail(`${side}: ${hexOf(bytes)} is believed`);
        cases++;
      }
      for (const bytes of cuts(message)) {
        const outcome = await shaken(side, [...before, bytes]);
        if (!isMillraceError(outcome, 'NETWORK_FAILED')) assert.fail(`${side}: ${hexOf(bytes)} is believed`);
        cases++;
      }
    }
    console.log(`cases: damaged handshakes ${cases} (minimum 1000)`);
    assert.ok(cases >= 1_000);
  });
});

describe('another protocol', () => {
  const others = readdirSync(FOLDER)
    .map((name) => Number(/^protocol-(\d+)\.json$/.exec(name)?.[1]))
    .filter((version) => version !== PROTOCOL_VERSION);

  it('has golden bytes', () => assert.ok(others.length > 0));

  for (const version of others) {
    it(`${version} is refused by name, whoever dials`, async () => {
      const { peer, outcome } = shakeWith('listener');
      peer.say(goldenOf(version).get('handshake: hello')!);
      const error = await outcome;
      assert.ok(isMillraceError(error, 'HANDSHAKE_REFUSED'));
      assert.match(error.message, /it runs another version of the protocol/);
      const dialer = shakeWith('dialer');
      for (const bytes of peer.written) dialer.peer.say(bytes);
      const told = await dialer.outcome;
      assert.ok(isMillraceError(told, 'HANDSHAKE_REFUSED'));
      assert.match(told.message, /another version of the protocol than/);
    });
  }
});

/** What is said in a handshake. */
type Transcript = [Uint8Array, Uint8Array, Uint8Array, Uint8Array];

/** How a side of a handshake ends that is said this, and nothing more. */
async function shaken(side: 'dialer' | 'listener', said: readonly Uint8Array[]): Promise<unknown> {
  const { peer, outcome, advance } = shakeWith(side);
  for (const bytes of said) peer.say(bytes);
  await turns();
  advance();
  return outcome;
}

function isRefusal(outcome: unknown): boolean {
  return isMillraceError(outcome, 'HANDSHAKE_REFUSED') || isMillraceError(outcome, 'NETWORK_FAILED');
}

function assertSameError(actual: unknown, expected: unknown): void {
  assert.ok(isMillraceError(actual) && isMillraceError(expected));
  const plain = ({ code, message, stack, where, remedy }: MillraceError): unknown => ({
    code,
    message,
    stack,
    where,
    remedy,
  });
  assert.deepEqual(plain(actual), plain(expected));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
