// A real job with --ui: every route answers in Flink's shape, the stream tells what happens, a killed thread is drawn.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type {
  Drill,
  FlameGraph,
  FlameGraphAnswer,
  FlameNode,
  HotKeys,
  HotKeysAnswer,
  JobDescription,
  JobFiguresMessage,
  LatencyWatch,
  Overview,
  Profile,
  Recovery,
  SampledRecord,
  StateAnswer,
  StateOverview,
  StreamEvents,
  Tap,
} from '../../src/rest/contract.ts';
import {
  cleanUp,
  loginsJob,
  millrace,
  pause,
  type Running,
  startMillrace,
  temporaryFolder,
} from './processes.ts';

interface Served {
  readonly cwd: string;
  readonly base: string;
  readonly running: Running;
}

async function serve(
  test: TestContext,
  jobWords: readonly string[] = ['--rate', '400'],
  options: readonly string[] = [],
): Promise<Served> {
  const cwd = temporaryFolder(test);
  const running = startMillrace(
    [
      'run',
      loginsJob,
      ...['-p', '2', '--ui', '-Drest.port=0', '-Dexecution.checkpointing.interval=300ms', ...options],
      ...['--', '--output', join(cwd, 'alerts'), ...jobWords],
    ],
    { cwd },
  );
  cleanUp(test, () => running.child.kill('SIGKILL'));
  const address = /dashboard at (http:\/\/localhost:\d+)/;
  await running.outputMatches(address);
  return { cwd, base: address.exec(running.output())![1]!, running };
}

async function get(base: string, path: string): Promise<{ status: number; type: string; body: unknown }> {
  const response = await fetch(`${base}${path}`);
  const type = response.headers.get('content-type') ?? '';
  const text = await response.text();
  return { status: response.status, type, body: type.includes('json') ? JSON.parse(text) : text };
}

async function json<T>(base: string, path: string): Promise<T> {
  const { status, body } = await get(base, path);
  assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
  return body as T;
}

async function post<T>(base: string, path: string, body: unknown): Promise<T> {
  const response = await fetch(`${base}${path}`, { method: 'POST', body: JSON.stringify(body) });
  assert.equal(response.status, 202, path);
  return (await response.json()) as T;
}

/** Asks again until the answer fits. */
async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean, what: string): Promise<T> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    if (performance.now() > deadline) assert.fail(`${what}: ${JSON.stringify(answer)}`);
    await pause(50);
  }
}

interface FlinkJob {
  readonly jid: string;
  readonly state: string;
  readonly vertices: readonly { readonly id: string; readonly parallelism: number }[];
}

/** An operator with keyed state. */
async function keyedUid(base: string, jobId: string): Promise<string> {
  const { operators } = await json<StateOverview>(base, `/v1/x/jobs/${jobId}/state`);
  return encodeURIComponent(operators[0]!.uid);
}

async function onlyJob(base: string): Promise<FlinkJob> {
  const { jobs } = await json<{ jobs: { id: string }[] }>(base, '/v1/jobs');
  const job = await json<FlinkJob>(base, `/v1/jobs/${jobs[0]!.id}`);
  return job;
}

/** The job, and its state once a checkpoint has that of some keys. */
async function withKeys(base: string): Promise<{ readonly jid: string; readonly overview: StateOverview }> {
  const { jid } = await until(
    () => onlyJob(base),
    ({ state }) => state === 'RUNNING',
    'the job runs',
  );
  const overview = await until(
    async () => (await get(base, `/v1/x/jobs/${jid}/state`)).body as StateOverview,
    ({ operators }) => (operators?.[0]?.states[0]?.keys ?? 0) > 2,
    'there are keys with state',
  );
  return { jid, overview };
}

/** The fields of an answer with the kinds of their values, so that shapes are compared and not numbers. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, shapeOf(field)]));
}

describe('a job with --ui', () => {
  it('answers every GET of its OpenAPI document, with and without /v1', async (test) => {
    const { base } = await serve(test);
    const job = await until(
      () => onlyJob(base),
      ({ state }) => state === 'RUNNING',
      'the job runs',
    );
    const checkpoint = await until(
      () => json<{ latest: { completed: { id: number } | null } }>(base, `/jobs/${job.jid}/checkpoints`),
      ({ latest }) => latest.completed !== null,
      'a checkpoint completes',
    );
    const savepoint = await post<{ 'request-id': string }>(base, `/jobs/${job.jid}/savepoints`, {
      'target-directory': 'savepoints',
      'cancel-job': false,
    });
    const triggered = await post<{ 'request-id': string }>(base, `/jobs/${job.jid}/checkpoints`, {});
    const values: Readonly<Record<string, string>> = {
      jobid: job.jid,
      applicationid: job.jid,
      vertexid: job.vertices[0]!.id,
      taskmanagerid: 'embedded',
      subtaskindex: '0',
      attempt: '0',
      file: 'millrace.log',
      checkpointid: String(checkpoint.latest.completed!.id),
      uid: await keyedUid(base, job.jid),
    };
    const { paths } = await json<{ paths: Record<string, Record<string, unknown>> }>(base, '/openapi.json');
    let asked = 0;
    for (const [path, methods] of Object.entries(paths)) {
      // What ends a job is a GET only for Flink's own page; streams do not end; what must be begun first is asked for below.
      if (
        methods['get'] === undefined ||
        /stream$|triggerid|drillid|profileid|uid\}\/live|rescaleuuid|flamegraph\/file|yarn-/.test(path)
      )
        continue;
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '?');
      for (const each of [filled, filled.replace(/^\/v1/, '')]) {
        const { status, body } = await get(base, each);
        assert.equal(status, 200, `${each}: ${JSON.stringify(body)}`);
      }
      asked += 1;
    }
    assert.ok(asked >= 50, `${asked} routes`);
    const taken = await until(
      () =>
        json<{ status: { id: string }; operation?: { location: string } }>(
          base,
          `/jobs/${job.jid}/savepoints/${savepoint['request-id']}`,
        ),
      ({ status }) => status.id === 'COMPLETED',
      'the savepoint completes',
    );
    assert.match(taken.operation?.location ?? '', /savepoints\/savepoint-/, JSON.stringify(taken));
    const took = await until(
      () =>
        json<{ status: { id: string }; operation?: { checkpointId: number } }>(
          base,
          `/jobs/${job.jid}/checkpoints/${triggered['request-id']}`,
        ),
      ({ status }) => status.id === 'COMPLETED',
      'the checkpoint completes',
    );
    assert.ok((took.operation?.checkpointId ?? 0) > 0, JSON.stringify(took));
  });

  it("has Flink's shapes", async (test) => {
    const { base } = await serve(test);
    const { jid, vertices } = await until(
      () => onlyJob(base),
      ({ state }) => state === 'RUNNING',
      'the job runs',
    );
    const number = 'number';
    const string = 'string';
    assert.deepEqual(shapeOf(await json(base, '/overview')), {
      taskmanagers: number,
      'slots-total': number,
      'slots-available': number,
      'jobs-running': number,
      'jobs-finished': number,
      'jobs-cancelled': number,
      'jobs-failed': number,
      'flink-version': string,
      'flink-commit': string,
    });
    const tasks = [
      ...['created', 'scheduled', 'deploying', 'running', 'finished', 'canceling', 'canceled', 'failed'],
      ...['reconciling', 'initializing', 'total'],
    ];
    assert.deepEqual(shapeOf(await json(base, '/jobs/overview')), {
      jobs: [
        {
          jid: string,
          name: string,
          'start-time': number,
          'end-time': number,
          duration: number,
          state: string,
          'last-modification': number,
          tasks: Object.fromEntries(tasks.map((name) => [name, number])),
          'pending-operators': number,
          schedulerType: string,
          jobType: string,
        },
      ],
    });
    const states = ['CREATED', 'SCHEDULED', 'DEPLOYING', 'RUNNING', 'FINISHED', 'CANCELING', 'CANCELED'];
    const byState = Object.fromEntries(
      [...states, 'FAILED', 'RECONCILING', 'INITIALIZING'].map((name) => [name, number]),
    );
    const io = {
      'read-bytes': number,
      'read-bytes-complete': 'boolean',
      'write-bytes': number,
      'write-bytes-complete': 'boolean',
      'read-records': number,
      'read-records-complete': 'boolean',
      'write-records': number,
      'write-records-complete': 'boolean',
      'accumulated-backpressured-time': number,
      'accumulated-idle-time': number,
      'accumulated-busy-time': number,
    };
    const details = shapeOf(await json(base, `/jobs/${jid}`)) as Record<string, unknown>;
    assert.deepEqual(Object.keys(details).sort(), [
      ...[
        'application-id',
        'duration',
        'end-time',
        'isStoppable',
        'jid',
        'job-type',
        'maxParallelism',
        'name',
        'now',
      ],
      ...['pending-operators', 'plan', 'schedulerType', 'start-time', 'state', 'status-counts', 'timestamps'],
      'vertices',
    ]);
    assert.deepEqual(details['status-counts'], byState);
    assert.deepEqual(details['vertices'], [
      {
        id: string,
        slotSharingGroupId: string,
        name: string,
        maxParallelism: number,
        parallelism: number,
        status: string,
        'start-time': number,
        'end-time': number,
        duration: number,
        tasks: byState,
        metrics: io,
      },
    ]);
    const { plan } = await json<{ plan: { nodes: Record<string, unknown>[] } }>(base, `/jobs/${jid}/plan`);
    assert.deepEqual(shapeOf(plan.nodes[1]), {
      id: string,
      parallelism: number,
      operator: string,
      operator_strategy: string,
      description: string,
      inputs: [{ num: number, id: string, ship_strategy: string, exchange: string }],
      optimizer_properties: {},
    });
    assert.ok(!('inputs' in plan.nodes[0]!), 'a source has no inputs');
    const subtask = shapeOf(await json(base, `/jobs/${jid}/vertices/${vertices[0]!.id}/subtasks/0`));
    assert.deepEqual(subtask, {
      subtask: number,
      status: string,
      attempt: number,
      endpoint: string,
      'start-time': number,
      'end-time': number,
      duration: number,
      metrics: io,
      'taskmanager-id': string,
      'status-duration': Object.fromEntries(
        ['CREATED', 'SCHEDULED', 'DEPLOYING', 'INITIALIZING', 'RUNNING'].map((name) => [name, number]),
      ),
      'other-concurrent-attempts': [],
    });
    const summary = Object.fromEntries(
      ['min', 'max', 'avg', 'p50', 'p90', 'p95', 'p99', 'p999'].map((name) => [name, number]),
    );
    const checkpoints = await until(
      () => json<Record<string, Record<string, unknown>>>(base, `/jobs/${jid}/checkpoints`),
      ({ latest }) => latest?.['completed'] !== null,
      'a checkpoint completes',
    );
    const of = [
      ...['checkpointed_size', 'state_size', 'end_to_end_duration', 'alignment_buffered', 'processed_data'],
      'persisted_data',
    ];
    assert.deepEqual(shapeOf(checkpoints['summary']), Object.fromEntries(of.map((name) => [name, summary])));
    assert.deepEqual(shapeOf(checkpoints['latest']!['completed']), {
      className: string,
      id: number,
      status: string,
      is_savepoint: 'boolean',
      savepointFormat: 'null',
      trigger_timestamp: number,
      latest_ack_timestamp: number,
      ...Object.fromEntries(of.map((name) => [name, number])),
      num_subtasks: number,
      num_acknowledged_subtasks: number,
      checkpoint_type: string,
      tasks: {},
      external_path: string,
      discarded: 'boolean',
    });
    const metrics = `/jobs/${jid}/vertices/${vertices[0]!.id}/metrics`;
    assert.deepEqual(shapeOf(await json(base, metrics)), [{ id: string }]);
    const named = await json<unknown[]>(
      base,
      `${metrics}?get=0.numRecordsOut,0.busyTimeMsPerSecond,0.nothing`,
    );
    assert.deepEqual(shapeOf(named), [{ id: string, value: string }]);
    assert.equal(named.length, 2, 'what is not known is left out');
    const over = `/jobs/${jid}/vertices/${vertices[0]!.id}/subtasks/metrics?get=numRecordsOut&agg=max`;
    assert.deepEqual(shapeOf(await json(base, over)), [{ id: string, max: number }]);
    const backPressure = await json<{ subtasks: unknown[] }>(
      base,
      `/jobs/${jid}/vertices/${vertices[0]!.id}/backpressure`,
    );
    assert.deepEqual(shapeOf(backPressure), {
      status: string,
      backpressureLevel: string,
      'backpressure-level': string,
      'end-timestamp': number,
      subtasks: [
        {
          subtask: number,
          'attempt-number': number,
          backpressureLevel: string,
          'backpressure-level': string,
          ratio: number,
          idleRatio: number,
          busyRatio: number,
          'other-concurrent-attempts': [],
        },
      ],
    });
    const missing = await get(base, '/jobs/00000000000000000000000000000000');
    assert.deepEqual(
      [missing.status, missing.body],
      [404, { errors: ['NotFoundException: Job 00000000000000000000000000000000 not found'] }],
    );
  });

  it('streams the whole picture first, then figures, checkpoints, and the recovery from a killed thread', async (test) => {
    const { base, running } = await serve(test);
    const { jid } = await until(
      () => onlyJob(base),
      ({ state }) => state === 'RUNNING',
      'the job runs',
    );
    const stream = await EventStream.open(`${base}/v1/x/stream`, test);
    const first = [];
    for (let each = 0; each < 9; each += 1) first.push((await stream.next()).name);
    assert.deepEqual(first, [
      ...['hello', 'overview', 'job', 'figures', 'checkpoints', 'exceptions', 'recoveries', 'alerts', 'logs'],
    ]);
    const busy = (await stream.find('figures', ({ vertices }) =>
      vertices.every(({ subtasks }) =>
        subtasks.some(
          ({ recordsInPerSecond, recordsOutPerSecond }) => recordsInPerSecond + recordsOutPerSecond > 0,
        ),
      ),
    )) as JobFiguresMessage;
    for (const { subtasks } of busy.vertices) {
      for (const { busyShare, backPressuredShare, idleShare } of subtasks) {
        const whole = busyShare + backPressuredShare + idleShare;
        // 0 before the second report of a subtask.
        assert.ok(whole === 0 || Math.abs(whole - 1) < 1e-9, `${whole}`);
      }
    }
    const completed = await stream.find('checkpoint', ({ status }) => status === 'COMPLETED');
    assert.equal(completed.subtasks.length, completed.subtasksTotal);
    assert.equal(completed.subtasksAcknowledged, 4);
    const overview = (await stream.find('overview', ({ workers }) =>
      workers[0]!.slots.every(({ thread }) => thread !== null),
    )) as Overview;
    assert.equal(overview.slotsTotal, 2);
    const drill = await post<Drill>(base, `/v1/x/jobs/${jid}/drills`, {
      kind: 'kill-worker',
      workerId: 'embedded',
      slot: 1,
    });
    const failure = await stream.find('exception', ({ code }) => code === 'WORKER_LOST');
    assert.equal(failure.slot, 1);
    await stream.find('alert', ({ kind }) => kind === 'worker-lost');
    const recovery = (await stream.find('recovery', ({ outcome }) => outcome === 'caught-up')) as Recovery;
    assert.deepEqual(
      recovery.phases.map(({ phase }) => phase),
      // A thread that died right behind a checkpoint has nothing to read again.
      ['cancel', 'wait', 'restore', 'deploy', ...(recovery.recordsReplayed === 0 ? [] : ['replay'])],
    );
    assert.equal(recovery.exceptionId, failure.exceptionId);
    const known = await json<Drill>(base, `/v1/x/jobs/${jid}/drills/${drill.drillId}`);
    assert.equal(known.status, 'COMPLETED');
    assert.deepEqual([known.scorecard?.duplicates, known.scorecard?.loss], ['none', 'none']);
    const cancelled = await fetch(`${base}/jobs/${jid}?mode=cancel`, { method: 'PATCH' });
    assert.equal(cancelled.status, 202);
    assert.deepEqual(await cancelled.json(), {});
    await stream.find('bye', ({ final }) => final);
    const { output } = await running.ended;
    assert.match(output, /CANCELED/);
  });

  it('shows the state of each key as of the latest checkpoint', async (test) => {
    const { base } = await serve(test);
    const { jid, overview } = await withKeys(base);
    const [operator] = overview.operators;
    const [first] = operator!.states;
    assert.equal(first!.keysBySubtask.length, 2);
    for (const { keysBySubtask, bytesBySubtask } of operator!.states) {
      assert.deepEqual(
        bytesBySubtask.map((bytes) => bytes > 0),
        keysBySubtask.map((keys) => keys > 0),
      );
    }
    const inAll = operator!.states.flatMap(({ bytesBySubtask }) => bytesBySubtask);
    const bytes = inAll.reduce((sum, each) => sum + each, 0);
    assert.ok(bytes <= operator!.stateBytes!, `${bytes} of ${operator!.stateBytes}`);
    const largest = operator!.largestKeys.map((each) => each.bytes);
    assert.equal(largest.length, Math.min(5, first!.keys));
    assert.deepEqual(
      largest,
      [...largest].sort((left, right) => right - left),
    );
    const path = `/v1/x/jobs/${jid}/state/${encodeURIComponent(operator!.uid)}`;
    const some = await json<StateAnswer>(base, `${path}?limit=2`);
    assert.equal(some.entries.length, 2);
    assert.equal(some.hasMore, true);
    const [entry] = some.entries;
    assert.ok(Object.hasOwn(entry!.values, first!.name), JSON.stringify(entry));
    const one = await json<StateAnswer>(base, `${path}?key=${encodeURIComponent(entry!.keyText)}`);
    assert.deepEqual(
      one.entries.map(({ keyText, keyGroup, subtask }) => [keyText, keyGroup, subtask]),
      [[entry!.keyText, entry!.keyGroup, entry!.subtask]],
    );
    assert.deepEqual((await json<StateAnswer>(base, `${path}?key=nobody`)).entries, []);
    assert.equal((await get(base, `/v1/x/jobs/${jid}/state/nothing`)).status, 404);
  });

  it('counts by key what comes to a keyed operator, while it is asked to and no longer', async (test) => {
    const { base } = await serve(test, ['--rate', '200']);
    const { jid, overview } = await withKeys(base);
    const { uid } = overview.operators[0]!;
    const path = `/v1/x/jobs/${jid}/state/${encodeURIComponent(uid)}/hot-keys`;
    assert.deepEqual(await json(base, path), { counted: null });
    const begun = await post<HotKeys>(base, path, { durationMs: 1_000 });
    assert.equal(begun.status, 'IN_PROGRESS');
    const again = await fetch(`${base}${path}`, { method: 'POST', body: '{}' });
    assert.equal(again.status, 409, 'one count at a time');
    const counted = await until(
      async () => (await json<HotKeysAnswer>(base, path)).counted!,
      ({ status }) => status !== 'IN_PROGRESS',
      'the count is over',
    );
    assert.equal(counted.status, 'COMPLETED', counted.failure ?? '');
    const told = counted.keys.map(({ records }) => records);
    assert.deepEqual(
      told,
      [...told].sort((left, right) => right - left),
    );
    assert.ok(counted.records > 0 && told.length > 0);
    if (told.length < 20) {
      const sum = told.reduce((all, each) => all + each, 0);
      assert.equal(sum, counted.records, 'no record is counted twice, and none is left out');
    }
    for (const { keyText, keyGroup, subtask } of counted.keys.slice(0, 3)) {
      const state = `/v1/x/jobs/${jid}/state/${encodeURIComponent(uid)}?key=${encodeURIComponent(keyText)}`;
      for (const entry of (await json<StateAnswer>(base, state)).entries) {
        assert.deepEqual([entry.keyGroup, entry.subtask], [keyGroup, subtask], 'it is where its state is');
      }
    }
    const refused = await fetch(`${base}${path}`, { method: 'POST', body: '{"durationMs":1}' });
    assert.equal(refused.status, 400);
  });

  it('taps what operators hand on, also behind a restart and into a sink, and profiles a thread', async (test) => {
    const { base } = await serve(test, ['--rate', '200']);
    const { jid } = await until(
      () => onlyJob(base),
      ({ state }) => state === 'RUNNING',
      'the job runs',
    );
    const stream = await EventStream.open(`${base}/v1/x/stream?topics=job,samples,recoveries,figures`, test);
    const { vertices } = (await stream.find('job', () => true)) as JobDescription;
    const begin = async (vertex: number, operator: number, mask: readonly string[] = []): Promise<Tap> => {
      const response = await fetch(`${base}/v1/x/jobs/${jid}/taps`, {
        method: 'POST',
        body: JSON.stringify({ vertex, operator, perSecond: 20, mask }),
      });
      assert.equal(response.status, 201, await response.clone().text());
      return (await response.json()) as Tap;
    };
    // What the source reads, what its chain makes of it, and what goes into the sink.
    const last = vertices.length - 1;
    const sink = vertices[last]!.operators.findIndex(({ kind }) => kind === 'sink');
    const source = await begin(0, 0);
    const parsed = await begin(0, vertices[0]!.operators.length - 1, ['user']);
    const alerts = await begin(last, sink);
    const samples = new Map<string, SampledRecord>();
    const sampleOf = async ({ tapId }: Tap): Promise<SampledRecord> => {
      for (;;) {
        const found = samples.get(tapId);
        if (found !== undefined) return found;
        const { tapId: of, records } = await stream.find('sample', () => true);
        samples.set(of, records[0]!);
      }
    };
    const line = await sampleOf(source);
    assert.equal(typeof line.value, 'string', JSON.stringify(line));
    const event = await sampleOf(parsed);
    assert.equal((event.value as { user?: string }).user, '***', JSON.stringify(event));
    assert.equal(typeof event.timestamp, 'number');
    assert.equal(event.keyText, null, 'what is masked may be the key');
    const alert = await sampleOf(alerts);
    assert.ok('key' in (alert.value as object), JSON.stringify(alert));
    assert.equal(
      alert.keyText,
      JSON.stringify((alert.value as { key: unknown }).key),
      'under which it was made',
    );
    const keyed = await begin(0, vertices[0]!.operators.length - 1);
    const bare = await sampleOf(keyed);
    assert.ok(Object.values(bare.value as object).some((each) => JSON.stringify(each) === bare.keyText));

    await post(base, `/v1/x/jobs/${jid}/drills`, { kind: 'kill-worker', workerId: 'embedded', slot: 0 });
    await stream.find('recovery', ({ downtimeMs }) => downtimeMs !== null);
    await stream.find('sample', ({ tapId }) => tapId === parsed.tapId);

    for (const { tapId } of [source, parsed, alerts, keyed]) {
      const ended = await fetch(`${base}/v1/x/jobs/${jid}/taps/${tapId}`, { method: 'DELETE' });
      assert.equal(ended.status, 200);
    }
    assert.deepEqual(await json(base, `/v1/x/jobs/${jid}/taps`), { entries: [] });
    const before = (await stream.find(
      'figures',
      ({ vertices: all }) => all[0]!.recordsOut > 0,
    )) as JobFiguresMessage;
    const goesOn = ({ vertices: all }: JobFiguresMessage): boolean =>
      all[0]!.recordsOut > before.vertices[0]!.recordsOut;
    await stream.find('figures', goesOn);

    const path = '/v1/x/taskmanagers/embedded/profiles';
    const { profileId } = await post<Profile>(base, path, { slot: 1, durationMs: 300 });
    await until(
      () => json<Profile>(base, `${path}/${profileId}`),
      ({ status }) => status === 'COMPLETED',
      'the profile is taken',
    );
    const profile = await json<{ nodes: unknown[]; samples: unknown[] }>(base, `${path}/${profileId}/file`);
    assert.ok(profile.nodes.length > 0 && profile.samples.length > 0, 'nodes and samples');
  });

  it('measures latency while somebody asks for it, also behind a restart, under the names of Flink', async (test) => {
    const { base } = await serve(test, ['--rate', '200']);
    const { jid } = await until(
      () => onlyJob(base),
      ({ state }) => state === 'RUNNING',
      'the job runs',
    );
    const figures = async (): Promise<JobFiguresMessage> =>
      (await json<{ figures: JobFiguresMessage }>(base, `/v1/x/jobs/${jid}`)).figures;
    const measured = ({ vertices }: JobFiguresMessage): number[] =>
      vertices.slice(1).flatMap(({ operators }) => operators.map(({ latency }) => latency[0]?.markers ?? 0));
    assert.deepEqual([(await figures()).latencyIntervalMs, Math.max(...measured(await figures()))], [0, 0]);
    const refused = await fetch(`${base}/v1/x/jobs/${jid}/latency`, {
      method: 'POST',
      body: '{"intervalMs":1}',
    });
    assert.equal(refused.status, 400);
    const answer = await post<LatencyWatch>(base, `/v1/x/jobs/${jid}/latency`, { intervalMs: 100 });
    assert.deepEqual([answer.jobId, answer.intervalMs], [jid, 100]);
    const all = (given: JobFiguresMessage): boolean => measured(given).every((markers) => markers > 3);
    const found = await until(figures, all, 'markers reach every operator');
    assert.equal(found.latencyIntervalMs, 100);
    for (const { operators } of found.vertices.slice(1)) {
      const { source, p50Ms, p99Ms, maxMs } = operators[0]!.latency[0]!;
      assert.equal(source, 0);
      assert.ok(p50Ms <= p99Ms && p99Ms <= maxMs && maxMs < 60_000, JSON.stringify(operators[0]!.latency));
    }

    await post(base, `/v1/x/jobs/${jid}/drills`, { kind: 'kill-worker', workerId: 'embedded', slot: 0 });
    await until(figures, ({ attempt }) => attempt === 2, 'the job is restarted');
    await until(figures, all, 'markers come again');

    const ids = await json<{ id: string }[]>(base, `/v1/jobs/${jid}/metrics`);
    const name =
      /^latency\.source_id\.[\da-f]{32}\.operator_id\.[\da-f]{32}\.operator_subtask_index\.0\.latency_p99$/;
    const [id] = ids.map((each) => each.id).filter((each) => name.test(each));
    assert.ok(id !== undefined, JSON.stringify(ids));
    const [value] = await json<{ value: string }[]>(base, `/v1/jobs/${jid}/metrics?get=${id}`);
    assert.ok(Number(value!.value) >= 0);
    const { body } = await get(base, '/metrics');
    assert.match(
      String(body),
      /^millrace_taskmanager_job_latency_source_id_operator_id_operator_subtask_index_latency\{.*source_id="[\da-f]{32}".*quantile="0\.99"\} \d/m,
    );
  });

  it('says how much of its input is left, in the figures and under the names of Flink', async (test) => {
    const { base } = await serve(test, ['--rate', '400']);
    const { jid, vertices } = await until(
      () => onlyJob(base),
      ({ state }) => state === 'RUNNING',
      'the job runs',
    );
    const left = async (): Promise<number> => {
      const { figures } = await json<{ figures: JobFiguresMessage }>(base, `/v1/x/jobs/${jid}`);
      return figures.vertices[0]!.backlog?.pendingBytes ?? -1;
    };
    const first = await until(left, (bytes) => bytes > 0, 'bytes are pending');
    await until(left, (bytes) => bytes >= 0 && bytes < first, 'they get fewer');
    const path = `/v1/jobs/${jid}/vertices/${vertices[0]!.id}`;
    const [metric] = await json<{ value: string }[]>(
      base,
      `${path}/jm-operator-metrics?get=Source: lines.numUnassignedSplits`,
    );
    const ids = await json<{ id: string }[]>(base, `${path}/jm-operator-metrics`);
    assert.ok(
      metric !== undefined || ids.some(({ id }) => id.endsWith('.numUnassignedSplits')),
      JSON.stringify(ids),
    );
    const { body } = await get(base, '/metrics');
    for (const name of ['pendingBytes', 'sourceIdleTime']) {
      assert.match(
        String(body),
        new RegExp(`^millrace_taskmanager_job_task_operator_${name}\\{.*\\} \\d`, 'm'),
      );
    }
    assert.match(String(body), /^millrace_jobmanager_job_operator_numUnassignedSplits\{.*\} \d/m);
  });

  it('draws what a task computes as a flame graph, also in the shape of Flink', async (test) => {
    const { base } = await serve(test, ['--rate', '200'], ['-Drest.flamegraph.enabled=true']);
    const { jid, vertices } = await until(
      () => onlyJob(base),
      ({ state }) => state === 'RUNNING',
      'the job runs',
    );
    await until(
      () => json<{ figures: JobFiguresMessage }>(base, `/v1/x/jobs/${jid}`),
      ({ figures }) => figures.vertices[0]!.subtasks[0]!.recordsOut > 0,
      'the task reads',
    );
    const vertex = `vertices/${vertices[0]!.id}/flamegraph`;
    const own = `/v1/x/jobs/${jid}/${vertex}`;
    assert.deepEqual(await json(base, `${own}?subtask=0`), { graph: null });
    assert.equal((await get(base, `${own}?subtask=9`)).status, 404);
    assert.deepEqual(await json(base, `/v1/jobs/${jid}/${vertex}`), { endTimestamp: -2, data: null });
    assert.deepEqual(
      await json(base, own),
      { graph: null },
      'a GET of anybody takes none, though it is enabled',
    );
    const begun = await post<FlameGraph>(base, `${own}?subtask=0`, { durationMs: 1_000 });
    assert.equal(begun.status, 'IN_PROGRESS');
    const { graph } = await until(
      () => json<FlameGraphAnswer>(base, `${own}?subtask=0`),
      (answer) => answer.graph?.status !== 'IN_PROGRESS',
      'the graph is taken',
    );
    const taken = graph!;
    assert.equal(taken.status, 'COMPLETED', taken.failure ?? '');
    const { root, busiestShare } = taken;
    assert.ok(root!.value > 0 && busiestShare > 0 && busiestShare < 1, `${root!.value}, ${busiestShare}`);
    const sumsUp = ({ value, children }: FlameNode): boolean =>
      children.reduce((sum, child) => sum + child.value, 0) <= value && children.every(sumsUp);
    assert.ok(sumsUp(root!), 'a frame is at least as wide as those below it');
    const names = JSON.stringify(root);
    assert.match(names, /"name":"work \(task-runner\.ts:\d+\)","origin":"engine"/);
    const flink = await json<{ endTimestamp: number; data: { name: string; value: number } }>(
      base,
      `/v1/jobs/${jid}/${vertex}?subtaskindex=0`,
    );
    assert.deepEqual([flink.data.name, flink.data.value], ['root', root!.value]);
    assert.equal(flink.endTimestamp, taken.startedAt + 1_000);
    const idle = await json<{ data: object }>(base, `/v1/jobs/${jid}/${vertex}?subtaskindex=0&type=OFF_CPU`);
    assert.deepEqual(idle.data, { name: 'root', value: 0, children: [] });
    const profile = await json<{ nodes: unknown[] }>(base, `${own}/file?subtask=0`);
    assert.ok(profile.nodes.length > 0);
    const ofPage = { headers: { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' } };
    const asked = await fetch(`${base}/v1/jobs/${jid}/${vertex}`, ofPage);
    assert.deepEqual(await asked.json(), { endTimestamp: -3, data: null }, "Flink's page has one taken");
    const { graph: due } = await json<FlameGraphAnswer>(base, own);
    assert.equal(due?.status, 'IN_PROGRESS');
  });

  it('ends by itself where nobody sits at a terminal', async (test) => {
    const { running } = await serve(test, []);
    const { code, output } = await running.ended;
    assert.equal(code, 0, output);
    assert.match(output, /FINISHED/);
  });
});

/** Reads server-sent events. */
class EventStream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #text = '';

  private constructor(reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.#reader = reader;
  }

  static async open(url: string, test: TestContext): Promise<EventStream> {
    const response = await fetch(url);
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    const reader = response.body!.getReader();
    cleanUp(test, () => void reader.cancel().catch(() => undefined));
    return new EventStream(reader);
  }

  async next(): Promise<{ name: string; data: unknown }> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const message = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        const name = /^event: (.*)$/m.exec(message)?.[1];
        if (name === undefined) continue;
        return { name, data: JSON.parse(/^data: (.*)$/m.exec(message)![1]!) as unknown };
      }
      const { done, value } = await this.#reader.read();
      assert.ok(!done, 'the stream goes on');
      this.#text += Buffer.from(value).toString('utf8');
    }
  }

  async find<Name extends keyof StreamEvents>(
    name: Name,
    fits: (data: StreamEvents[Name]) => boolean,
  ): Promise<StreamEvents[Name]> {
    for (;;) {
      const message = await this.next();
      if (message.name === name && fits(message.data as StreamEvents[Name])) {
        return message.data as StreamEvents[Name];
      }
    }
  }
}

describe('the command line against a run with --ui', () => {
  it('takes a savepoint, and stops the job with another one, drained', async (test) => {
    const { base, cwd, running } = await serve(test);
    const { jid: id } = await onlyJob(base);
    await until(
      () => json<{ counts: { completed: number } }>(base, `/jobs/${id}/checkpoints`),
      ({ counts }) => counts.completed > 0,
      'a checkpoint completes',
    );
    const taken = await millrace(['savepoint', id, 'saved', '-t', base], { cwd });
    assert.equal(taken.code, 0, taken.output);
    assert.match(taken.output, /Savepoint completed\. Path: .*saved\/savepoint-/);
    const refused = await millrace(['savepoint', id, '/elsewhere', '-t', base], { cwd });
    assert.equal(refused.code, 1);
    assert.match(refused.output, /REST_REQUEST_REFUSED/);
    const unknown = await millrace(['savepoint', 'nobody', 'saved', '-t', base], { cwd });
    assert.match(unknown.output, /JOB_NOT_FOUND/);
    const stopped = await millrace(['stop', id, '-p', 'saved', '--drain', '--json', '-t', base], { cwd });
    assert.equal(stopped.code, 0, stopped.output);
    const { savepoint } = JSON.parse(stopped.output) as { savepoint: string };
    const ended = await running.ended;
    assert.equal(ended.code, 0, ended.output);
    assert.match(ended.output, /FINISHED/);
    const disposed = await millrace(['savepoint', 'dispose', savepoint, '--json'], { cwd });
    assert.deepEqual(JSON.parse(disposed.output), { disposed: savepoint });
    const gone = await millrace(['stop', id, '-p', 'saved', '-t', base], { cwd });
    assert.match(gone.output, /CLUSTER_UNREACHABLE/);
  });
});
