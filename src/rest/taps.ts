/**
 * Record taps: looks at what an operator hands on, while somebody watches.
 *
 * Owns: the taps of all jobs. Talks to: the slots that run the operator, by the job's master; the stream.
 *
 * RT-1 Nothing is tapped that nobody watches: a tap ends when no stream reads samples for UNWATCHED_MS, at its end, when
 *      its job ends, or by hand. Whoever began one watches from then on.
 * RT-2 A tap shows at most `perSecond` records, whatever the parallelism.
 * RT-3 A restart of the job makes new chains: the tap begins there again.
 */

import type { ClusterWatch } from './cluster-watch.ts';
import { badRequest, field } from './context.ts';
import type { SampledRecord, SampleMessage, Tap } from './contract.ts';
import { watermarkValue } from './job-messages.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal } from './router.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import type { JobListener } from '../cluster/job-manager/job-listener.ts';
import { isTerminal } from '../cluster/job-manager/job-states.ts';

/** RT-1. */
export const UNWATCHED_MS = 30_000;
export const TAP_MS = 600_000;
export const TAPS_MAX = 16;
const PER_SECOND_MAX = 20;
const PER_SECOND_DEFAULT = 10;
const MASKS_MAX = 100;
/** How often slots report: what they may show in between. */
const REPORTS_PER_SECOND = 2;

interface Live {
  readonly tap: Tap;
  readonly watch: JobWatch;
  /** Where the records are seen: what hands them on to a sink is before it. */
  readonly at: { readonly vertex: number; readonly operator: number };
  readonly mask: readonly string[];
  readonly stop: () => void;
  watchedAt: number;
  second: number;
  shown: number;
}

type Records = Parameters<NonNullable<JobListener['onTapped']>>[1];

/** See the head of the file. */
export class TapBook {
  readonly #watch: ClusterWatch;
  readonly #taps = new Map<string, Live>();

  constructor(watch: ClusterWatch) {
    this.#watch = watch;
    watch.onTick(() => this.#look());
  }

  /** Begins a tap, or refuses. */
  async begin(watch: JobWatch, body: unknown): Promise<Tap> {
    const { clock, random } = this.#watch.cluster.env;
    if (this.#taps.size >= TAPS_MAX) throw new Refusal(409, `There are ${TAPS_MAX} taps already.`);
    const wish = wishOf(watch, body);
    const startedAt = clock.now();
    const tap: Tap = {
      tapId: random.id(),
      jobId: watch.jobId,
      vertex: wish.vertex,
      operator: wish.operator,
      perSecond: wish.perSecond,
      startedAt,
      endsAt: startedAt + TAP_MS,
    };
    const { source } = watch.job;
    const live: Live = {
      tap,
      watch,
      at: originOf(watch, wish),
      mask: wish.mask,
      stop: source.observe({
        onTapped: (tapId, records) => {
          if (tapId === tap.tapId) this.#seen(live, records);
        },
        // RT-3
        onExecution: ({ state }) => {
          const isUp = state === 'RUNNING' && source.executions().every((each) => each.state === state);
          if (isUp) this.#install(live).catch(() => {});
        },
      }),
      watchedAt: startedAt,
      second: 0,
      shown: 0,
    };
    this.#taps.set(tap.tapId, live);
    try {
      await this.#install(live);
    } catch (error) {
      this.#drop(live);
      throw new Refusal(409, error instanceof Error ? error.message : String(error));
    }
    return tap;
  }

  /** Ends a tap; 404 for one that is not there. */
  end(watch: JobWatch, tapId: string): void {
    const live = this.#taps.get(tapId);
    if (live === undefined || live.watch.jobId !== watch.jobId) {
      throw new Refusal(404, `NotFoundException: tap ${tapId} is not known`);
    }
    this.#end(live);
  }

  ofJob(watch: JobWatch): readonly Tap[] {
    return [...this.#taps.values()].filter((live) => live.watch.jobId === watch.jobId).map(({ tap }) => tap);
  }

  async #install(live: Live): Promise<void> {
    const { source } = live.watch.job;
    const slots = slotsOf(live);
    if (slots.length === 0) throw new Refusal(409, `The job is ${source.state}.`);
    const perSubtask = live.tap.perSecond / REPORTS_PER_SECOND / slots.length;
    await Promise.all(
      slots.map((slot) =>
        source.inspect(slot, {
          kind: 'tap',
          tapId: live.tap.tapId,
          ...live.at,
          recordsPerReport: Math.max(1, Math.ceil(perSubtask)),
          mask: live.mask,
        }),
      ),
    );
  }

  #seen(live: Live, records: Records): void {
    const second = Math.floor(this.#watch.cluster.env.clock.now() / 1_000);
    if (second !== live.second) {
      live.second = second;
      live.shown = 0;
    }
    // RT-2
    const shown = records.slice(0, Math.max(0, live.tap.perSecond - live.shown));
    live.shown += shown.length;
    if (shown.length === 0) return;
    const { tapId, jobId } = live.tap;
    const message: SampleMessage = { tapId, jobId, records: shown.map((record) => sampled(live, record)) };
    this.#watch.send('sample', message, jobId);
  }

  /** RT-1. */
  #look(): void {
    if (this.#taps.size === 0) return;
    const now = this.#watch.cluster.env.clock.now();
    const isWatched = this.#watch.isWatched('samples');
    for (const live of this.#taps.values()) {
      if (isWatched) live.watchedAt = now;
      const isOver = now >= live.tap.endsAt || isTerminal(live.watch.job.source.state);
      if (isOver || now - live.watchedAt >= UNWATCHED_MS) this.#end(live);
    }
  }

  #end(live: Live): void {
    this.#drop(live);
    const { source } = live.watch.job;
    for (const slot of slotsOf(live)) {
      // A slot that is gone taps nothing.
      source.inspect(slot, { kind: 'untap', tapId: live.tap.tapId }).catch(() => {});
    }
  }

  #drop(live: Live): void {
    this.#taps.delete(live.tap.tapId);
    live.stop();
  }
}

function slotsOf({ watch, at }: Live): number[] {
  const executions = watch.job.source.executions();
  return executions
    .filter(({ vertex, state }) => vertex === at.vertex && state === 'RUNNING')
    .map(({ slot }) => slot);
}

function sampled({ tap }: Live, record: Records[number]): SampledRecord {
  return {
    vertex: tap.vertex,
    operator: tap.operator,
    subtask: record.subtask,
    at: record.at,
    timestamp: record.timestamp === MIN_TIMESTAMP ? null : record.timestamp,
    watermark: watermarkValue(record.watermark),
    value: record.value,
    isCut: record.isCut,
    keyText: record.keyText ?? null,
  };
}

interface Wish {
  readonly vertex: number;
  readonly operator: number;
  readonly perSecond: number;
  readonly mask: readonly string[];
}

function wishOf(watch: JobWatch, body: unknown): Wish {
  const vertex = field(body, 'vertex');
  const operator = field(body, 'operator');
  const perSecond = field(body, 'perSecond') ?? PER_SECOND_DEFAULT;
  const mask = field(body, 'mask') ?? [];
  if (typeof vertex !== 'number' || typeof operator !== 'number') {
    throw badRequest('"vertex" and "operator" are numbers that name an operator');
  }
  if (typeof perSecond !== 'number' || !(perSecond >= 1 && perSecond <= PER_SECOND_MAX)) {
    throw badRequest(`"perSecond" is not between 1 and ${PER_SECOND_MAX}`);
  }
  if (!Array.isArray(mask) || mask.length > MASKS_MAX || !mask.every((name) => typeof name === 'string')) {
    throw badRequest(`"mask" is no list of at most ${MASKS_MAX} names`);
  }
  if (watch.job.source.compiled.graph.vertices[vertex]?.operators[operator] === undefined) {
    throw new Refusal(404, `NotFoundException: operator ${operator} of vertex ${vertex} not found`);
  }
  return { vertex, operator, perSecond, mask };
}

/** A sink hands nothing on: what it takes in is looked at where it comes from. */
function originOf(watch: JobWatch, { vertex, operator }: Wish): Live['at'] {
  const { vertices, edges } = watch.job.source.compiled.graph;
  const { operators } = vertices[vertex]!;
  if (operators[operator]!.kind !== 'sink') return { vertex, operator };
  const before = operators.findIndex(({ chained }) => chained.some(({ to }) => to === operator));
  if (before >= 0) return { vertex, operator: before };
  const edge = edges.find(({ to, tag }) => to === vertex && tag === undefined);
  if (edge === undefined)
    throw new Refusal(409, 'What the sink takes in comes by a side output, which is not shown.');
  return { vertex: edge.from, operator: edge.fromOperator };
}
