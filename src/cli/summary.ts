/** What is left to say when a run has ended: how, how long, how much, its checkpoints, and what to do next. */

import { inspect, isDeepStrictEqual } from 'node:util';
import { serializeError } from '../base/errors.ts';
import type { JobFigures, LatenessFigures, VertexFigures } from '../cluster/job-manager/job-figures.ts';
import type { JobResult, JobStatus } from '../cluster/job-manager/job-result.ts';
import type { JobGraph, PlannedOperator } from '../graph/job-graph.ts';
import { formatBytes, formatCount, formatDuration } from './format.ts';
import type { Throughput } from './progress.ts';
import type { Style } from './terminal.ts';

/** What the summary is made of. */
export interface SummaryOptions {
  readonly result: JobResult;
  readonly graph: JobGraph;
  /** Where sinks write to, by their uid. */
  readonly targets: ReadonlyMap<string, string>;
  /** The command that continues the job. */
  readonly resume: string;
  readonly workingDirectory: string;
  readonly style: Style;
}

const ENDINGS: Readonly<Record<JobStatus, string>> = {
  FINISHED: 'FINISHED',
  ALREADY_FINISHED: 'ALREADY FINISHED',
  STOPPED: 'STOPPED with a last checkpoint',
  CANCELED: 'CANCELED',
  FAILED: 'FAILED',
};

/** What the sources read and the sinks wrote. */
export function throughputOf(graph: JobGraph, figures: JobFigures): Throughput {
  let read = 0;
  const written = new Map<string, number>();
  for (const [index, vertex] of graph.vertices.entries()) {
    for (const [at, operator] of vertex.operators.entries()) {
      const records = figures.vertices[index]?.operators[at];
      if (records === undefined) continue;
      if (operator.kind === 'source') read += records.recordsOut;
      if (operator.kind !== 'sink') continue;
      const name = labelOf(operator);
      written.set(name, (written.get(name) ?? 0) + records.recordsIn);
    }
  }
  return { read, written };
}

/** The summary as lines that end with a line feed. */
export function summaryText(options: SummaryOptions): string {
  const { result, style, resume } = options;
  if (result.status === 'ALREADY_FINISHED') {
    return `${style.green(style.bold(result.jobName))} has already finished: nothing was run, nothing was written.\n`;
  }
  const rows: (readonly [string, string] | undefined)[] = [
    ['records', recordsText(options)],
    ['checkpoints', checkpointsText(result.figures)],
    ...savepointRows(options),
    ...outputRows(options),
    ...latenessRows(options),
    ...idleRows(options),
    ...accumulatorRows(options),
    result.figures.restarts === 0 ? undefined : ['restarts', formatCount(result.figures.restarts)],
    isResumable(result) ? ['continue', resume] : undefined,
  ];
  const lines = rows
    .filter((row) => row !== undefined)
    .map(([label, text]) => `  ${style.dim(label.padEnd(11))} ${text}\n`);
  return `${headline(options)}\n${lines.join('')}`;
}

function headline({ result, style, workingDirectory }: SummaryOptions): string {
  const paint =
    result.status === 'FINISHED' ? style.green : result.status === 'FAILED' ? style.red : style.yellow;
  // A stop during the start takes no checkpoint: it is continued from the one before.
  const isPlainStop = result.status === 'STOPPED' && result.figures.checkpoints.completed === 0;
  const ending = isPlainStop ? 'STOPPED' : ENDINGS[result.status];
  const at =
    result.status === 'FINISHED' || result.checkpoint === undefined
      ? ''
      : ` · checkpoint ${result.checkpoint.id}, ${shortened(result.checkpoint.path, workingDirectory)}`;
  return `${paint(style.bold(`${result.jobName} ${ending}`))} after ${formatDuration(result.figures.elapsedMs)}${at}`;
}

function recordsText({ graph, result }: SummaryOptions): string {
  const { read, written } = throughputOf(graph, result.figures);
  const sinks = [...written].map(([name, count]) => `${formatCount(count)} written to ${name}`);
  return [`${formatCount(read)} read`, ...sinks].join(', ');
}

/** The four figures that people look for, and failures when there are any. */
export function checkpointsText({ checkpoints }: JobFigures): string {
  const { triggered, completed, failed, averageBytes, averageDurationMs } = checkpoints;
  if (triggered === 0) return 'none';
  const failures = failed === 0 ? '' : `, ${formatCount(failed)} failed`;
  const averages =
    completed === 0
      ? ''
      : `, average size ${formatBytes(averageBytes)}, average duration ${formatDuration(averageDurationMs)}`;
  return `${formatCount(triggered)} total, ${formatCount(completed)} completed${failures}${averages}`;
}

function savepointRows({ result: { savepoint }, workingDirectory }: SummaryOptions): [string, string][] {
  return savepoint === undefined ? [] : [['savepoint', shortened(savepoint.path, workingDirectory)]];
}

function outputRows({ targets, workingDirectory }: SummaryOptions): [string, string][] {
  return [...targets.values()].map((target) => ['output', shortened(target, workingDirectory)]);
}

/** What bound do I need? The shares at the bounds between which they change, up to the one with which none is late. */
function latenessRows(options: SummaryOptions): [string, string][] {
  return latenessByOperator(options).flatMap(
    ([name, { records, behindMsMax, bounds }]): [string, string][] => {
      if (behindMsMax === 0) return [];
      const shown = bounds.filter(({ late }, index) => late > 0 && late !== bounds[index + 1]?.late);
      const picked = shown.length <= BOUNDS_SHOWN ? shown : spread(shown, BOUNDS_SHOWN);
      const shares = picked.map(
        ({ boundMs, late }) => `${formatDuration(boundMs)}: ${percent(late / records)}`,
      );
      const enough = `${formatDuration(behindMsMax)}: none`;
      return [['lateness', `${name}, late with a bound of ${[...shares, enough].join(', ')}`]];
    },
  );
}

function latenessByOperator({
  graph,
  result,
}: Pick<SummaryOptions, 'graph' | 'result'>): [string, LatenessFigures][] {
  return graph.vertices.flatMap(({ operators }, index) =>
    operators.flatMap((operator, at): [string, LatenessFigures][] => {
      const lateness = result.figures.vertices[index]?.operators[at]?.lateness;
      return lateness === undefined || lateness.records === 0 ? [] : [[labelOf(operator), lateness]];
    }),
  );
}

function spread<T>(values: readonly T[], count: number): T[] {
  return Array.from(
    { length: count },
    (_, index) => values[Math.round((index * (values.length - 1)) / (count - 1))]!,
  );
}

function percent(share: number): string {
  const hundredths = share * 100;
  return hundredths < 0.01 ? 'under 0.01 %' : `${Number(hundredths.toPrecision(hundredths < 1 ? 2 : 3))} %`;
}

const BOUNDS_SHOWN = 6;

function accumulatorRows({ result }: SummaryOptions): [string, string][] {
  return Object.entries(result.accumulators).map(([name, value]) => [
    'accumulator',
    `${name}: ${cut(valueText(value))}`,
  ]);
}

/** The result of a run for programs: one line of JSON, and the line feed. */
export function summaryJson({
  result,
  graph,
  targets,
}: Pick<SummaryOptions, 'result' | 'graph' | 'targets'>): string {
  const { figures, checkpoint, savepoint, error, accumulators } = result;
  const { read, written } = throughputOf(graph, figures);
  const { checkpoints, elapsedMs, restarts, counters } = figures;
  const json = {
    status: result.status,
    jobId: result.jobId,
    jobName: result.jobName,
    elapsedMs,
    restarts,
    recordsRead: read,
    recordsWritten: Object.fromEntries(written),
    counters,
    accumulators: Object.fromEntries(
      Object.entries(accumulators).map(([name, value]) => [name, isJson(value) ? value : valueText(value)]),
    ),
    lateness: Object.fromEntries(latenessByOperator({ graph, result })),
    checkpoints,
    checkpoint,
    savepoint,
    outputs: Object.fromEntries(targets),
    error: error === undefined ? undefined : serializeError(error),
  };
  return `${JSON.stringify(json)}\n`;
}

// What was accumulated may be anything that a function makes.
function valueText(value: unknown): string {
  if (value instanceof Error) return value.message;
  return isJson(value) ? JSON.stringify(value) : inspect(value, { depth: 4, breakLength: Infinity });
}

function isJson(value: unknown): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(JSON.stringify(value)), value);
  } catch {
    return false;
  }
}

function cut(text: string): string {
  return text.length <= ACCUMULATOR_LENGTH_MAX ? text : `${text.slice(0, ACCUMULATOR_LENGTH_MAX)}…`;
}

const ACCUMULATOR_LENGTH_MAX = 200;

// A few keys need not spread evenly, and an idle subtask makes people look for an error that is none.
function idleRows({ graph, result }: SummaryOptions): [string, string][] {
  return result.figures.vertices.flatMap((vertex, index): [string, string][] => {
    const isKeyed = graph.vertices[index]?.operators[0]?.keyed === true;
    const idle = isKeyed ? idleSubtasks(vertex) : [];
    if (idle.length === 0) return [];
    const which = `${idle.length === 1 ? 'subtask' : 'subtasks'} ${idle.join(', ')} of ${vertex.parallelism}`;
    return [['idle', `${which} of "${vertex.name}": no key that came belongs there, as its hash decides`]];
  });
}

function idleSubtasks({ subtasks }: VertexFigures): number[] {
  if (subtasks.every(({ recordsIn }) => recordsIn === 0)) return [];
  return subtasks.filter(({ recordsIn }) => recordsIn === 0).map(({ subtask }) => subtask);
}

function isResumable({ status, checkpoint }: JobResult): boolean {
  return status !== 'FINISHED' && checkpoint !== undefined;
}

function labelOf({ uid, explicitUid, name }: PlannedOperator): string {
  return explicitUid ? uid : name;
}

function shortened(path: string, workingDirectory: string): string {
  return path.startsWith(`${workingDirectory}/`) ? path.slice(workingDirectory.length + 1) : path;
}
