/**
 * Rates and shares from figures that only count up: how much was added over the last seconds, by each subtask's clock.
 *
 * RA-1 A subtask of another attempt counts from 0 again, and so does its rate.
 * RA-2 At most SAMPLES_MAX samples of a subtask are kept.
 */

import type { JobFigures } from '../cluster/job-manager/job-figures.ts';

/** Figures of one subtask, as the job master shows them. */
export type SubtaskTotals = JobFigures['vertices'][number]['subtasks'][number];

/** Rates are taken over so many milliseconds, or less at the start. */
export const RATE_OVER_MS = 5_000;
const SAMPLES_MAX = 16;

/** Shares of the last seconds, and ms since the split was added. */
export interface SplitShares {
  readonly splitId: string;
  readonly activeShare: number;
  readonly pausedShare: number;
  readonly idleShare: number;
}

/** What a subtask did in the last seconds. */
export interface SubtaskRates {
  readonly recordsInPerSecond: number;
  readonly recordsOutPerSecond: number;
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  readonly busyShare: number;
  readonly backPressuredShare: number;
  readonly idleShare: number;
  /** How each split spent its time. */
  readonly splits: readonly SplitShares[];
  /** By index of the operator in its chain. */
  readonly operators: readonly { readonly inPerSecond: number; readonly outPerSecond: number }[];
}

const NOTHING: SubtaskRates = {
  recordsInPerSecond: 0,
  recordsOutPerSecond: 0,
  bytesInPerSecond: 0,
  bytesOutPerSecond: 0,
  busyShare: 0,
  backPressuredShare: 0,
  idleShare: 0,
  splits: [],
  operators: [],
};

/** The rates of all subtasks of one job. */
export class RateBook {
  readonly #samples = new Map<string, SubtaskTotals[]>();
  #attempt = 0;

  /** Takes figures; to be called about once a second. */
  take(figures: JobFigures, attempt: number): void {
    if (attempt !== this.#attempt) this.#samples.clear(); // RA-1
    this.#attempt = attempt;
    for (const { subtasks } of figures.vertices) for (const totals of subtasks) this.#take(totals);
  }

  #take(totals: SubtaskTotals): void {
    const key = `${totals.vertex}/${totals.subtask}`;
    const samples = this.#samples.get(key) ?? [];
    const last = samples.at(-1);
    if (last !== undefined && totals.at <= last.at) return;
    samples.push(totals);
    while (samples.length > 2 && totals.at - samples[1]!.at >= RATE_OVER_MS) samples.shift();
    if (samples.length > SAMPLES_MAX) samples.shift(); // RA-2
    this.#samples.set(key, samples);
  }

  /** Of one subtask; nothing before its second report. */
  of(vertex: number, subtask: number): SubtaskRates {
    const samples = this.#samples.get(`${vertex}/${subtask}`);
    const first = samples?.[0];
    const last = samples?.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at) return NOTHING;
    return between(first, last);
  }
}

function between(first: SubtaskTotals, last: SubtaskTotals): SubtaskRates {
  const ms = last.at - first.at;
  const perSecond = (from: number | undefined, to: number | undefined): number =>
    (Math.max(0, (to ?? 0) - (from ?? 0)) * 1_000) / ms;
  const busyShare = share(last.busyMs - first.busyMs, ms);
  const backPressuredShare = Math.min(share(last.backPressuredMs - first.backPressuredMs, ms), 1 - busyShare);
  return {
    recordsInPerSecond: perSecond(first.recordsIn, last.recordsIn),
    recordsOutPerSecond: perSecond(first.recordsOut, last.recordsOut),
    bytesInPerSecond: perSecond(first.bytesIn, last.bytesIn),
    bytesOutPerSecond: perSecond(first.bytesOut, last.bytesOut),
    busyShare,
    backPressuredShare,
    idleShare: Math.max(0, 1 - busyShare - backPressuredShare),
    splits: last.splits.map((split) => splitShares(first.splits, split)),
    operators: last.operators.map(({ recordsIn, recordsOut }, index) => ({
      inPerSecond: perSecond(first.operators[index]?.recordsIn, recordsIn),
      outPerSecond: perSecond(first.operators[index]?.recordsOut, recordsOut),
    })),
  };
}

/** Of the time that the split has been there. */
function splitShares(before: SubtaskTotals['splits'], split: SubtaskTotals['splits'][number]): SplitShares {
  const { splitId } = split;
  const first = before.find((each) => each.splitId === splitId);
  const spent = {
    active: split.activeMs - (first?.activeMs ?? 0),
    paused: split.pausedMs - (first?.pausedMs ?? 0),
    idle: split.idleMs - (first?.idleMs ?? 0),
  };
  const ms = Math.max(1, spent.active + spent.paused + spent.idle);
  return {
    splitId,
    activeShare: share(spent.active, ms),
    pausedShare: share(spent.paused, ms),
    idleShare: share(spent.idle, ms),
  };
}

function share(part: number, whole: number): number {
  return Math.min(1, Math.max(0, part / whole));
}
