// What every service of high availability has to do alike: against a naive model, with several processes at once, and with
// leaders that overlap. `checkAll` is all of it, for a service that is reached over real connections.

import assert from 'node:assert/strict';
import type { Random } from '../../src/base/env.ts';
import { seededRandom } from '../../src/base/random.ts';
import { claimLeadership, LEADER_KEY, readLeader } from '../../src/ha/leader.ts';
import type {
  Change,
  Contender,
  HighAvailabilityServices,
  MetadataStore,
} from '../../src/ha/metadata-store.ts';

/** One process at the service. */
export interface Client extends HighAvailabilityServices {
  /** It gives no sign of life any more, and does not say goodbye. */
  die(): void;
}

/** A service that several processes use. */
export interface ServiceUnderTest {
  /** A process more, at the same data. */
  connect(): Promise<Client>;
  /** Waits until it is true, however time passes there. */
  until(happened: () => boolean): Promise<void>;
}

const KEYS = [LEADER_KEY, 'jobs/a', 'jobs/b', 'jobs/b.c', 'results/a'] as const;

/** Entries in a map: what a store is, if nothing ever goes wrong. */
class NaiveStore {
  readonly #entries = new Map<string, { value: string; revision: number }>();
  #changes = 0;

  read(key: string): { value: string; revision: number } | undefined {
    return this.#entries.get(key);
  }

  list(prefix: string): string[] {
    return [...this.#entries.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  change(change: {
    key: string;
    value: string | undefined;
    expected: number | undefined;
    guard?: { key: string; revision: number } | undefined;
  }): 'changed' | 'conflict' | 'guarded' {
    const { key, value, expected, guard } = change;
    if (guard !== undefined && this.read(guard.key)?.revision !== guard.revision) return 'guarded';
    if (this.read(key)?.revision !== expected) return 'conflict';
    if (value === undefined) this.#entries.delete(key);
    else this.#entries.set(key, { value, revision: ++this.#changes });
    return 'changed';
  }
}

/** Random changes, reads and lists by several processes in turn, compared with the model after each. */
export async function checkAgainstModel(
  service: ServiceUnderTest,
  seed: number,
  steps: number,
): Promise<number> {
  const random = seededRandom(seed);
  const stores = [(await service.connect()).store, (await service.connect()).store];
  const model = new NaiveStore();
  /** The revision of the store for each of the model, by key. */
  const revisions = new Map<string, string>();
  const pick = <T>(values: readonly T[]): T => values[random.int(values.length)]!;
  for (let step = 0; step < steps; step++) {
    const store = pick(stores);
    const key = pick(KEYS);
    if (random.int(6) === 0) {
      const prefix = pick(['', 'jobs/', 'jobs/b', 'none/']);
      assert.deepEqual(await store.list(prefix), model.list(prefix), `seed ${seed}, step ${step}`);
      continue;
    }
    const expected = expectation(model, key, random);
    const guardKey = pick([undefined, undefined, ...KEYS]);
    const guarded = guardKey === undefined ? undefined : expectation(model, guardKey, random);
    const guard =
      guardKey === undefined || guarded === undefined ? undefined : { key: guardKey, revision: guarded };
    // The entry of the leader is never removed.
    const value = key !== LEADER_KEY && random.int(4) === 0 ? undefined : `value ${step} "é\n`;
    const real: Change = {
      key,
      value,
      expected: expected === undefined ? undefined : revisions.get(`${key} ${expected}`)!,
      guard: guard && { key: guard.key, revision: revisions.get(`${guard.key} ${guard.revision}`)! },
    };
    const should = model.change({ key, value, expected, guard });
    const did = await store.change(real);
    assert.equal(did.kind, should, `seed ${seed}, step ${step}: ${JSON.stringify(real)}`);
    const now = model.read(key);
    if (did.kind === 'changed' && now !== undefined) revisions.set(`${key} ${now.revision}`, did.revision);
    const read = await pick(stores).read(key);
    assert.equal(read?.value, now?.value, `seed ${seed}, step ${step}`);
    if (now !== undefined) assert.equal(read?.revision, revisions.get(`${key} ${now.revision}`));
  }
  return steps;
}

/** Mostly what is there; else nothing, or what was there. */
function expectation(model: NaiveStore, key: string, random: Random): number | undefined {
  const revision = model.read(key)?.revision;
  if (random.int(5) > 0) return revision;
  const former = formers.get(model) ?? new Map<string, number>();
  formers.set(model, former);
  const known = former.get(key);
  if (revision !== undefined) former.set(key, revision);
  return random.int(3) === 0 ? undefined : known;
}

const formers = new WeakMap<NaiveStore, Map<string, number>>();

/** Several processes count in one entry at once: each number is given once. */
export async function checkCounting(
  service: ServiceUnderTest,
  counters: number,
  rounds: number,
): Promise<number> {
  const given: number[] = [];
  const count = async ({ store }: Client): Promise<void> => {
    for (let done = 0; done < rounds; ) {
      const found = await store.read('count');
      const next = Number(found?.value ?? 0) + 1;
      const outcome = await store.change({ key: 'count', value: String(next), expected: found?.revision });
      if (outcome.kind !== 'changed') continue;
      given.push(next);
      done++;
    }
  };
  const clients = await Promise.all(Array.from({ length: counters }, () => service.connect()));
  await Promise.all(clients.map(count));
  const total = counters * rounds;
  assert.deepEqual(
    given.toSorted((a, b) => a - b),
    Array.from({ length: total }, (_, index) => index + 1),
  );
  return total;
}

/** Leaders claim one after the other, and each goes on writing as if it led: what it writes after the next claim is refused. */
export async function checkOverlappingLeaders(service: ServiceUnderTest, seed: number): Promise<number> {
  const random = seededRandom(seed);
  const clients = [await service.connect(), await service.connect(), await service.connect()];
  const claims: { revision: string; epoch: number; store: MetadataStore }[] = [];
  let writes = 0;
  for (let round = 0; round < 12; round++) {
    const { store } = clients[random.int(clients.length)]!;
    const address = { rpc: { host: '127.0.0.1', port: 1 }, rest: undefined };
    const claim = await claimLeadership(store, {
      ...address,
      candidate: 'c',
      term: `${seed}-${round}`,
      since: 0,
    });
    assert.equal(claim.record.epoch, (claims.at(-1)?.epoch ?? 0) + 1);
    claims.push({ revision: claim.revision, epoch: claim.record.epoch, store });
    for (let write = 0; write < 3; write++) {
      const writer = claims[random.int(claims.length)]!;
      const found = await writer.store.read('jobs/x');
      const outcome = await writer.store.change({
        key: 'jobs/x',
        value: `epoch ${writer.epoch}`,
        expected: found?.revision,
        guard: { key: LEADER_KEY, revision: writer.revision },
      });
      assert.equal(
        outcome.kind,
        writer.epoch === claims.at(-1)!.epoch ? 'changed' : 'guarded',
        `seed ${seed}`,
      );
      writes++;
    }
  }
  assert.equal((await readLeader(clients[0]!.store))?.epoch, claims.length);
  return writes;
}

/** A watcher hears of every change, of others too. */
export async function checkWatch(service: ServiceUnderTest): Promise<void> {
  const [watching, writing] = [await service.connect(), await service.connect()];
  let seen: string | undefined = 'nothing yet';
  const watch = watching.store.watch('watched', () => {
    void watching.store.read('watched').then((entry) => {
      seen = entry?.value;
    });
  });
  await service.until(() => seen === undefined);
  let revision: string | undefined;
  for (const value of ['first', 'second', undefined, 'third']) {
    const outcome = await writing.store.change({ key: 'watched', value, expected: revision });
    assert.ok(outcome.kind === 'changed');
    revision = value === undefined ? undefined : outcome.revision;
    await service.until(() => seen === value);
  }
  watch.close();
}

/** One has the seat at a time; who leaves it leaves it at once, who dies leaves it when its time is over. */
export async function checkSeat(service: ServiceUnderTest): Promise<void> {
  const clients = [await service.connect(), await service.connect(), await service.connect()];
  const seated = new Set<number>();
  const lost = new Map<number, string>();
  const contenders = clients.map(({ seat }, index) =>
    seat.contend({
      candidate: `candidate-${index}`,
      seated: () => void seated.add(index),
      unseated: (why) => {
        seated.delete(index);
        lost.set(index, why);
      },
    }),
  );
  await service.until(() => seated.size === 1);
  const [first] = seated;
  await contenders[first!]!.close();
  seated.clear();
  await service.until(() => seated.size === 1);
  const [second] = seated;
  assert.notEqual(second, first);
  clients[second!]!.die();
  const third = [0, 1, 2].find((index) => index !== first && index !== second)!;
  await service.until(() => seated.has(third));
  assert.equal(lost.has(third), false);
  await contenders[third]!.close();
}

/** All of these, each at data of its own; `connect` makes a process more at the data of a name. Returns how many cases there were. */
export async function checkAll(
  connect: (name: string) => Client,
  until: ServiceUnderTest['until'],
): Promise<number> {
  const clients: Client[] = [];
  let services = 0;
  const service = (): ServiceUnderTest => {
    const name = `test-${++services}`;
    return {
      connect: () => {
        const client = connect(name);
        clients.push(client);
        return Promise.resolve(client);
      },
      until,
    };
  };
  let cases = 0;
  for (const seed of [1, 2, 3]) cases += await checkAgainstModel(service(), seed, 80);
  assert.equal(await checkCounting(service(), 4, 10), 40);
  for (const seed of [1, 2]) cases += await checkOverlappingLeaders(service(), seed);
  await checkWatch(service());
  await checkSeat(service());
  for (const client of clients) client.close();
  return cases;
}

/** A contender, and how it stands. */
export function contend(
  client: Client,
  candidate = 'one',
): { readonly stand: { isSeated: boolean; lost: string | undefined }; readonly contender: Contender } {
  const stand = { isSeated: false, lost: undefined as string | undefined };
  const contender = client.seat.contend({
    candidate,
    seated: () => {
      stand.isSeated = true;
    },
    unseated: (why) => {
      stand.lost = why;
    },
  });
  return { stand, contender };
}
