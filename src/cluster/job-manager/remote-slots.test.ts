// The slots of a job master in processes that the test plays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryNetwork } from '../../../test/exchange/memory-network.ts';
import { isMillraceError, MillraceError, serializeError } from '../../base/errors.ts';
import { recordingLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { SlotGateway, SlotReport, SlotSettings } from '../../hosts/messages.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import type { JobProcessCommand, JobProcessMessage, SlotAssignment } from '../messages.ts';
import { RpcConnection } from '../rpc/rpc-connection.ts';
import { RemoteSlots, TERMINATE_DEADLINE_MS } from './remote-slots.ts';

const HEARTBEAT = { intervalMs: 1_000, timeoutMs: 5_000 };
const settings = { slots: 3 } as SlotSettings;

interface Played {
  readonly heard: JobProcessCommand[];
  readonly say: (message: JobProcessMessage) => void;
  readonly die: () => void;
}

function world(): {
  readonly slots: RemoteSlots;
  readonly clock: ManualClock;
  readonly asked: number[];
  readonly give: (assignments: readonly string[]) => void;
  readonly refuse: (error: Error) => void;
  readonly process: (taskManager: string) => Played;
  readonly start: (signal?: AbortSignal) => Promise<SlotGateway[]>;
  readonly reports: SlotReport[];
  readonly lost: [number, string][];
  readonly settle: () => Promise<void>;
} {
  const network = new MemoryNetwork(seededRandom('remote'));
  network.chunkBytesMax = 1 << 20;
  const clock = new ManualClock();
  const asked: number[] = [];
  const waiting: PromiseWithResolvers<readonly SlotAssignment[]>[] = [];
  const slots = new RemoteSlots({
    clock,
    log: recordingLog(),
    heartbeat: HEARTBEAT,
    load: 'load',
    waits: true,
    requestSlots: (count) => {
      asked.push(count);
      const answer = Promise.withResolvers<readonly SlotAssignment[]>();
      waiting.push(answer);
      return answer.promise;
    },
  });
  const reports: SlotReport[] = [];
  const lost: [number, string][] = [];
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) {
      network.settle();
      await Promise.resolve();
    }
  };
  return {
    slots,
    clock,
    asked,
    give: (assignments) =>
      waiting
        .pop()!
        .resolve(assignments.map((taskManager, slot) => ({ taskManager, slot, allocation: taskManager }))),
    refuse: (error) => waiting.pop()!.reject(error),
    process: (taskManager) => {
      const [near, far] = network.pair();
      const heard: JobProcessCommand[] = [];
      const rpc = new RpcConnection<JobProcessMessage, JobProcessCommand>({
        connection: near,
        rest: new Uint8Array(0),
        clock: new ManualClock(), // It never misses the job master.
        heartbeat: HEARTBEAT,
        handlers: { message: (command) => void heard.push(command), lost: () => {} },
      });
      slots.attach({ connection: far, subject: '', rest: new Uint8Array(0) });
      rpc.send({ kind: 'attach', taskManager, processId: 1, data: { host: taskManager, port: 1 } });
      return { heard, say: (message) => rpc.send(message), die: () => rpc.close() };
    },
    start: (signal) =>
      slots.start(
        settings,
        (report) => void reports.push(report),
        (slot, error) => void lost.push([slot, error.message]),
        signal,
      ),
    reports,
    lost,
    settle,
  };
}

type World = ReturnType<typeof world>;

/** A deployment of three slots in two processes that runs. */
async function running(): Promise<World & { a: Played; b: Played; gateways: SlotGateway[] }> {
  const here = world();
  const started = here.start();
  const [a, b] = [here.process('a'), here.process('b')];
  here.give(['a', 'b', 'a']);
  await here.settle();
  for (const each of [a, b]) each.say({ kind: 'ready', deployment: 1 });
  await here.settle();
  return { ...here, a, b, gateways: await started };
}

test('a deployment starts in every process with where all slots are, and is there when all are ready', async () => {
  const { a, b, gateways, asked } = await running();
  assert.deepEqual(asked, [3]);
  const [start] = a.heard;
  assert.ok(start?.kind === 'start');
  assert.deepEqual([start.processOfSlot, start.own, start.load], [[0, 1, 0], 0, 'load']);
  assert.deepEqual(
    start.processes.map(({ host }) => host),
    ['a', 'b'],
  );
  assert.ok(b.heard[0]?.kind === 'start' && b.heard[0].own === 1);
  assert.deepEqual(
    gateways.map(({ slot }) => slot),
    [0, 1, 2],
  );
});

test('commands go to the process of their slot, reports come from it, those of other deployments do not', async () => {
  const { a, b, gateways, reports, settle } = await running();
  gateways[1]!.send({ kind: 'cancel', attempt: 4 });
  const report = { kind: 'canceled', slot: 1, attempt: 4 } as const;
  b.say({ kind: 'report', deployment: 1, report });
  b.say({ kind: 'report', deployment: 7, report });
  await settle();
  assert.deepEqual(b.heard.at(-1), {
    kind: 'command',
    deployment: 1,
    slot: 1,
    command: { kind: 'cancel', attempt: 4 },
  });
  assert.equal(a.heard.length, 1);
  assert.deepEqual(reports, [report]);
});

test('a process that dies is the loss of each of its slots, once, and its slots are gone', async () => {
  const { a, b, gateways, lost, slots, settle } = await running();
  a.die();
  slots.taskManagerLost('a', 'killed');
  await settle();
  assert.deepEqual(
    lost.map(([slot]) => slot),
    [0, 2],
  );
  assert.match(lost[0]![1], /the process of the job in TaskManager a is lost/);
  await gateways[0]!.terminate();
  const rest = gateways[1]!.terminate();
  await settle();
  assert.equal(b.heard.at(-1)?.kind, 'terminate');
  b.say({ kind: 'slot-gone', deployment: 1, slot: 1 });
  await settle();
  await rest;
});

test('losses after a termination was asked for are what was asked for', async () => {
  const { b, gateways, lost, settle } = await running();
  const gone = gateways[1]!.terminate();
  b.say({ kind: 'slot-lost', deployment: 1, slot: 1, error: serializeError(new Error('link')) });
  b.die();
  await settle();
  await gone;
  assert.deepEqual(lost, []);
});

test('slots that are lost before their process came are replaced', async () => {
  const here = world();
  const started = here.start();
  here.give(['a', 'b', 'a']);
  const b = here.process('b');
  await here.settle();
  here.slots.taskManagerLost('a', 'killed');
  assert.deepEqual(here.asked, [3, 3]);
  here.give(['c', 'b', 'b']);
  const c = here.process('c');
  await here.settle();
  for (const each of [b, c]) each.say({ kind: 'ready', deployment: 1 });
  await here.settle();
  assert.equal((await started).length, 3);
});

test('slots that are lost together with the answer that gives them are asked for again', async () => {
  const here = world();
  const started = here.start();
  here.give(['a', 'b', 'a']);
  here.slots.taskManagerLost('a', 'killed'); // In the same piece of the network: the answer is not handled yet.
  const b = here.process('b');
  await here.settle();
  assert.deepEqual(here.asked, [3, 3]);
  here.give(['c', 'b', 'b']);
  const c = here.process('c');
  await here.settle();
  for (const each of [b, c]) each.say({ kind: 'ready', deployment: 1 });
  await here.settle();
  assert.equal((await started).length, 3);
});

test('a start that one process cannot make ends everywhere, with its reason', async () => {
  const here = world();
  const started = here.start().catch((error: unknown) => error);
  const [a, b] = [here.process('a'), here.process('b')];
  here.give(['a', 'b', 'a']);
  await here.settle();
  const why = serializeError(new MillraceError('GRAPH_MISMATCH', 'another plan'));
  b.say({ kind: 'unready', deployment: 1, error: why });
  await here.settle();
  assert.deepEqual(
    a.heard.map(({ kind }) => kind),
    ['start', 'terminate', 'terminate'],
  );
  for (const slot of [0, 2]) a.say({ kind: 'slot-gone', deployment: 1, slot });
  b.say({ kind: 'slot-gone', deployment: 1, slot: 1 });
  await here.settle();
  assert.ok(isMillraceError(await started, 'GRAPH_MISMATCH'));
});

test('a start that is not wanted any more, or gets no slots, ends', async () => {
  const unwanted = world();
  const giveUp = new AbortController();
  const started = unwanted.start(giveUp.signal).catch((error: unknown) => error);
  giveUp.abort(new Error('unwanted'));
  await unwanted.settle();
  assert.equal(((await started) as Error).message, 'unwanted');
  const poor = world();
  const refused = poor.start().catch((error: unknown) => error);
  poor.refuse(new MillraceError('SLOTS_MISSING', 'none'));
  await poor.settle();
  assert.ok(isMillraceError(await refused, 'SLOTS_MISSING'));
});

test('a process that never comes is not waited for for ever', async () => {
  const here = world();
  const started = here.start().catch((error: unknown) => error);
  here.give(['a', 'a', 'a']);
  await here.settle();
  here.clock.advance(90_000);
  await here.settle();
  const error = await started;
  assert.ok(isMillraceError(error, 'TASK_MANAGER_LOST'));
  assert.match(error.message, /not ready in a/);
});

test('a process that lives and does not terminate a slot in time counts as lost', async () => {
  const { gateways, clock, settle, a, b, lost } = await running();
  let isGone = false;
  const gone = gateways[0]!.terminate().then(() => {
    isGone = true;
  });
  const passes = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      // Signs of life that say nothing.
      for (const each of [a, b]) each.say({ kind: 'slot-gone', deployment: 99, slot: 0 });
      await settle();
      clock.advance(1_000);
      await settle();
    }
  };
  await passes(TERMINATE_DEADLINE_MS - 1_000);
  assert.ok(!isGone, 'it has time');
  await passes(1_000);
  await gone;
  assert.deepEqual(
    lost.map(([slot]) => slot),
    [2],
    'the other slot there is lost with it, the one elsewhere is not',
  );
  a.say({ kind: 'slot-gone', deployment: 1, slot: 2 });
  await settle();
});
