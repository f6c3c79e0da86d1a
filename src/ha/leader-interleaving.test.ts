// Two processes that claim to lead and write, over one register that is replaced as a whole: every order of their steps, with an
// answer that is lost, or a change that comes late, at each of them. An epoch has one leader (I-H2), and what a former one
// writes has no effect (I-H1).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Draw, everyChoice } from '../../test/every-choice.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { type Claim, claimLeadership, type LeaderRecord, LEADER_KEY } from './leader.ts';
import { LeaderStore } from './leader-store.ts';
import { decodeRecord } from './record.ts';
import type { MetadataStore } from './metadata-store.ts';
import { type Register, type RegisterContent, RegisterStore } from './register.ts';

const KEY = 'jobs/x';
/** Steps of one run, at most: a bound that is never met. */
const STEPS_MAX = 200;

/** What becomes of a request: it is answered; it is lost before or behind its effect; its effect comes with a later step. */
const FATES = ['answered', 'lost', 'effect without answer', 'late'] as const;
type Fate = (typeof FATES)[number];

interface Document {
  readonly entries: Readonly<Record<string, { readonly value: string; readonly revision: number }>>;
}

interface Written {
  readonly epoch: number;
}

/** A request of one process that waits for its step. */
interface Waiting {
  readonly isRead: boolean;
  readonly go: (fate: Fate) => void;
}

/** One text, of which a test says when each request of each process arrives. */
class SteppedRegister {
  #content: RegisterContent | undefined;
  #replacements = 0;
  readonly waiting: (Waiting | undefined)[] = [undefined, undefined];
  /** Effects that are still to come. */
  readonly late: (() => unknown)[] = [];
  readonly epochs: number[] = [];

  of(process: number): Register {
    return {
      read: () => this.#ask(process, true, () => this.#content),
      replace: (expected, text) => this.#ask(process, false, () => this.#replace(expected, text)),
    };
  }

  get document(): Document {
    return this.#content === undefined ? { entries: {} } : decodeRecord(this.#content.text, 'the document');
  }

  /** A service that changes an entry under a guard by itself, as ZooKeeper and etcd do: a request for each call. */
  storeOf(process: number, clock: ManualClock): MetadataStore {
    const store = new RegisterStore(
      {
        read: () => Promise.resolve(this.#content),
        replace: (expected, text) => Promise.resolve(this.#replace(expected, text)),
      },
      clock,
      100,
    );
    return {
      read: (key) => this.#ask(process, true, () => store.read(key)),
      list: (prefix) => this.#ask(process, true, () => store.list(prefix)),
      change: (change) => this.#ask(process, false, () => store.change(change)),
      watch: (key, changed) => store.watch(key, changed),
    };
  }

  #ask<T>(process: number, isRead: boolean, effect: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const go = (fate: Fate): void => {
        this.waiting[process] = undefined;
        if (fate === 'late') this.late.push(effect);
        if (fate === 'effect without answer') void effect();
        if (fate === 'answered') resolve(effect());
        else reject(new MillraceError('HA_UNAVAILABLE', 'the service does not answer'));
      };
      this.waiting[process] = { isRead, go };
    });
  }

  #replace(expected: string | undefined, text: string): { revision: string } | 'conflict' {
    if (this.#content?.revision !== expected) return 'conflict';
    const before = this.document;
    this.#content = { revision: String(++this.#replacements), text };
    this.#judge(before, this.document);
    return { revision: this.#content.revision };
  }

  /** At each change: epochs follow each other, and only who leads writes. */
  #judge(before: Document, now: Document): void {
    const [former, epoch] = [epochOf(before), epochOf(now)];
    if (now.entries[LEADER_KEY]?.revision !== before.entries[LEADER_KEY]?.revision) {
      assert.equal(epoch, former + 1, 'an epoch follows the one before');
      this.epochs.push(epoch);
    }
    const written = now.entries[KEY];
    if (written !== undefined && written.revision !== before.entries[KEY]?.revision)
      assert.equal(decodeRecord<Written>(written.value, KEY).epoch, epoch, 'the leader of the moment writes');
  }
}

function epochOf({ entries }: Document): number {
  const entry = entries[LEADER_KEY];
  return entry === undefined ? 0 : decodeRecord<LeaderRecord>(entry.value, LEADER_KEY).epoch;
}

/** A process that claims once, and writes once when it leads. */
class Candidate {
  readonly clock: ManualClock;
  readonly #store: MetadataStore;
  readonly #name: string;
  claim: Claim | undefined;
  outcome: 'written' | 'fenced' | 'not elected' | 'failed' | undefined;

  constructor(store: MetadataStore, clock: ManualClock, name: string) {
    this.#store = store;
    this.clock = clock;
    this.#name = name;
    this.#live().catch((error: unknown) => {
      // A claim whose outcome is not known leads nobody.
      assert.ok(isMillraceError(error, 'HA_UNAVAILABLE') || isMillraceError(error, 'FENCED'), String(error));
      if (isMillraceError(error, 'FENCED')) this.outcome = 'fenced';
      else this.outcome = this.claim === undefined ? 'not elected' : 'failed';
    });
  }

  async #live(): Promise<void> {
    const store = this.#store;
    const addresses = { rpc: { host: 'h', port: 1 }, rest: undefined };
    this.claim = await claimLeadership(store, { ...addresses, candidate: 'c', term: this.#name, since: 0 });
    const entries = new LeaderStore(store, this.clock, this.claim, () => {});
    await entries.put(KEY, { epoch: this.claim.record.epoch });
    this.outcome = 'written';
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 16; turn++) await Promise.resolve();
}

/** What a step is: a look at the document or its replacement, or a call of the store. */
type Steps = 'of the register' | 'of the store';

/** One run; at most so many requests have another fate than an answer. Returns how both ended. */
async function run(pick: Draw, steps: Steps, faultsMax: number): Promise<string> {
  const register = new SteppedRegister();
  const candidates = [0, 1].map((each) => {
    const clock = new ManualClock();
    const store =
      steps === 'of the store'
        ? register.storeOf(each, clock)
        : new RegisterStore(register.of(each), clock, 100);
    return new Candidate(store, clock, `${each}`);
  });
  let faults = 0;
  for (let taken = 0; candidates.some(({ outcome }) => outcome === undefined); taken++) {
    assert.ok(taken < STEPS_MAX, 'both come to an end');
    await turns();
    const ready = [0, 1].filter((each) => register.waiting[each] !== undefined);
    const choices = ready.length + register.late.length;
    if (choices === 0) {
      // Whoever waits to write again does.
      for (const { clock } of candidates) clock.advance(100);
      continue;
    }
    const choice = choices === 1 ? 0 : pick(choices);
    if (choice >= ready.length) {
      void register.late.splice(choice - ready.length, 1)[0]!();
      continue;
    }
    const { isRead, go } = register.waiting[ready[choice]!]!;
    // A read that is lost has no effect.
    const fates = faults === faultsMax ? 1 : isRead ? 2 : FATES.length;
    const fate = FATES[fates === 1 ? 0 : pick(fates)]!;
    if (fate !== 'answered') faults++;
    go(fate);
    await turns();
  }
  for (const effect of register.late.splice(0)) effect();
  await turns();
  const claims = candidates.flatMap(({ claim }) => claim?.record.epoch ?? []);
  assert.equal(new Set(claims).size, claims.length, 'I-H2: an epoch is led once');
  for (const epoch of claims) assert.ok(register.epochs.includes(epoch), 'who leads is in the register');
  const highest = Math.max(...register.epochs);
  const written = register.document.entries[KEY];
  for (const { outcome, claim } of candidates) {
    if (outcome === 'fenced') assert.ok(claim!.record.epoch < highest, 'fenced by a higher epoch');
    if (outcome !== 'written') continue;
    const { epoch } = decodeRecord<Written>(written!.value, KEY);
    assert.ok(epoch >= claim!.record.epoch, 'what was said to be written is there, or something newer');
  }
  return candidates.map(({ outcome }) => outcome).join(', ');
}

for (const { steps, faultsMax, least } of [
  { steps: 'of the register', faultsMax: 0, least: 900 },
  { steps: 'of the store', faultsMax: 0, least: 50 },
  { steps: 'of the store', faultsMax: 1, least: 1_000 },
] as const) {
  test(`two leaders in every order of steps ${steps}, with ${faultsMax} requests that are not answered`, async () => {
    const ends = new Map<string, number>();
    const runs = await everyChoice(async (pick) => {
      const end = await run(pick, steps, faultsMax);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    });
    for (const end of ['written, written', 'written, fenced', 'fenced, written'])
      assert.ok(ends.has(end), `${end} happens`);
    console.log(
      `cases: orders of two leaders by steps ${steps}, ${faultsMax} lost ${runs} (minimum ${least})`,
    );
    assert.ok(runs >= least, JSON.stringify([...ends]));
  });
}
