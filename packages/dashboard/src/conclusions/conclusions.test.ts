// What the panes conclude, case by case.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type {
  Alert,
  ExceptionMessage,
  FlameGraph,
  FlameNode,
  JobDescription,
  JobFiguresMessage,
  Lateness,
  Recovery,
  SourceBacklog,
} from '../../../../src/rest/contract.ts';
import {
  checkpoint,
  description,
  figures,
  jobId,
  markers,
  split,
  startedAt,
  subtask,
  vertex,
} from '../../test/scripted-job.ts';
import type { LiveJob } from '../live/state.ts';
import { barrierFrame, barrierMoments, barrierSaying } from './barriers.ts';
import { alertGroups, alertSaying, evidenceLink, trailSteps } from './alert.ts';
import { backlogConclusion, backlogLines } from './backlog.ts';
import { idleConclusions, idleSubtasks, skewConclusions } from './balance.ts';
import { checkpointConclusion, criticalPathOf, isRetained } from './checkpoint.ts';
import { culpritOf } from './culprit.ts';
import { failureGroups } from './failures.ts';
import { flameConclusion, flameFrames, hotFunctions } from './flame.ts';
import { healthOf } from './health.ts';
import { eventTimeLags, isHistory, sinkDelays } from './latency.ts';
import { criticalEdge, markerConclusion } from './marker-latency.ts';
import { lateShareAt, latenessBars, suggestedBoundMs } from './lateness.ts';
import { vertexLabel } from './names.ts';
import { pipelineSayings } from './pipeline.ts';
import { phaseStretches, recoveryConclusion } from './recovery.ts';
import { holdingLane, stillFor, stuckMs, watermarkConclusion, watermarkLanes } from './watermark.ts';

describe('names', () => {
  it('calls a vertex by the uid of its keyed operator, else of its first named one, else by its chain', () => {
    assert.deepEqual(description.vertices.map(vertexLabel), ['events', 'abnormal-in-a-row']);
    const [source] = description.vertices;
    const unnamed = source!.operators.map((operator) => ({ ...operator, hasExplicitUid: false }));
    assert.equal(vertexLabel({ ...source!, operators: unnamed }), 'Source: generator');
  });
});

describe('who is the culprit', () => {
  const culprit = { vertex: 1, subtask: 2, busyShare: 0.97, victims: [0] };

  it('is named with why, who waits for it, and what to do', () => {
    const found = culpritOf(description, figures({ culprit: { ...culprit, why: 'hot-key' } }));
    assert.equal(found.key, 'culprit.hot-key');
    assert.equal(found.values['operator'], 'abnormal-in-a-row');
    assert.equal(found.values['subtask'], '2');
    assert.deepEqual(
      found.more.map(({ key }) => key),
      ['culprit.victims', 'culprit.hot-key.do'],
    );
    assert.equal(found.more[0]?.values['victims'], 'events');
  });

  it('has a sentence of its own for a slow sink and for an operator that is just busy', () => {
    const keyOf = (why: 'busy' | 'slow-sink'): string =>
      culpritOf(description, figures({ culprit: { ...culprit, why } })).key;
    assert.deepEqual([keyOf('busy'), keyOf('slow-sink')], ['culprit.busy', 'culprit.slow-sink']);
  });

  it('that waits for something outside says how much it waits, not how much it works', () => {
    const waiting = vertex([subtask(0, { busyShare: 0.001, backPressuredShare: 0.97 })]);
    const told = culpritOf(
      description,
      figures({
        vertices: [vertex([subtask(0)]), waiting],
        culprit: { vertex: 1, subtask: 0, why: 'slow-sink', busyShare: 0.001, victims: [] },
      }),
    );
    assert.deepEqual(told.values['busy'], { kind: 'share', value: 0.97 });
  });

  it('is nobody while nobody waits, and nothing is claimed of a job that does not run', () => {
    assert.equal(culpritOf(description, figures()).key, 'culprit.none');
    assert.equal(culpritOf(description, figures({ state: 'RESTARTING' })).key, 'culprit.not-running');
    assert.equal(culpritOf(description, undefined).key, 'culprit.unknown');
  });
});

describe('which subtask is idle, and why', () => {
  it('is the one to which no key hashes: the demo', () => {
    assert.deepEqual(idleSubtasks(description, figures()), [{ vertex: 1, subtask: 1, why: 'no-key' }]);
    const [told] = idleConclusions(description, figures());
    assert.equal(told?.key, 'idle.no-key');
    assert.equal(told?.values['subtasks'], '1');
    assert.equal(told?.more[0]?.key, 'idle.no-key.why');
  });

  it('is a subtask of a source without a split', () => {
    const source = vertex([subtask(0, { recordsOut: 100, splits: [split('a')] }), subtask(1)]);
    assert.deepEqual(idleSubtasks(description, figures({ vertices: [source] })), [
      { vertex: 0, subtask: 1, why: 'no-split' },
    ]);
  });

  it('is nobody before there was enough to share', () => {
    const early = vertex([subtask(0, { recordsIn: 1 }), subtask(1), subtask(2)]);
    assert.deepEqual(idleSubtasks(description, figures({ vertices: [vertex([subtask(0)]), early] })), []);
  });
});

describe('who has too much', () => {
  it('is the subtask with far more than an even part', () => {
    const [told] = skewConclusions(description, figures());
    assert.equal(told?.values['subtask'], '2');
    assert.deepEqual(told?.values['share'], { kind: 'share', value: 220 / 330 });
    assert.equal(told?.more[0]?.key, 'skew.keyed.why');
  });

  it('is nobody when it is even, or when there is hardly anything', () => {
    const even = vertex([0, 1, 2].map((index) => subtask(index, { recordsIn: 100 })));
    assert.deepEqual(skewConclusions(description, figures({ vertices: [even] })), []);
    const few = vertex([subtask(0, { recordsIn: 5 }), subtask(1)]);
    assert.deepEqual(skewConclusions(description, figures({ vertices: [few] })), []);
  });
});

describe('the critical path of a checkpoint', () => {
  const parts = { startDelayMs: 1, alignmentMs: 1, syncMs: 1, asyncMs: 1 };
  const withLast = (more: Partial<typeof parts>, ackAfterMs: number) =>
    checkpoint(1, {
      durationMs: 1500,
      subtasks: [
        { ...base(0, 0), ...parts, acknowledgedAt: startedAt + 10_005 },
        { ...base(1, 2), ...parts, ...more, acknowledgedAt: startedAt + 10_000 + ackAfterMs },
      ],
    });
  const base = (vertexIndex: number, index: number) => ({
    vertex: vertexIndex,
    subtask: index,
    stateBytes: 0,
    inFlightBytes: 0,
    isUnaligned: false,
  });

  it('leads to the subtask that answered last and its longest part', () => {
    const keys = (['startDelayMs', 'alignmentMs', 'syncMs', 'asyncMs'] as const).map(
      (part) => checkpointConclusion(description, withLast({ [part]: 1400 }, 1450)).key,
    );
    assert.deepEqual(keys, ['critical.start-delay', 'critical.alignment', 'critical.sync', 'critical.async']);
    const told = checkpointConclusion(description, withLast({ alignmentMs: 1400 }, 1450));
    assert.equal(told.values['subtask'], 'abnormal-in-a-row[2]');
    assert.equal(told.tone, 'warn');
    assert.equal(told.more[0]?.key, 'critical.alignment.do');
  });

  it('ends in publishing when all had answered long before', () => {
    assert.deepEqual(criticalPathOf(withLast({}, 50)), {
      vertex: 1,
      subtask: 2,
      part: 'publish',
      partMs: 1450,
      durationMs: 1500,
    });
  });

  it('gives no advice for a quick one', () => {
    const told = checkpointConclusion(description, checkpoint(165));
    assert.equal(told.tone, 'good');
    assert.deepEqual(told.more, []);
  });

  it('says of an open one who is missing, and of a failed one why', () => {
    const [first] = checkpoint(7).subtasks;
    const open = checkpoint(7, { status: 'IN_PROGRESS', subtasksAcknowledged: 1, subtasks: [first!] });
    const told = checkpointConclusion(description, open);
    assert.equal(told.key, 'checkpoint.open');
    assert.equal(told.more[0]?.values['operators'], 'events (2/3), abnormal-in-a-row (3/3)');
    const failed = checkpointConclusion(description, { ...open, status: 'FAILED', failure: 'timed out' });
    assert.equal(failed.key, 'checkpoint.failed');
    assert.equal(failed.values['reason'], 'timed out');
  });
});

describe('a checkpoint that a job could go on from', () => {
  it('is one of the newest that stay, or a savepoint', () => {
    const made = (checkpointId: number, kind: 'periodic' | 'savepoint' = 'periodic', isFailed = false) =>
      ({ checkpointId, kind, status: isFailed ? 'FAILED' : 'COMPLETED' }) as const;
    const all = [made(1), made(2, 'savepoint'), made(3), made(4), made(5, 'periodic', true), made(6)];
    const there = all.filter((each) => isRetained(each, all, 2)).map(({ checkpointId }) => checkpointId);
    assert.deepEqual(there, [2, 4, 6]);
  });
});

describe('event time', () => {
  const withWatermarks = (left: number | 'none', right: number | 'none', at: number) =>
    figures({
      at,
      vertices: [
        vertex(
          [
            subtask(0, {
              recordsOutPerSecond: 5,
              splits: [split('left', { watermark: left })],
            }),
            subtask(1, { splits: [split('right', { watermark: right })] }),
          ],
          { watermark: left === 'none' || right === 'none' ? 'none' : Math.min(left, right) },
        ),
        vertex([subtask(0)], {
          watermark: left === 'none' || right === 'none' ? 'none' : Math.min(left, right),
        }),
      ],
    });

  it('moves while the watermark of the last vertex does', () => {
    const ticks = [withWatermarks(1000, 900, 0), withWatermarks(61_000, 60_900, 30_000)];
    assert.equal(watermarkConclusion(description, ticks).key, 'watermark.moving');
  });

  it('stands still because of one split, which is named', () => {
    const ticks = [withWatermarks(1000, 900, 0), withWatermarks(90_000, 900, stuckMs + 1)];
    const told = watermarkConclusion(description, ticks);
    assert.equal(told.key, 'watermark.stuck');
    assert.equal(told.values['split'], 'right');
    assert.equal(told.values['subtask'], '1');
    assert.deepEqual(told.values['since'], { kind: 'duration', ms: stuckMs + 1 });
  });

  it('cannot begin while one split has sent nothing', () => {
    const ticks = [withWatermarks(1000, 'none', 0), withWatermarks(90_000, 'none', stuckMs + 1)];
    assert.equal(watermarkConclusion(description, ticks).key, 'watermark.stuck.none');
  });

  it('is no fault where there is none', () => {
    const ticks = [withWatermarks('none', 'none', 0), withWatermarks('none', 'none', stuckMs + 1)];
    assert.equal(watermarkConclusion(description, ticks).key, 'watermark.none');
  });

  it('passes idle splits over when it looks for who holds back', () => {
    const lanes = watermarkLanes(description, withWatermarks(1000, 900, 0));
    const resting = lanes.map((lane) => (lane.split === 'right' ? { ...lane, isIdle: true } : lane));
    assert.equal(holdingLane(resting.filter(({ split }) => split !== null))?.split, 'left');
  });

  it('counts standing still from the tick after the last change, within one attempt', () => {
    const ticks = [withWatermarks(1, 1, 0), withWatermarks(2, 2, 1000), withWatermarks(2, 2, 5000)];
    assert.equal(stillFor(ticks), 4000);
    assert.equal(stillFor([{ ...ticks[1]!, attempt: 0 }, ticks[2]!]), 0);
  });
});

describe('a flame graph', () => {
  const frame = (
    name: string,
    value: number,
    children: FlameNode[] = [],
    origin: FlameNode['origin'] = 'job',
  ) => ({
    name,
    value,
    children,
    origin,
  });
  const root = frame(
    'root',
    100,
    [
      frame(
        'record (process.js:8)',
        90,
        [frame('score (job.ts:12)', 80, [frame('sqrt', 30, [], 'native'), frame('score (job.ts:12)', 20)])],
        'engine',
      ),
      frame('poll (source.js:3)', 10, [], 'engine'),
    ],
    'engine',
  );
  const graph: FlameGraph = {
    jobId,
    vertex: 1,
    subtask: null,
    startedAt,
    durationMs: 2000,
    status: 'COMPLETED',
    failure: null,
    root,
    busiestShare: 0.5,
    isWholeThread: false,
  };

  it('names the function of the job in which most of the time goes, a call of itself counted once', () => {
    const told = flameConclusion(description, graph);
    assert.deepEqual([told.key, told.values['name']], ['profile.hottest', 'score (job.ts:12)']);
    assert.deepEqual(told.values['share'], { kind: 'share', value: 0.5 });
    assert.deepEqual(told.values['part'], { kind: 'share', value: 0.8 });
    assert.deepEqual(
      hotFunctions(root).map(({ name, self, total }) => [name, self, total]),
      [
        ['score (job.ts:12)', 50, 80],
        ['sqrt', 30, 30],
        ['record (process.js:8)', 10, 90],
        ['poll (source.js:3)', 10, 10],
      ],
    );
  });

  it('says when a task hardly computes, only the engine does, or there is nothing to show', () => {
    const keyOf = (more: Partial<FlameGraph>): string =>
      flameConclusion(description, { ...graph, ...more }).key;
    assert.equal(keyOf({ busiestShare: 0.01 }), 'profile.quiet');
    assert.equal(
      keyOf({ root: frame('root', 100, [frame('poll', 100, [], 'engine')], 'engine') }),
      'profile.engine',
    );
    assert.equal(keyOf({ root: null, status: 'IN_PROGRESS' }), 'profile.taking');
    assert.equal(keyOf({ root: null, status: 'FAILED', failure: 'gone' }), 'profile.failed');
    const whole = flameConclusion(description, { ...graph, isWholeThread: true });
    assert.deepEqual(
      whole.more.map(({ key }) => key),
      ['profile.whole-thread'],
    );
  });

  it('is drawn with each frame as wide as its share, below the one that was chosen', () => {
    const drawn = (zoom: number[]) =>
      flameFrames(root, zoom, 0.05).map(({ node, from, width, row }) => [
        node.name.split(' ')[0],
        from,
        width,
        row,
      ]);
    assert.deepEqual(drawn([]), [
      ['root', 0, 1, 0],
      ['record', 0, 0.9, 1],
      ['score', 0, 0.8, 2],
      ['sqrt', 0, 0.3, 3],
      ['score', 0.3, 0.2, 3],
      ['poll', 0.9, 0.1, 1],
    ]);
    assert.deepEqual(drawn([0, 0]), [
      ['root', 0, 1, 0],
      ['record', 0, 1, 1],
      ['score', 0, 1, 2],
      ['sqrt', 0, 0.375, 3],
      ['score', 0.375, 0.25, 3],
    ]);
  });
});

describe('the backlog of a source', () => {
  const at = (seconds: number, pending: Partial<SourceBacklog>, more: Partial<JobFiguresMessage> = {}) => {
    const backlog: SourceBacklog = {
      pendingRecords: null,
      pendingBytes: null,
      pendingSplits: 0,
      unassignedSplits: 0,
      emitEventTimeLagMs: null,
      ...pending,
    };
    const vertices = [vertex([subtask(0)], { backlog }), vertex([subtask(0)])];
    return figures({ at: startedAt + seconds * 1000, vertices, ...more });
  };
  const told = (...ticks: JobFiguresMessage[]) => {
    const [line] = backlogLines(ticks);
    return backlogConclusion(description, ticks.at(-1)!, line!);
  };

  it('falls, and the time until it has caught up follows from the trend', () => {
    const found = told(
      at(0, { pendingBytes: 3000 }),
      at(5, { pendingBytes: 2500 }),
      at(10, { pendingBytes: 2000 }),
    );
    assert.deepEqual([found.tone, found.key, found.values['source']], ['good', 'backlog.falling', 'events']);
    assert.deepEqual(found.values['pending'], { kind: 'bytes', value: 2000 });
    assert.deepEqual(found.values['change'], { kind: 'bytes', value: 100 });
    assert.deepEqual(found.values['time'], { kind: 'duration', ms: 20_000 });
  });

  it('rises or stands, with who is to blame', () => {
    const culprit = { vertex: 1, subtask: 0, why: 'busy', busyShare: 1, victims: [0] } as const;
    const rising = told(at(0, { pendingRecords: 10 }), at(10, { pendingRecords: 110 }, { culprit }));
    assert.deepEqual([rising.tone, rising.key], ['bad', 'backlog.rising']);
    assert.deepEqual(rising.values['change'], { kind: 'records', value: 10 });
    assert.deepEqual(rising.more, [{ key: 'backlog.culprit', values: { operator: 'abnormal-in-a-row' } }]);
    const standing = told(at(0, { pendingRecords: 10_000 }), at(10, { pendingRecords: 9_999 }));
    assert.deepEqual([standing.tone, standing.key], ['warn', 'backlog.standing']);
    assert.deepEqual(
      standing.more.map(({ key }) => key),
      ['backlog.source-itself'],
    );
  });

  it('has no trend over a restart, in the first seconds, or where nobody knows the end', () => {
    const again = { attempt: 2 };
    const restarted = told(at(0, { pendingRecords: 10 }), at(10, { pendingRecords: 90 }, again));
    assert.equal(restarted.key, 'backlog.measuring');
    assert.equal(told(at(0, { pendingRecords: 10 }), at(2, { pendingRecords: 9 })).key, 'backlog.measuring');
    assert.equal(told(at(0, {}), at(10, {})).key, 'backlog.unknown');
    assert.equal(told(at(0, { pendingRecords: 0 })).key, 'backlog.none');
    assert.equal(told(at(0, { pendingRecords: 5 }, { state: 'FINISHED' })).key, 'backlog.not-running');
    assert.deepEqual(backlogLines([]), []);
  });
});

describe('latency', () => {
  const withWatermark = (watermark: number | 'none') =>
    figures({
      vertices: [vertex([subtask(0, { outputWatermark: watermark })]), vertex([subtask(0)], { watermark })],
    });

  it('of a sink that commits with checkpoints is bounded by their interval, of another it is nothing', () => {
    assert.deepEqual(
      sinkDelays(description, 61).map(({ name, told }) => [name, told.key, told.values['most']]),
      [
        ['print', 'latency.at-once', undefined],
        ['placed', 'latency.with-checkpoint', { kind: 'duration', ms: 10_061 }],
      ],
    );
    const [, placed] = sinkDelays({ ...description, checkpointing: null }, 0);
    assert.equal(placed?.told.key, 'latency.at-once');
  });

  it('of event time is told against the clock, unless the data are history', () => {
    const { at } = figures();
    assert.deepEqual(eventTimeLags(description, withWatermark(at - 1500)), [1500, 1500]);
    assert.deepEqual(eventTimeLags(description, withWatermark('none')), [undefined, undefined]);
    assert.equal(isHistory(description, withWatermark(at - 1500)), false);
    assert.equal(isHistory(description, withWatermark(at - 400 * 86_400_000)), true);
    assert.equal(isHistory(description, withWatermark('none')), false);
  });
});

describe('latency of markers', () => {
  const measured = (...p95: readonly number[]): JobFiguresMessage => {
    const { operators: _operators, ...bare } = vertex([subtask(0)]);
    const operator = figures().vertices[1]!.operators[0]!;
    const vertices = p95.map((p95Ms, at) => ({
      ...bare,
      operators: [{ ...operator, latency: at === 0 ? [] : [{ ...markers, p95Ms }] }],
    }));
    return figures({ vertices });
  };
  const [source, work] = description.vertices;
  const sink = { ...work!, operators: [{ ...work!.operators[2]!, uid: 'written' }] };
  const line: JobDescription = {
    ...description,
    vertices: [source!, work!, sink],
    edges: [description.edges[0]!, { ...description.edges[0]!, edge: 1, from: 1, to: 2 }],
  };

  it('names the edge on which most of the time goes', () => {
    assert.deepEqual(criticalEdge(line, measured(0, 20, 320)), {
      from: 1,
      to: 2,
      addedMs: 300,
      totalMs: 320,
    });
    const told = markerConclusion(line, measured(0, 20, 320));
    assert.deepEqual(
      [told.tone, told.key, told.values['operator'], told.values['from'], told.values['to']],
      ['good', 'latency.measured', 'written', 'abnormal-in-a-row', 'written'],
    );
    assert.deepEqual(
      told.more.map(({ key }) => key),
      ['latency.critical'],
    );
  });

  it('warns where results take long, and says that records wait for the culprit', () => {
    const culprit = { vertex: 1, subtask: 0, why: 'busy', busyShare: 1, victims: [0] } as const;
    const told = markerConclusion(line, { ...measured(0, 2400, 2410), culprit });
    assert.equal(told.tone, 'warn');
    assert.deepEqual(told.more[1], { key: 'latency.culprit', values: { culprit: 'abnormal-in-a-row' } });
  });

  it('has sentences for what is immediate, not measured yet, and not to be measured', () => {
    assert.equal(markerConclusion(line, measured(0, 0, 0.5)).key, 'latency.prompt');
    const none = figures({ vertices: figures().vertices.map((each) => ({ ...each, operators: [] })) });
    assert.equal(markerConclusion(line, none).key, 'latency.waiting');
    const culprit = { vertex: 2, subtask: 0, why: 'slow-sink', busyShare: 0, victims: [] } as const;
    assert.equal(markerConclusion(line, { ...none, culprit }).key, 'latency.held');
    assert.equal(markerConclusion(line, { ...none, state: 'FINISHED' }).key, 'latency.not-running');
    assert.equal(markerConclusion({ ...line, edges: [] }, none).key, 'latency.one-chain');
  });
});

describe('another bound of out-of-orderness', () => {
  const lateness: Lateness = {
    records: 10_000,
    behindMsMax: 59_000,
    bounds: [
      { boundMs: 0, late: 6000 },
      { boundMs: 10_000, late: 900 },
      { boundMs: 30_000, late: 8 },
      { boundMs: 60_000, late: 0 },
    ],
  };

  it('promises no smaller share than what was measured', () => {
    assert.deepEqual(
      [0, 9999, 10_000, 45_000, 59_000, 60_000].map((boundMs) => lateShareAt(lateness, boundMs)),
      [0.6, 0.6, 0.09, 0.0008, 0, 0],
    );
    assert.equal(lateShareAt({ records: 0, behindMsMax: 0, bounds: [] }, 5), 0);
  });

  it('is suggested as small as the wanted share allows', () => {
    assert.equal(suggestedBoundMs(lateness), 30_000);
    assert.equal(suggestedBoundMs(lateness, 0.1), 10_000);
    assert.equal(suggestedBoundMs(lateness, 0), 59_000);
  });

  it('has bars that add up to all records', () => {
    const bars = latenessBars(lateness);
    assert.deepEqual(
      bars.map(({ records }) => records),
      [4000, 5100, 892, 8],
    );
  });
});

describe('failures', () => {
  const failure = (exceptionId: number, group: string, at: number): ExceptionMessage => ({
    exceptionId,
    jobId,
    at,
    attempt: 1,
    code: 'USER_FUNCTION_FAILED',
    message: `failure ${exceptionId}`,
    stack: '',
    remedy: '',
    task: null,
    taskName: null,
    workerId: null,
    slot: null,
    consequence: 'restart in 1000 ms',
    group,
  });

  it('that are the same one count together, the latest first', () => {
    const groups = failureGroups([failure(1, 'a', 0), failure(2, 'b', 100), failure(3, 'a', 240)], 240);
    assert.deepEqual(
      groups.map(({ group, count, firstAt, lastAt }) => ({ group, count, firstAt, lastAt })),
      [
        { group: 'a', count: 2, firstAt: 0, lastAt: 240 },
        { group: 'b', count: 1, firstAt: 100, lastAt: 100 },
      ],
    );
    assert.equal(groups[0]?.latest.exceptionId, 3);
    assert.deepEqual(
      groups.map(({ bins }) => bins.reduce((sum, count) => sum + count, 0)),
      [2, 1],
    );
  });

  it('tells what was decided, not that another subtask had failed with it', () => {
    const failures = [
      { ...failure(1, 'a', 0), consequence: 'restart in 200 ms' },
      { ...failure(2, 'a', 1), consequence: 'ignored: the job is FAILING' },
    ];
    assert.equal(failureGroups(failures, 1)[0]?.consequence, 'restart in 200 ms');
    assert.equal(failureGroups(failures.slice(1), 1)[0]?.consequence, 'ignored: the job is FAILING');
  });
});

describe('alerts', () => {
  const alert = (alertId: number, more: Partial<Alert> = {}): Alert => ({
    alertId,
    jobId,
    kind: 'back-pressure',
    severity: 'warning',
    at: alertId * 1000,
    resolvedAt: null,
    message: 'it is slow',
    evidence: {
      vertex: 1,
      subtask: 2,
      vertexName: 'Process',
      workerId: null,
      slot: null,
      checkpointId: null,
      exceptionId: null,
      attempt: null,
      value: 0.8,
      limit: 0.5,
      trail: null,
    },
    ...more,
  });

  it('are told with the name that a person gave, and in the unit of their kind', () => {
    const told = alertSaying(description, alert(1));
    assert.equal(told.key, 'alert.back-pressure');
    assert.equal(told.values['operator'], 'abnormal-in-a-row');
    assert.deepEqual(told.values['value'], { kind: 'share', value: 0.8 });
  });

  it('that the job raises stay apart, and show what each record did to the state', () => {
    const raised = (id: number) => alert(id, { kind: 'job-alert', message: `user${id}: abnormal` });
    assert.equal(alertGroups([raised(1), raised(2), alert(3), alert(4)]).length, 3);
    assert.deepEqual(alertSaying(description, raised(1)).values['message'], 'user1: abnormal');
    const step = (abnormal: number) => ({
      at: 0,
      timestamp: null,
      offset: null,
      record: {},
      state: { abnormal, seen: 'x' },
    });
    const steps = trailSteps([step(0), step(1), step(1)]);
    assert.deepEqual(
      steps.map(({ state }) =>
        state.filter(({ isChanged }) => isChanged).map(({ name, text }) => `${name}=${text}`),
      ),
      [[], ['abnormal=1'], []],
    );
  });

  it('lead to the very thing that they are about', () => {
    const { evidence } = alert(1);
    assert.equal(evidenceLink(alert(1)), '#/graph?vertex=1');
    const failed = alert(1, { kind: 'checkpoint-failed', evidence: { ...evidence, checkpointId: 12 } });
    assert.equal(evidenceLink(failed), '#/checkpoints?checkpoint=12');
    assert.equal(evidenceLink(alert(1, { kind: 'job-restarted' })), '#/recovery');
  });

  it('that a source does not catch up have a sentence where the time has no end', () => {
    const drain = (value: number | null): Alert => {
      const told = alert(1, { kind: 'time-to-drain' });
      return { ...told, evidence: { ...told.evidence, vertex: 0, value, limit: 3_600_000 } };
    };
    assert.equal(alertSaying(description, drain(null)).key, 'alert.time-to-drain.never');
    const long = alertSaying(description, drain(7_200_000));
    assert.equal(long.key, 'alert.time-to-drain');
    assert.deepEqual(long.values['value'], { kind: 'duration', ms: 7_200_000 });
    assert.equal(evidenceLink(drain(null)), '#/backlog');
  });

  it('that say the same count together, the latest first', () => {
    const groups = alertGroups([
      alert(1, { message: 'restart in 1000 ms' }),
      alert(2, { message: 'other' }),
      alert(3, { message: 'restart in 925 ms' }),
    ]);
    assert.deepEqual(
      groups.map(({ latest, count, firstAt }) => [latest.alertId, count, firstAt]),
      [
        [3, 2, 1000],
        [2, 1, 2000],
      ],
    );
  });
});

describe('a recovery', () => {
  const recovery: Recovery = {
    jobId,
    attempt: 2,
    failedAt: 1000,
    exceptionId: 1,
    cause: 'the thread ended',
    task: { vertex: 1, subtask: 2 },
    workerId: 'local',
    slot: 2,
    phases: [
      { phase: 'cancel', startedAt: 1000, endedAt: 1040 },
      { phase: 'restore', startedAt: 1040, endedAt: 1200 },
      { phase: 'deploy', startedAt: 1200, endedAt: null },
    ],
    restoredCheckpointId: 12,
    restoredFromPath: 'chk-12',
    downtimeMs: 400,
    recordsReplayed: 7,
    outcome: 'caught-up',
  };

  it('says how long it took, where the state came from, and what was read twice', () => {
    const told = recoveryConclusion(description, recovery);
    assert.equal(told.key, 'recovery.caught-up');
    assert.deepEqual(
      told.more.map(({ key }) => key),
      ['recovery.from-checkpoint', 'recovery.replayed'],
    );
    assert.equal(told.more[0]?.values['checkpoint'], '12');
  });

  it('that had no checkpoint began again', () => {
    const told = recoveryConclusion(description, { ...recovery, restoredCheckpointId: null });
    assert.equal(told.more[0]?.key, 'recovery.from-start');
  });

  it('lies on a line from the failure on; what is open reaches to now', () => {
    assert.deepEqual(phaseStretches(recovery, 1500), [
      { phase: 'cancel', fromMs: 0, toMs: 40, isOpen: false },
      { phase: 'restore', fromMs: 40, toMs: 200, isOpen: false },
      { phase: 'deploy', fromMs: 200, toMs: 500, isOpen: true },
    ]);
  });
});

describe('what the job does, and whether it is well', () => {
  const job: LiveJob = {
    jobId,
    description,
    figures: figures(),
    ticks: [],
    checkpoints: [checkpoint(164), checkpoint(165)],
    details: new Map(),
    exceptions: [],
    recoveries: [],
  };

  it('is told from source to sink and guarantee', () => {
    assert.deepEqual(
      pipelineSayings(description).map(({ key }) => key),
      [
        'pipeline.source',
        'pipeline.keyed-state',
        'pipeline.sink-target',
        'pipeline.sink',
        'pipeline.exactly-once',
      ],
    );
  });

  it('tells the worst thing that is true', () => {
    assert.equal(healthOf(job).key, 'health.good');
    assert.equal(healthOf({ ...job, figures: undefined }).key, 'health.waiting');
    assert.equal(healthOf({ ...job, figures: figures({ state: 'RESTARTING' }) }).key, 'health.recovering');
    const failed = checkpoint(166, { status: 'FAILED', failure: 'disk full' });
    const told = healthOf({ ...job, checkpoints: [...job.checkpoints, failed] });
    assert.equal(told.key, 'health.checkpoint-failed');
    assert.equal(told.values['reason'], 'disk full');
    const slow = figures({ culprit: { vertex: 1, subtask: 0, why: 'busy', busyShare: 1, victims: [0] } });
    assert.equal(healthOf({ ...job, figures: slow }).key, 'culprit.busy');
  });
});

describe('the barriers of a checkpoint', () => {
  const part = (vertexIndex: number, index: number, times: [number, number, number, number]) => ({
    vertex: vertexIndex,
    subtask: index,
    startDelayMs: times[0],
    alignmentMs: times[1],
    syncMs: times[2],
    asyncMs: times[3],
    acknowledgedAt: 0,
    stateBytes: 0,
    inFlightBytes: 0,
    isUnaligned: false,
  });
  const taken = checkpoint(1, {
    durationMs: 100,
    subtasks: [part(0, 0, [10, 0, 2, 8]), part(0, 1, [30, 0, 2, 8]), part(1, 0, [20, 40, 5, 15])],
  });
  const stateOf = (atMs: number): string[] =>
    barrierFrame(description, taken, atMs).subtasks.map(({ state }) => state);

  it('come from the JobManager to the sources, and from those to every subtask behind', () => {
    const { barriers } = barrierFrame(description, taken, 0);
    assert.deepEqual(
      barriers.map(
        ({ from, to }) => `${from === null ? 'manager' : from.subtask} > ${to.vertex}/${to.subtask}`,
      ),
      ['manager > 0/0', 'manager > 0/1', '0 > 1/0', '1 > 1/0'],
    );
  });

  it('align a subtask from the first to the last one, as was measured', () => {
    assert.deepEqual(stateOf(5), ['before', 'before', 'before']);
    assert.deepEqual(stateOf(25), ['done', 'before', 'aligning']);
    assert.deepEqual(stateOf(61), ['done', 'done', 'snapshot']);
    assert.deepEqual(stateOf(70), ['done', 'done', 'writing']);
    assert.deepEqual(stateOf(80), ['done', 'done', 'done']);
  });

  it('are on their way between leaving and coming, never before or behind', () => {
    const progress = (atMs: number): number[] =>
      barrierFrame(description, taken, atMs)
        .barriers.filter(({ from }) => from !== null)
        .map((barrier) => barrier.progress);
    assert.deepEqual(progress(10), [0, 0]);
    assert.deepEqual(progress(15), [0.5, 0]);
    assert.deepEqual(progress(45), [1, 0.5]);
    assert.deepEqual(progress(60), [1, 1]);
  });

  it('go along with a channel of their own where records stay in their subtask', () => {
    const [edge] = description.edges;
    const forward = { ...description, edges: [{ ...edge!, partitioner: 'forward' }] };
    const { barriers } = barrierFrame(forward, taken, 0);
    assert.equal(barriers.filter(({ from }) => from !== null).length, 1);
  });

  it('are told in words, and step by step', () => {
    const told = (atMs: number): string =>
      barrierSaying(barrierFrame(description, taken, atMs), taken, atMs).key;
    assert.deepEqual([0, 5, 25, 70, 90, 100].map(told), [
      'barriers.now.trigger',
      'barriers.now.travelling',
      'barriers.now.aligning',
      'barriers.now.snapshot',
      'barriers.now.publish',
      'barriers.now.done',
    ]);
    assert.deepEqual(barrierMoments(taken), [0, 10, 12, 20, 30, 32, 40, 60, 65, 80, 100]);
  });
});
