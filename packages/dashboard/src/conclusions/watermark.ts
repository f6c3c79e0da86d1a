// How event time gets on: how far behind each lane is, who holds the others back, and what it means to have none.
import type {
  JobDescription,
  JobFiguresMessage,
  SubtaskFiguresMessage,
  WatermarkValue,
} from '../../../../src/rest/contract.ts';
import { type Conclusion, conclusion, saying } from './conclusion.ts';
import { labelOf } from './names.ts';

/** A watermark that has not moved for so long while its job runs and reads is called stuck. */
export const stuckMs = 20_000;

/** One lane: a split of a source, a source's subtask without splits, or a vertex. */
export interface WatermarkLane {
  readonly vertex: number;
  readonly subtask: number | null;
  readonly split: string | null;
  readonly watermark: WatermarkValue;
  readonly isIdle: boolean;
  /** Of a split: the highest event time of its records, and how far behind it the furthest one came. */
  readonly eventTimeMax: number | null;
  readonly behindMsMax: number | null;
}

/** Lanes of a job, sources first: one for each split, then one for each vertex behind them. */
export function watermarkLanes(description: JobDescription, figures: JobFiguresMessage): WatermarkLane[] {
  const lanes = figures.vertices.flatMap((vertex, index) =>
    description.vertices[index]?.isSource === true
      ? vertex.subtasks.flatMap((subtask) => lanesOfSource(index, subtask))
      : [],
  );
  const vertices = figures.vertices.map(({ watermark, subtasks }, vertex) => ({
    vertex,
    subtask: null,
    split: null,
    // Nothing comes to a source: what it sends on is its watermark.
    watermark: description.vertices[vertex]?.isSource === true ? sentBy(subtasks) : watermark,
    isIdle: subtasks.length > 0 && subtasks.every(({ isIdle }) => isIdle),
    eventTimeMax: null,
    behindMsMax: null,
  }));
  return [...lanes, ...vertices];
}

function sentBy(subtasks: readonly SubtaskFiguresMessage[]): WatermarkValue {
  const waited = subtasks.filter(({ isIdle }) => !isIdle).map(({ outputWatermark }) => outputWatermark);
  return waited.sort((left, right) => orderOf(left) - orderOf(right))[0] ?? 'none';
}

/** Tells a lane from the others of its job. */
export function laneId({ vertex, subtask, split }: WatermarkLane): string {
  return `${vertex}/${subtask ?? ''}/${split ?? ''}`;
}

function lanesOfSource(vertex: number, subtask: SubtaskFiguresMessage): WatermarkLane[] {
  if (subtask.splits.length === 0) return [];
  return subtask.splits.map(({ splitId, watermark, isIdle, eventTimeMax, behindMsMax }) => ({
    vertex,
    subtask: subtask.subtask,
    split: splitId,
    ...{ watermark, isIdle, eventTimeMax, behindMsMax },
  }));
}

/** The lane that holds all behind it back: the one with the smallest watermark among those that are not idle. */
export function holdingLane(lanes: readonly WatermarkLane[]): WatermarkLane | undefined {
  return [...lanes]
    .filter(({ isIdle, watermark }) => !isIdle && watermark !== 'end')
    .sort((left, right) => orderOf(left.watermark) - orderOf(right.watermark))[0];
}

/** `none` before every number, `end` behind. */
export function orderOf(watermark: WatermarkValue): number {
  return watermark === 'none'
    ? Number.NEGATIVE_INFINITY
    : watermark === 'end'
      ? Number.POSITIVE_INFINITY
      : watermark;
}

/** What there is to say about event time: none, ended, stuck (and by whom), or moving. */
export function watermarkConclusion(
  description: JobDescription,
  ticks: readonly JobFiguresMessage[],
): Conclusion {
  const now = ticks.at(-1);
  if (now === undefined) return conclusion('plain', 'watermark.unknown');
  const lanes = watermarkLanes(description, now);
  const sourceLanes = lanes.filter(({ split }) => split !== null);
  const last = lanes.filter(({ split }) => split === null).at(-1);
  if (lanes.every(({ watermark }) => watermark === 'end')) return conclusion('plain', 'watermark.ended');
  const holder = holdingLane(sourceLanes.length > 0 ? sourceLanes : lanes);
  if (holder === undefined) return conclusion('plain', 'watermark.all-idle');
  const values = {
    operator: labelOf(description, holder.vertex),
    split: holder.split ?? labelOf(description, holder.vertex),
    subtask: String(holder.subtask ?? 0),
  };
  const stillMs = stillFor(ticks);
  const isReading = now.vertices.some(
    ({ recordsInPerSecond, recordsOutPerSecond }) => recordsInPerSecond + recordsOutPerSecond > 0,
  );
  if (lanes.every(({ watermark }) => watermark === 'none')) {
    return conclusion('plain', 'watermark.none', values, [saying('watermark.none.why', values)]);
  }
  if (now.state === 'RUNNING' && stillMs >= stuckMs && isReading) {
    const stuck = holder.split === null ? 'watermark.stuck.operator' : 'watermark.stuck';
    return conclusion(
      'bad',
      holder.watermark === 'none' ? 'watermark.stuck.none' : stuck,
      { ...values, since: { kind: 'duration', ms: stillMs } },
      [saying('watermark.stuck.do', values)],
    );
  }
  const front = Math.max(...lanes.map(({ watermark }) => orderOf(watermark)).filter(Number.isFinite));
  const behind = last === undefined ? 0 : front - orderOf(last.watermark);
  return Number.isFinite(behind)
    ? conclusion('good', 'watermark.moving', { ...values, behind: { kind: 'duration', ms: behind } })
    : conclusion('plain', 'watermark.starting', values);
}

/** For how long the watermark of the last vertex has been the same, as far as the ticks go back. */
export function stillFor(ticks: readonly JobFiguresMessage[]): number {
  const now = ticks.at(-1);
  if (now === undefined) return 0;
  const watermark = now.vertices.at(-1)?.watermark;
  const since = ticks.findLastIndex(
    (tick) => tick.vertices.at(-1)?.watermark !== watermark || tick.attempt !== now.attempt,
  );
  return now.at - (ticks[since + 1]?.at ?? now.at);
}
