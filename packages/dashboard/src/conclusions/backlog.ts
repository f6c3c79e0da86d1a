// What each source has still to read, whether that gets less, and when it has caught up.
import type { JobDescription, JobFiguresMessage, SourceBacklog } from '../../../../src/rest/contract.ts';
import type { Quantity } from '../text/message.ts';
import { type Conclusion, conclusion, type Saying, saying } from './conclusion.ts';
import { labelOf } from './names.ts';

/** A trend is that of the last half minute, and of five seconds at least. */
const trendMsMax = 30_000;
const trendMsMin = 5_000;
/** A backlog that changes by less than this share of itself in a minute stands still. */
const standingShare = 0.01;

/** What is counted of an input. */
export type BacklogUnit = 'records' | 'bytes';

/** The backlog of one source. */
export interface BacklogLine {
  readonly vertex: number;
  readonly backlog: SourceBacklog;
  /** `undefined` where the source does not know what is left. */
  readonly pending: { readonly unit: BacklogUnit; readonly value: number } | undefined;
  /** Positive: it grows. `undefined` until it is known. */
  readonly perSecond: number | undefined;
}

/** The sources of a job, in the order of the plan. `ticks`: the latest figures, oldest first. */
export function backlogLines(ticks: readonly JobFiguresMessage[]): BacklogLine[] {
  const latest = ticks.at(-1);
  return (latest?.vertices ?? []).flatMap(({ backlog }, vertex) => {
    if (backlog === null) return [];
    const unit = unitOf(backlog);
    const value = unit && pendingOf(backlog, unit);
    const pending = unit === undefined || value === undefined ? undefined : { unit, value };
    return [{ vertex, backlog, pending, perSecond: unit && trendOf(ticks, vertex, unit) }];
  });
}

/** What is left of a source at one moment, in a unit. */
export function pendingAt(figures: JobFiguresMessage, vertex: number, unit: BacklogUnit): number | undefined {
  const backlog = figures.vertices[vertex]?.backlog;
  return backlog === null || backlog === undefined ? undefined : pendingOf(backlog, unit);
}

function unitOf({ pendingRecords, pendingBytes }: SourceBacklog): BacklogUnit | undefined {
  if (pendingRecords !== null) return 'records';
  return pendingBytes === null ? undefined : 'bytes';
}

function pendingOf({ pendingRecords, pendingBytes }: SourceBacklog, unit: BacklogUnit): number | undefined {
  return (unit === 'records' ? pendingRecords : pendingBytes) ?? undefined;
}

/** Over the latest figures of one attempt: a restart reads again, which is no trend. */
function trendOf(ticks: readonly JobFiguresMessage[], vertex: number, unit: BacklogUnit): number | undefined {
  const latest = ticks.at(-1)!;
  const known = ticks.filter(
    (tick) =>
      tick.attempt === latest.attempt &&
      latest.at - tick.at <= trendMsMax &&
      pendingAt(tick, vertex, unit) !== undefined,
  );
  const first = known[0];
  if (first === undefined || latest.at - first.at < trendMsMin) return undefined;
  const change = pendingAt(latest, vertex, unit)! - pendingAt(first, vertex, unit)!;
  return (change * 1000) / (latest.at - first.at);
}

/** The sentence of one source. */
export function backlogConclusion(
  description: JobDescription,
  figures: JobFiguresMessage,
  { vertex, pending, perSecond }: BacklogLine,
): Conclusion {
  const source = labelOf(description, vertex);
  if (figures.state !== 'RUNNING') return conclusion('plain', 'backlog.not-running', { source });
  if (pending === undefined) return conclusion('plain', 'backlog.unknown', { source });
  const values = { source, pending: quantityOf(pending.unit, pending.value) };
  if (pending.value === 0) return conclusion('good', 'backlog.none', values);
  if (perSecond === undefined) return conclusion('plain', 'backlog.measuring', values);
  const change = quantityOf(pending.unit, Math.abs(perSecond));
  const isStanding = Math.abs(perSecond) * 60 < pending.value * standingShare;
  if (isStanding) return conclusion('warn', 'backlog.standing', values, whyOf(description, figures));
  if (perSecond > 0) {
    return conclusion('bad', 'backlog.rising', { ...values, change }, whyOf(description, figures));
  }
  const time = { kind: 'duration', ms: (pending.value * 1000) / -perSecond } as const;
  return conclusion('good', 'backlog.falling', { ...values, change, time });
}

function quantityOf(unit: BacklogUnit, value: number): Quantity {
  return { kind: unit, value };
}

/** Why nothing is read faster: somebody slows the source down, or nobody does. */
function whyOf(description: JobDescription, { culprit }: JobFiguresMessage): Saying[] {
  if (culprit === null) return [saying('backlog.source-itself')];
  return [saying('backlog.culprit', { operator: labelOf(description, culprit.vertex) })];
}
