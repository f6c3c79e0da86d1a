/** Flink's routes about the vertices of a job and their subtasks. */

import { badRequest, type NamedVertex, type RestContext, subtaskOf, vertexOf } from './context.ts';
import type { SubtaskFiguresMessage } from './contract.ts';
import { backPressureLevel } from './culprit.ts';
import {
  aggregatedValues,
  attemptDetails,
  endOf,
  endpointOf,
  type IoMetrics,
  ioMetrics,
  statusCounts,
  statusDurations,
  sumIo,
  timesOf,
  vertexState,
} from './flink-shapes.ts';
import { aggregatedAnswer, metricsAnswer } from './metric-answers.ts';
import {
  figureMetrics,
  operatorFigures,
  enumeratorMetrics,
  operatorMetrics,
  splitMetrics,
  taskMetrics,
  watermarkText,
} from './metric-table.ts';
import type { Metric } from './metric.ts';
import { ok, Refusal, type Route } from './router.ts';

const VERTEX = '/jobs/:jobid/vertices/:vertexid';

/** The rows of the table. */
export function vertexRoutes(context: RestContext): Route[] {
  const now = (): number => context.watch.cluster.env.clock.now();
  const view = { method: 'GET', role: 'view' } as const;
  return [
    {
      ...view,
      path: VERTEX,
      summary: 'One vertex with its subtasks.',
      handle: (request) => ok(vertexDetailsInfo(vertexOf(context, request), now())),
    },
    {
      ...view,
      path: `${VERTEX}/accumulators`,
      summary: "What a vertex's functions have accumulated; told for the whole job only.",
      handle: (request) => ok({ id: vertexOf(context, request).vertex.id, 'user-accumulators': [] }),
    },
    {
      ...view,
      path: `${VERTEX}/subtasks/accumulators`,
      summary: "What each subtask's functions have accumulated; told for the whole job only.",
      handle: (request) => {
        const named = vertexOf(context, request);
        return ok({
          id: named.vertex.id,
          parallelism: named.vertex.parallelism,
          subtasks: named.figures.subtasks.map((subtask) => ({
            subtask: subtask.subtask,
            attempt: Math.max(0, subtask.attempt - 1),
            endpoint: endpointOf(named.watch, subtask),
            'user-accumulators': [],
          })),
        });
      },
    },
    {
      ...view,
      path: `${VERTEX}/backpressure`,
      summary: 'How much of their time the subtasks work, wait for input, and wait for those behind.',
      handle: (request) => ok(backPressure(vertexOf(context, request))),
    },
    {
      ...view,
      path: `${VERTEX}/metrics`,
      summary: 'Metrics of all subtasks: <subtask>.<metric>.',
      query: ['get'],
      handle: (request) => {
        const named = vertexOf(context, request);
        const metrics = named.figures.subtasks.flatMap(({ subtask }) =>
          subtaskMetrics(named, subtask).map(({ name, value }) => ({ name: `${subtask}.${name}`, value })),
        );
        return metricsAnswer(metrics, request.query);
      },
    },
    {
      ...view,
      path: `${VERTEX}/jm-operator-metrics`,
      summary: 'Metrics of the part of a source that runs beside the job master.',
      query: ['get'],
      handle: (request) => {
        const { watch, index, vertex } = vertexOf(context, request);
        const metrics = enumeratorMetrics(watch, index).map(({ name, value }) => ({
          name: `${vertex.operators[0]!.name}.${name}`,
          value,
        }));
        return metricsAnswer(metrics, request.query);
      },
    },
    {
      ...view,
      path: `${VERTEX}/watermarks`,
      summary: 'The watermark of each subtask.',
      handle: (request) =>
        ok(
          vertexOf(context, request).figures.subtasks.map(({ subtask, inputWatermark, outputWatermark }) => ({
            id: `${subtask}.currentInputWatermark`,
            // A source has no input: what it tells is what people look for.
            value: watermarkText(inputWatermark === 'none' ? outputWatermark : inputWatermark),
          })),
        ),
    },
    {
      ...view,
      path: `${VERTEX}/subtasktimes`,
      summary: 'When each subtask came to each state.',
      handle: (request) => ok(subtaskTimes(vertexOf(context, request), now())),
    },
    {
      ...view,
      path: `${VERTEX}/taskmanagers`,
      summary: 'The subtasks of a vertex by the TaskManager that runs them.',
      handle: (request) => ok(byTaskManager(vertexOf(context, request), now())),
    },
    {
      ...view,
      path: `${VERTEX}/subtasks/metrics`,
      summary: 'Metrics over the subtasks of a vertex, aggregated.',
      query: ['get', 'agg', 'subtasks'],
      handle: (request) => {
        const named = vertexOf(context, request);
        const asked = subtaskRanges(request.query.get('subtasks'));
        const lists = named.figures.subtasks
          .filter(({ subtask }) => asked(subtask))
          .map(({ subtask }) => subtaskMetrics(named, subtask));
        return aggregatedAnswer(lists, request.query);
      },
    },
    {
      ...view,
      path: `${VERTEX}/subtasks/:subtaskindex`,
      summary: 'The current attempt of one subtask.',
      handle: (request) => {
        const named = vertexOf(context, request);
        return ok(attemptDetails(named, subtaskOf(named, request), now()));
      },
    },
    {
      ...view,
      path: `${VERTEX}/subtasks/:subtaskindex/metrics`,
      summary: 'Metrics of one subtask.',
      query: ['get'],
      handle: (request) => {
        const named = vertexOf(context, request);
        return metricsAnswer(subtaskMetrics(named, subtaskOf(named, request).subtask), request.query);
      },
    },
    {
      ...view,
      path: `${VERTEX}/subtasks/:subtaskindex/attempts/:attempt`,
      summary: 'One attempt of one subtask; the current one is known.',
      handle: (request) => {
        const named = vertexOf(context, request);
        const subtask = subtaskOf(named, request);
        checkAttempt(subtask, request.params['attempt']);
        return ok(attemptDetails(named, subtask, now()));
      },
    },
    {
      ...view,
      path: `${VERTEX}/subtasks/:subtaskindex/attempts/:attempt/accumulators`,
      summary: "What one attempt's functions have accumulated; told for the whole job only.",
      handle: (request) => {
        const named = vertexOf(context, request);
        const subtask = subtaskOf(named, request);
        const attempt = checkAttempt(subtask, request.params['attempt']);
        return ok({ subtask: subtask.subtask, attempt, id: named.vertex.id, 'user-accumulators': [] });
      },
    },
  ];
}

/** Flink counts attempts from 0. */
function checkAttempt({ attempt }: SubtaskFiguresMessage, asked: string | undefined): number {
  const current = Math.max(0, attempt - 1);
  if (asked !== String(current)) {
    throw new Refusal(
      404,
      `NotFoundException: attempt ${asked ?? ''} is not known; the current one is ${current}`,
    );
  }
  return current;
}

/** Of the task, then of each of its operators as `<operator>.<metric>`. */
function subtaskMetrics({ watch, index, vertex }: NamedVertex, subtask: number): Metric[] {
  const own = taskMetrics(watch, index, subtask);
  const ofOperators = vertex.operators.flatMap((operator, at) =>
    [
      ...operatorMetrics(watch, index, subtask, at),
      ...figureMetrics(operatorFigures(watch, index, subtask, at)),
    ].map(({ name, value }) => ({ name: `${nameInId(operatorName(operator))}.${name}`, value })),
  );
  const ofSplits = splitMetrics(watch, index, subtask).flatMap(({ splitId, metrics }) => {
    const prefix = `${nameInId(operatorName(vertex.operators[0]!))}.split.${nameInId(splitId)}.watermark`;
    return metrics.map(({ name, value }) => ({ name: `${prefix}.${name}`, value }));
  });
  return [...own, ...ofOperators, ...ofSplits];
}

function operatorName({ name, kind }: { readonly name: string; readonly kind: string }): string {
  return kind === 'source' ? `Source: ${name}` : name;
}

/** Flink's escaping of names in metric ids. */
export function nameInId(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/g, '_');
}

function vertexDetailsInfo(named: NamedVertex, now: number): unknown {
  const { watch, index, vertex, figures, executions } = named;
  const io = figures.subtasks.map((subtask) => ioMetrics(watch, index, subtask));
  return {
    id: vertex.id,
    name: vertex.name,
    parallelism: vertex.parallelism,
    maxParallelism: vertex.maxParallelism,
    now,
    subtasks: figures.subtasks.map((subtask) => attemptDetails(named, subtask, now)),
    aggregated: {
      metrics: aggregatedMetrics(io),
      'status-duration': aggregatedDurations(executions, now),
    },
  };
}

const AGGREGATED: readonly (keyof IoMetrics)[] = [
  'read-bytes',
  'write-bytes',
  'read-records',
  'write-records',
  'accumulated-backpressured-time',
  'accumulated-idle-time',
  'accumulated-busy-time',
];

function aggregatedMetrics(io: readonly IoMetrics[]): unknown {
  return Object.fromEntries(
    AGGREGATED.map((name) => [name, aggregatedValues(io.map((each) => Number(each[name])))]),
  );
}

function aggregatedDurations(executions: NamedVertex['executions'], now: number): unknown {
  const durations = executions.map((execution) => statusDurations(execution, now));
  const states = Object.keys(statusDurations(undefined, now));
  return Object.fromEntries(
    states.map((state) => [state, aggregatedValues(durations.map((each) => each[state] ?? -1))]),
  );
}

function backPressure({ watch, figures }: NamedVertex): unknown {
  return {
    status: 'ok',
    // Flink's page reads the older name.
    backpressureLevel: figures.backPressureLevel,
    'backpressure-level': figures.backPressureLevel,
    'end-timestamp': watch.figures().at,
    subtasks: figures.subtasks.map((subtask) => ({
      subtask: subtask.subtask,
      'attempt-number': Math.max(0, subtask.attempt - 1),
      backpressureLevel: backPressureLevel(subtask.backPressuredShare),
      'backpressure-level': backPressureLevel(subtask.backPressuredShare),
      ratio: subtask.backPressuredShare,
      idleRatio: subtask.idleShare,
      busyRatio: subtask.busyShare,
      'other-concurrent-attempts': [],
    })),
  };
}

function subtaskTimes(named: NamedVertex, now: number): unknown {
  const { watch, vertex, figures, executions } = named;
  return {
    id: vertex.id,
    name: vertex.name,
    now,
    subtasks: figures.subtasks.map((subtask) => {
      const execution = executions.find((each) => each.subtask === subtask.subtask);
      const start = execution?.times.DEPLOYING ?? -1;
      const end = execution === undefined ? -1 : endOf(execution);
      const states = Object.keys(statusCounts([]));
      const times = execution?.times as Readonly<Record<string, number | undefined>> | undefined;
      return {
        subtask: subtask.subtask,
        endpoint: endpointOf(watch, subtask),
        duration: start < 0 ? -1 : (end < 0 ? now : end) - start,
        timestamps: Object.fromEntries(states.map((state) => [state, times?.[state] ?? 0])),
      };
    }),
  };
}

function byTaskManager(named: NamedVertex, now: number): unknown {
  const { watch, index, vertex, figures, executions } = named;
  const workers = [...new Set(figures.subtasks.map(({ workerId }) => workerId))];
  return {
    id: vertex.id,
    name: vertex.name,
    now,
    taskmanagers: workers.map((workerId) => {
      const subtasks = figures.subtasks.filter((each) => each.workerId === workerId);
      const own = executions.filter(({ subtask }) => subtasks.some((each) => each.subtask === subtask));
      const { startTime, endTime } = timesOf(own);
      const io = subtasks.map((subtask) => ioMetrics(watch, index, subtask));
      return {
        endpoint: watch.addressOf(workerId),
        status: vertexState(own.map(({ state }) => state)),
        'start-time': startTime,
        'end-time': endTime,
        duration: startTime < 0 ? -1 : (endTime < 0 ? now : endTime) - startTime,
        metrics: sumIo(io),
        'status-counts': statusCounts(own),
        'taskmanager-id': workerId,
        aggregated: { metrics: aggregatedMetrics(io), 'status-duration': aggregatedDurations(own, now) },
      };
    }),
  };
}

/** `1,3,5-9`. */
function subtaskRanges(text: string | null): (subtask: number) => boolean {
  if (text === null) return () => true;
  const ranges = text.split(',').map((part) => {
    const found = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part);
    if (found === null) throw badRequest(`"${part}" is no subtask and no range of subtasks`);
    return [Number(found[1]), Number(found[2] ?? found[1])] as const;
  });
  return (subtask) => ranges.some(([from, to]) => subtask >= from && subtask <= to);
}
