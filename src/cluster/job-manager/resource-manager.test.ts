import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordingLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import type { SlotAssignment, TaskManagerOrders, TaskManagerReport } from '../messages.ts';
import { ResourceManager, type SlotOwner } from './resource-manager.ts';

const TIMEOUT_MS = 1_000;
const NO_FIGURES = {} as TaskManagerReport['process']; // They are only handed on.

/** A TaskManager that does at once what it is told. */
class Obedient {
  readonly id: string;
  readonly slots: number;
  orders: TaskManagerOrders = { epoch: 0, version: 0, jobs: [] };
  /** Processes that do not end when they are told to. */
  stubborn = false;
  #processes = new Map<string, TaskManagerReport['jobs'][number]>();

  constructor(id: string, slots: number) {
    this.id = id;
    this.slots = slots;
  }

  report(): TaskManagerReport {
    const wanted = new Map(
      this.orders.jobs.map(({ jobId, allocation, slots }) => [
        allocation,
        { jobId, allocation, slots, processId: 1, restarts: 0 },
      ]),
    );
    if (this.stubborn) for (const [allocation, process] of this.#processes) wanted.set(allocation, process);
    this.#processes = wanted;
    return {
      taskManager: this.id,
      host: 'h',
      processId: 1,
      startedAt: 0,
      slots: this.slots,
      process: NO_FIGURES,
      ordersVersion: this.orders.version,
      jobs: [...wanted.values()],
    };
  }
}

class Cluster {
  readonly clock = new ManualClock();
  readonly members = new Map<string, Obedient>();
  readonly offers: string[] = [];
  readonly losses: string[] = [];
  readonly resources = new ResourceManager({
    clock: this.clock,
    log: recordingLog(),
    slotRequestTimeoutMs: TIMEOUT_MS,
    sendOrders: (taskManager, orders) => {
      const member = this.members.get(taskManager);
      if (member !== undefined && orders.version >= member.orders.version) member.orders = orders;
    },
    slotsOffered: (jobId, count) => void this.offers.push(`${jobId} ${count}`),
    slotsLost: (jobId, taskManager) => void this.losses.push(`${jobId} ${taskManager}`),
  });

  join(id: string, slots: number): Obedient {
    const member = new Obedient(id, slots);
    this.members.set(id, member);
    this.resources.register(member.report());
    return member;
  }

  beat(): void {
    for (const member of this.members.values()) this.resources.report(member.report());
  }

  leave(id: string): void {
    this.members.delete(id);
    this.resources.lost(id, 'killed');
  }

  free(): number {
    return this.resources.listing().reduce((sum, { slotsFree }) => sum + slotsFree, 0);
  }
}

function owner(jobId: string): SlotOwner {
  return {
    jobId,
    master: { host: 'h', port: 1 },
    secret: jobId,
    bundle: { key: 'k', name: 'n' },
    workingDirectory: '/',
  };
}

function places(slots: readonly SlotAssignment[]): string[] {
  return slots.map(({ taskManager, slot }) => `${taskManager}:${slot}`);
}

test('a job is spread over all TaskManagers', async () => {
  const cluster = new Cluster();
  for (const id of ['a', 'b', 'c']) cluster.join(id, 3);
  cluster.resources.addJob(owner('j'));
  assert.deepEqual(places(await cluster.resources.requestSlots('j', 4)), ['a:0', 'b:0', 'c:0', 'a:1']);
  cluster.resources.addJob(owner('k'));
  assert.deepEqual(places(await cluster.resources.requestSlots('k', 2)), ['b:1', 'c:1']);
  assert.equal(cluster.free(), 3);
  assert.deepEqual(
    cluster.members.get('a')!.orders.jobs.map(({ jobId, slots }) => [jobId, slots]),
    [['j', [0, 1]]],
  );
});

test('a job keeps its slots when it asks again, and what is lost is replaced', async () => {
  const cluster = new Cluster();
  for (const id of ['a', 'b', 'c']) cluster.join(id, 2);
  cluster.resources.addJob(owner('j'));
  const before = places(await cluster.resources.requestSlots('j', 3));
  cluster.beat();
  cluster.leave('b');
  assert.deepEqual(cluster.losses, ['j b']);
  const after = places(await cluster.resources.requestSlots('j', 3));
  assert.deepEqual([after[0], after[2]], [before[0], before[2]]);
  assert.match(after[1]!, /^[ac]:1$/);
});

test('a request waits for slots, takes none before it can have all, and is refused at its deadline', async () => {
  const cluster = new Cluster();
  cluster.join('a', 2);
  cluster.resources.addJob(owner('j'));
  cluster.resources.addJob(owner('k'));
  const large = cluster.resources.requestSlots('j', 3).catch((error: unknown) => error);
  assert.equal(cluster.free(), 2);
  assert.equal((await cluster.resources.requestSlots('k', 1)).length, 1, 'a smaller one is not held up');
  cluster.clock.advance(TIMEOUT_MS);
  const error = (await large) as Error & { code: string };
  assert.equal(error.code, 'SLOTS_MISSING');
  assert.match(error.message, /needs 3 slots and has 0; 1 are free in 1 TaskManagers/);
  const again = cluster.resources.requestSlots('j', 3);
  cluster.join('b', 2);
  assert.equal((await again).length, 3);
  assert.equal(cluster.clock.pending, 0);
});

test('what is left of more slots than are needed is kept, wherever it stands', async () => {
  const cluster = new Cluster();
  for (const id of ['a', 'b', 'c']) cluster.join(id, 1);
  cluster.resources.addJob(owner('j'));
  const [, second, third] = places(await cluster.resources.requestSlots('j', 3));
  cluster.beat();
  cluster.leave('a');
  assert.throws(() => cluster.resources.takeSlots('j', 3), { code: 'SLOTS_MISSING' });
  assert.deepEqual(places(cluster.resources.takeSlots('j', 2)), [second, third]);
});

test('slots are held beside those that a deployment has, and given back when they are not taken', async () => {
  const cluster = new Cluster();
  for (const id of ['a', 'b', 'c']) cluster.join(id, 1);
  cluster.resources.addJob(owner('j'));
  const [first] = places(await cluster.resources.requestSlots('j', 1));
  assert.throws(() => cluster.resources.reserveSlots('j', 4), { code: 'SLOTS_MISSING' });
  assert.equal(places(cluster.resources.reserveSlots('j', 3)).length, 3);
  assert.equal(cluster.free(), 0);
  assert.equal(cluster.resources.reserveSlots('j', 2).length, 3, 'what it has stays what it is');
  assert.deepEqual(places(cluster.resources.takeSlots('j', 1)), [first]);
  assert.throws(() => cluster.resources.takeSlots('k', 1), { code: 'SLOTS_MISSING' });
});

test('a job is told how many slots it could have, whenever that changes', async () => {
  const cluster = new Cluster();
  cluster.join('a', 2);
  cluster.resources.addJob(owner('j'));
  await cluster.resources.requestSlots('j', 1);
  cluster.resources.addJob(owner('k'));
  await cluster.resources.requestSlots('k', 1);
  cluster.join('b', 1);
  cluster.leave('a');
  assert.deepEqual(cluster.offers, ['j 2', 'k 1', 'j 1', 'j 2', 'k 2', 'j 1', 'k 1']);
});

test('a slot is dealt again only when its process is gone', async () => {
  const cluster = new Cluster();
  const member = cluster.join('a', 1);
  cluster.resources.addJob(owner('j'));
  await cluster.resources.requestSlots('j', 1);
  cluster.beat();
  member.stubborn = true;
  cluster.resources.removeJob('j');
  cluster.resources.addJob(owner('k'));
  let has = false;
  const asked = cluster.resources.requestSlots('k', 1).then((slots) => {
    has = true;
    return slots;
  });
  cluster.beat();
  cluster.beat();
  await Promise.resolve();
  assert.equal(has, false);
  member.stubborn = false;
  cluster.beat();
  assert.deepEqual(places(await asked), ['a:0']);
});

test('a report that is older than the orders says nothing about what they changed', async () => {
  const cluster = new Cluster();
  const member = cluster.join('a', 1);
  cluster.beat();
  const stale = member.report();
  cluster.resources.addJob(owner('j'));
  await cluster.resources.requestSlots('j', 1);
  cluster.beat(); // active
  cluster.resources.removeJob('j'); // releasing
  cluster.resources.report(stale);
  assert.equal(cluster.free(), 0, 'that nothing was there before says nothing');
  cluster.beat();
  assert.equal(cluster.free(), 1);
});

test('a TaskManager that registers again has lost what it had', async () => {
  const cluster = new Cluster();
  cluster.join('a', 1);
  cluster.resources.addJob(owner('j'));
  await cluster.resources.requestSlots('j', 1);
  cluster.join('a', 1);
  assert.deepEqual(cluster.losses, ['j a']);
  assert.equal(cluster.free(), 1);
});

test('a job leaves a TaskManager that is drained with its next whole deployment, and nothing new runs there', async () => {
  const cluster = new Cluster();
  for (const id of ['a', 'b', 'c']) cluster.join(id, 2);
  cluster.resources.addJob(owner('j'));
  assert.deepEqual(places(await cluster.resources.requestSlots('j', 3, true)), ['a:0', 'b:0', 'c:0']);
  cluster.beat();
  assert.deepEqual(cluster.resources.roomFor('b'), { used: 1, free: 2 });
  assert.equal(cluster.resources.drain('b', true), true);
  assert.equal(cluster.resources.drain('nobody', true), false);
  assert.equal(cluster.offers.at(-1), 'j 5', "its free slot is nobody's any more");
  // A region that restarts beside others keeps where these run.
  assert.deepEqual(places(cluster.resources.takeSlots('j', 3)), ['a:0', 'b:0', 'c:0']);
  assert.deepEqual(places(cluster.resources.takeSlots('j', 3, true)), ['a:0', 'a:1', 'c:0']);
  assert.deepEqual(cluster.members.get('b')!.orders.jobs, [], 'its process ends');
  cluster.beat();
  assert.deepEqual(cluster.resources.roomFor('b'), { used: 0, free: 1 });
  cluster.resources.addJob(owner('k'));
  assert.throws(() => cluster.resources.takeSlots('k', 2), /needs 2 slots/);
  cluster.resources.drain('b', false);
  assert.deepEqual(places(cluster.resources.takeSlots('k', 2)), ['b:0', 'c:1']);
  assert.deepEqual(cluster.losses, [], 'no job was told of a loss');
});

test('a job stays in a TaskManager that is drained when there is no room elsewhere', async () => {
  const cluster = new Cluster();
  for (const id of ['a', 'b']) cluster.join(id, 1);
  cluster.resources.addJob(owner('j'));
  await cluster.resources.requestSlots('j', 2, true);
  cluster.beat();
  cluster.resources.drain('b', true);
  assert.deepEqual(places(cluster.resources.takeSlots('j', 2, true)), ['a:0', 'b:0']);
  cluster.join('c', 1);
  assert.deepEqual(places(cluster.resources.takeSlots('j', 2, true)), ['a:0', 'c:0']);
});

test('whatever comes, no slot has two jobs, and in the end every request has its slots', async () => {
  let served = 0;
  for (let seed = 0; seed < 300; seed++) {
    const random = seededRandom(`resources ${seed}`);
    const cluster = new Cluster();
    const granted = new Map<string, readonly SlotAssignment[]>();
    let names = 0;
    const check = (): void => {
      const taken = new Map<string, string>();
      for (const jobId of granted.keys()) {
        for (const place of places(cluster.resources.slotsOf(jobId))) {
          assert.equal(taken.get(place), undefined, `seed ${seed}: ${place} is taken twice`);
          taken.set(place, jobId);
        }
      }
    };
    for (let step = 0; step < 80; step++) {
      switch (random.int(7)) {
        case 0:
          if (cluster.members.size < 4) cluster.join(`tm${random.int(4)}`, 1 + random.int(3));
          break;
        case 1:
          if (cluster.members.size > 0 && random.int(3) === 0) {
            cluster.leave([...cluster.members.keys()][random.int(cluster.members.size)]!);
          }
          break;
        case 2: {
          const jobId = `j${random.int(4)}`;
          if (!granted.has(jobId)) cluster.resources.addJob(owner(jobId));
          granted.set(jobId, []);
          cluster.resources
            .requestSlots(jobId, 1 + random.int(4), random.int(2) === 0)
            .then((slots) => granted.set(jobId, slots))
            .catch(() => undefined);
          break;
        }
        case 3: {
          const jobId = `j${random.int(4)}`;
          cluster.resources.removeJob(jobId);
          granted.delete(jobId);
          break;
        }
        case 4:
          for (const member of cluster.members.values()) member.stubborn = random.int(3) === 0;
          break;
        case 5:
          cluster.resources.drain(`tm${random.int(4)}`, random.int(2) === 0);
          break;
        default:
          cluster.beat();
      }
      await Promise.resolve();
      check();
    }
    for (const member of cluster.members.values()) {
      member.stubborn = false;
      cluster.resources.drain(member.id, false);
    }
    cluster.beat();
    for (let number = 0; number < 4; number++) cluster.resources.removeJob(`j${number}`);
    cluster.join('last', 3);
    cluster.beat();
    cluster.beat();
    const jobId = `last ${names++}`;
    cluster.resources.addJob(owner(jobId));
    served += (await cluster.resources.requestSlots(jobId, cluster.free())).length;
    check();
    assert.equal(cluster.free(), 0, `seed ${seed}: all slots come back`);
  }
  console.log(`cases: slots by chance ${served} (minimum 900)`);
  assert.ok(served >= 900);
});
