// A world: one random job, its settings, and everything that will happen to it, drawn from a seed as plain data.
//
// Nothing is drawn while a world runs but the moments that the kernel decides, so that a part of a world can be taken
// away (shrink.ts) and the rest stays as it was.

import { chance } from '../test/property/job-spec.ts';
import { type ClusterSpec, clusterOf } from './cluster-world.ts';
import { type StoreSpec, storeOf } from './store-world.ts';

/** A record; `id` names its origin for ever. */
export interface Item {
  readonly id: string;
  readonly key: string;
  readonly at: number;
  readonly v: number;
}

/** One source of a world. */
export interface SourceSpec {
  readonly name: string;
  readonly count: number;
  readonly keys: number;
  /** ms by which a record may come behind the newest one of its split. */
  readonly disorder: number;
  readonly splits: number;
  /** 0: as fast as it can. */
  readonly ratePerSecond: number;
  readonly steps: readonly Step[];
}

export type Partitioning = 'rebalance' | 'shuffle' | 'rescale' | 'broadcast' | 'global';

/** One step of a pipeline. */
export type Step =
  | { readonly kind: 'map'; readonly add: number }
  | { readonly kind: 'filter'; readonly modulus: number; readonly rest: number }
  | { readonly kind: 'flat-map'; readonly copies: number }
  | { readonly kind: 'partition'; readonly by: Partitioning }
  | { readonly kind: 'split-off'; readonly modulus: number }
  | {
      readonly kind: 'async';
      readonly ordered: boolean;
      /** Right behind a rebalance, whose barriers may overtake records. */
      readonly spread: boolean;
      readonly slowMs: number;
    };

/** What the keyed operator computes. Those of {@link IN_ORDER} need that no record is ever late. */
export type Keyed =
  | { readonly kind: 'totals' }
  /** Hands each record on, so that a slow sink holds everything before it back. */
  | { readonly kind: 'each' }
  | { readonly kind: 'distinct' }
  | { readonly kind: 'buckets'; readonly size: number }
  | { readonly kind: 'tumbling'; readonly size: number }
  | { readonly kind: 'sliding'; readonly size: number; readonly slide: number }
  | { readonly kind: 'session'; readonly gap: number }
  | { readonly kind: 'pairs'; readonly lower: number; readonly upper: number }
  /** What came until a moment of processing time, and the rest at the end of all input. */
  | { readonly kind: 'ticks'; readonly everyMs: number }
  /** A number for each record, by its origin: keys come all the time. */
  | { readonly kind: 'origins' }
  /** Tumbling windows whose evictor drops records by their value. */
  | { readonly kind: 'evicted'; readonly size: number; readonly modulus: number }
  | { readonly kind: 'rules'; readonly rules: number };

export const IN_ORDER: ReadonlySet<Keyed['kind']> = new Set(['sliding', 'session', 'pairs']);

/** How the output leaves: parts of files, or transactions of a system outside. */
export type SinkKind = 'files' | 'transactions';

/** The job of a world. */
export interface JobSpec {
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly chaining: boolean;
  readonly sources: readonly SourceSpec[];
  readonly selfUnion: boolean;
  readonly keyed: Keyed;
  readonly sink: SinkKind;
  /** Records that the sink takes every 2 ms; 0 = all there are. */
  readonly throttle: number;
  readonly alwaysEncode: boolean;
  readonly channelElements: number;
  readonly inlineThresholdBytes: number;
}

/** What may be another one with each life. */
export interface LifeSettings {
  readonly keyedParallelism: number;
  readonly sinkParallelism: number;
  /** Of asynchronous calls: what is restored may be more than it. */
  readonly capacity: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly minPauseMs: number;
  readonly maxConcurrent: number;
  readonly retained: number;
  readonly unaligned: boolean;
  readonly alignedTimeoutMs: number;
}

/** The moments at which something may be aimed: the `nth` event whose text matches. */
export const MOMENTS = {
  publication: /create \S*_metadata\.\S*$|^store (?:PUT|POST) \S*_metadata(?:\?uploadId)?$/,
  metadata: /link \S*_metadata$|^store (?:PUT|POST) \S*_metadata(?:\?uploadId)?$/,
  state: /(?:create|sync) \S*\.state$|^store (?:PUT \S*\.state|POST \S*\.state\?uploadId)$/,
  commit: /(?:rename \S*\/part-|transaction commit)/,
  prepare: /(?:sync \S*\.part-|transaction prepare)/,
  attempt: /claim directory \S*attempts|^store PUT \S*attempts\/\d+\/\.claim$/,
  marker: /link \S*finished$|^store PUT \S*finished$/,
  discard: /remove \S*_metadata$|^store DELETE \S*_metadata$/,
  savepoint:
    /link \/savepoints\/\S*_metadata$|^store (?:PUT|POST) \S*\/savepoints\/\S*_metadata(?:\?uploadId)?$/,
  reading: /read \S*\/chk-\d+\/_metadata$/,
  listing: /list \/checkpoints\/job$/,
} as const;
export type Moment = keyof typeof MOMENTS;

/** They are chosen by what happens before them, or by a shape of worlds; never by chance. */
const CHOSEN: ReadonlySet<Moment> = new Set(['savepoint', 'reading', 'listing']);

/** When something happens within a life: after so many events, or so many after the `nth` of a kind. */
export interface When {
  readonly moment?: Moment;
  readonly nth?: number;
  readonly events: number;
}

/** Operations of a disk, or of a store, at which a fault may be aimed: what they do is a step of a protocol. */
export const FAULT_MOMENTS = [
  'publication',
  'metadata',
  'state',
  'commit',
  'prepare',
  'marker',
  'discard',
] as const;

/** Something that happens to the process of the job. All up to `take-over` end the life, but for `savepoint` and `rescale`. */
export type Happening =
  | { readonly kind: 'kill' | 'power' | 'stop' | 'savepoint' }
  /** Subtasks of its vertices, one after the other, from the beginning again when there are more. */
  | { readonly kind: 'rescale'; readonly subtasks: readonly number[] }
  /**
   * What comes after the stop begins with the savepoint (and owns it: `claim`) or with the latest checkpoint. With a savepoint
   * its graph may be another one: an operator with state of its own comes in, or goes.
   */
  | {
      readonly kind: 'stop-with-savepoint';
      readonly from: 'claimed' | 'savepoint' | 'latest';
      readonly changesGraph: boolean;
    }
  /** SIGSTOP, and another process takes over; the old one goes on after so many events. */
  | { readonly kind: 'take-over'; readonly wakesAfter: number }
  /** The next operation of this moment fails in this way. */
  | {
      readonly kind: 'fault';
      readonly at: (typeof FAULT_MOMENTS)[number] | 'reading' | 'listing';
      readonly fault: 'io' | 'unknown-with-effect' | 'unknown-without-effect';
    }
  /** The job's own code throws at the next record. */
  | { readonly kind: 'throw' }
  | { readonly kind: 'freeze'; readonly ms: number }
  | { readonly kind: 'jump'; readonly ms: number };

/** One entry of the plan. */
export interface Planned {
  readonly when: When;
  readonly what: Happening;
  readonly next: LifeSettings;
}

/** Chances per operation, of 10,000. */
export interface Rates {
  readonly io: number;
  readonly unknown: number;
  readonly noSpace: number;
  readonly shortRead: number;
  /** Of calls of the transactional system: an error without, and with an effect. */
  readonly transaction: number;
  readonly transactionUnknown: number;
}

/** See the head of the file. */
export interface World {
  readonly seed: number;
  readonly job: JobSpec;
  readonly first: LifeSettings;
  readonly plan: readonly Planned[];
  readonly rates: Rates;
  /** Events after the plan, before everything is healed. */
  readonly healsAfter: number;
  /** Records, counted over the world and anew after each, at which the job's own code throws. */
  readonly throwsAt: readonly number[];
  /** What a look at the clock costs, µs: slow processes end their turns in the middle of a batch. */
  readonly clockReadUs: number;
  /** Checkpoints or savepoints are in a store of objects; else on the disk. */
  readonly store?: StoreSpec;
  /** The job runs in a cluster, to which this happens instead of the plan; else in one process. */
  readonly cluster?: ClusterSpec;
}

export const NO_FAULTS: Rates = {
  io: 0,
  unknown: 0,
  noSpace: 0,
  shortRead: 0,
  transaction: 0,
  transactionUnknown: 0,
};

const KINDS: readonly Happening['kind'][] = [
  'kill',
  'power',
  'stop',
  'stop-with-savepoint',
  'savepoint',
  'rescale',
  'rescale',
  'take-over',
  'take-over',
  'fault',
  'throw',
  'freeze',
  'jump',
];
/** What is near behind them meets what they have begun. */
const BEGINNINGS: ReadonlySet<Happening['kind'] | undefined> = new Set(['fault', 'throw']);

/** One of so many worlds is a cluster. */
const CLUSTER_EVERY = 8;

type Draw = (bound: number) => number;

/** Boundary keys stand first: they are the ones that break encoders. */
const KEYS = ['', '__proto__', 'user1', 'user2', 'ü', '\u0000T', '7', '𝄞'];

/** Records of a split, in the order in which its source gives them. */
export function itemOf(source: SourceSpec, split: number, index: number): Item {
  const draw = chance((split * 65_537 + index) * 31 + source.count * 7_919 + source.name.charCodeAt(0));
  return {
    id: `${source.name}${split}.${index}`,
    key: KEYS[draw(source.keys)]!,
    at: index * 10 - draw(source.disorder + 1),
    v: draw(1_000),
  };
}

/** How many records a split has. */
export function countOf({ count, splits }: SourceSpec, split: number): number {
  return Math.floor(count / splits) + (split < count % splits ? 1 : 0);
}

/** Whether no record of the job can be late: every split is read from the start, each by a reader of its own. */
export function isInOrder({ sources, parallelism }: JobSpec): boolean {
  return sources.every(({ splits }) => splits <= parallelism);
}

/** The world of a seed. */
export function worldOf(seed: number): World {
  const draw = chance(Math.imul(seed, 0x9e3779b1) ^ 0x51a1);
  const job = jobOf(draw);
  // Each kind of fault is there at all in every second world, so that some worlds have one kind alone.
  const has = (): boolean => draw(2) === 0;
  const kinds = KINDS.filter(has);
  const rescales = has();
  const first = lifeSettings(draw, undefined);
  const plan: Planned[] = [];
  let settings = first;
  for (let left = kinds.length === 0 ? 0 : [1, 2, 2, 3, 4, 6, 9][draw(7)]!; left > 0; left--) {
    settings = lifeSettings(draw, rescales ? undefined : settings);
    const before = plan.at(-1)?.what.kind;
    const isDuringSavepoint = before === 'savepoint' && draw(3) > 0;
    const isSoon = BEGINNINGS.has(before) && draw(3) > 0;
    // A rescale takes its time; what comes at once only cancels it.
    const isLate = before === 'rescale' && draw(3) > 0;
    // What follows the first checkpoint behind it continues from that one.
    const isAtItsCheckpoint = before === 'rescale' && draw(3) === 0;
    plan.push({
      when: isDuringSavepoint
        ? { moment: 'savepoint', nth: 1, events: draw(40) }
        : isAtItsCheckpoint
          ? { moment: 'metadata', nth: 1 + draw(2), events: draw(60) }
          : isSoon
            ? { events: draw(150) }
            : isLate
              ? { events: 300 + draw(900) }
              : whenOf(draw),
      what: happening(draw, kinds[draw(kinds.length)]!),
      next: settings,
    });
  }
  const throws = has() ? 1 + draw(3) : 0;
  const cluster = draw(CLUSTER_EVERY) === 0 ? { cluster: clusterOf(draw) } : undefined;
  // Half of the clusters have jobs that last longer than a lease.
  const isLong = cluster !== undefined && draw(2) === 0;
  const store = storeOf(seed);
  return {
    ...cluster,
    ...(store === undefined ? {} : { store }),
    seed,
    job: isLong ? { ...job, sources: job.sources.map((source) => ({ ...source, ratePerSecond: 50 })) } : job,
    first: isLong ? { ...first, intervalMs: 50 } : first,
    plan,
    rates: {
      io: has() ? rate(draw) : 0,
      unknown: has() ? rate(draw) : 0,
      noSpace: has() ? rate(draw) : 0,
      shortRead: has() ? draw(5_000) : 0,
      transaction: has() ? rate(draw) : 0,
      transactionUnknown: has() ? rate(draw) : 0,
    },
    healsAfter: Math.round(2 ** (4 + draw(900) / 100)),
    throwsAt: Array.from({ length: throws }, () => 1 + draw(200)),
    clockReadUs: draw(3) === 0 ? [5, 20, 100, 300][draw(4)]! : 0,
  };
}

/** Of 10,000: 0.02 to 2 % evenly in the logarithm, and now and then up to 30 %. */
function rate(draw: Draw): number {
  if (draw(10) > 0) return Math.round(2 * 100 ** (draw(1_000) / 1_000));
  return 200 + draw(2_800);
}

function whenOf(draw: Draw): When {
  const events = Math.round(2 ** (3 + draw(850) / 100));
  if (draw(2) === 0) return { events };
  const moments = (Object.keys(MOMENTS) as Moment[]).filter((moment) => !CHOSEN.has(moment));
  return { moment: moments[draw(moments.length)]!, nth: 1 + draw(3), events: draw(6) };
}

function happening(draw: Draw, kind: Happening['kind']): Happening {
  switch (kind) {
    case 'take-over':
      return { kind, wakesAfter: Math.round(2 ** (draw(1_100) / 100)) };
    case 'stop-with-savepoint':
      return {
        kind,
        from: (['claimed', 'savepoint', 'latest'] as const)[draw(3)]!,
        changesGraph: draw(2) === 0,
      };
    case 'rescale':
      return { kind, subtasks: Array.from({ length: 4 }, () => 1 + draw(4)) };
    case 'fault':
      return {
        kind,
        at: FAULT_MOMENTS[draw(FAULT_MOMENTS.length)]!,
        fault: (['io', 'unknown-with-effect', 'unknown-with-effect', 'unknown-without-effect'] as const)[
          draw(4)
        ]!,
      };
    case 'freeze':
      return { kind, ms: Math.round(10 ** (1 + draw(300) / 100)) };
    case 'jump':
      return { kind, ms: [3_600_000, -3_600_000, 60_000, -1_000][draw(4)]! };
    default:
      return { kind };
  }
}

function lifeSettings(draw: Draw, before: LifeSettings | undefined): LifeSettings {
  const unaligned = draw(2) === 0;
  return {
    keyedParallelism: before?.keyedParallelism ?? 1 + draw(4),
    sinkParallelism: before?.sinkParallelism ?? 1 + draw(4),
    capacity: 1 + draw(4),
    // From as often as possible to longer than most lives.
    intervalMs: [10, 10, 10, 15, 20, 100][draw(6)]!,
    timeoutMs: [50, 500, 5_000][draw(3)]!,
    minPauseMs: draw(3) === 0 ? draw(10) : 0,
    maxConcurrent: unaligned ? 1 : 1 + draw(2),
    retained: 1 + draw(2),
    unaligned,
    alignedTimeoutMs: unaligned ? [0, 0, 5][draw(3)]! : 0,
  };
}

function jobOf(draw: Draw): JobSpec {
  const keyed = keyedOf(draw);
  const parallelism = 1 + draw(4);
  const sourceCount = keyed.kind === 'pairs' ? 2 : 1 + draw(3);
  const inOrder = IN_ORDER.has(keyed.kind);
  const sources = Array.from({ length: sourceCount }, (_, index): SourceSpec => {
    const splits = inOrder ? 1 + draw(parallelism) : 1 + draw(6);
    return {
      name: String.fromCharCode(97 + index),
      count: draw(8) === 0 ? draw(3) : 20 + draw(150),
      keys: 1 + draw(KEYS.length),
      disorder: draw(40),
      splits,
      ratePerSecond: [0, 500, 1_000, 3_000][draw(4)]!,
      steps: stepsOf(draw),
    };
  });
  return {
    parallelism,
    maxParallelism: [4, 7, 128][draw(3)]!,
    chaining: draw(3) !== 0,
    sources,
    selfUnion: keyed.kind !== 'pairs' && draw(5) === 0,
    keyed,
    sink: draw(2) === 0 ? 'files' : 'transactions',
    throttle: draw(4) === 0 ? 0 : [1, 1, 2, 8][draw(4)]!,
    alwaysEncode: draw(2) === 0,
    channelElements: 1 + draw(4),
    inlineThresholdBytes: [0, 200, 20_000][draw(3)]!,
  };
}

function keyedOf(draw: Draw): Keyed {
  switch (draw(14)) {
    case 0:
      return { kind: 'totals' };
    case 1:
      return { kind: 'distinct' };
    case 2:
      return { kind: 'buckets', size: 20 + draw(100) };
    case 3:
      return { kind: 'tumbling', size: 20 + draw(100) };
    case 4: {
      const slide = 10 + draw(30);
      return { kind: 'sliding', size: slide * (1 + draw(4)), slide };
    }
    case 5:
      return { kind: 'session', gap: 5 + draw(60) };
    case 6: {
      const lower = draw(40) - 20;
      return { kind: 'pairs', lower, upper: lower + draw(30) };
    }
    case 7:
      return { kind: 'rules', rules: draw(9) };
    case 8:
      return { kind: 'ticks', everyMs: 1 + draw(60) };
    case 9:
      return { kind: 'origins' };
    case 10:
      return { kind: 'evicted', size: 20 + draw(100), modulus: 2 + draw(4) };
    default:
      return { kind: 'each' };
  }
}

/** Now and then longer than an interval of checkpoints, so that one falls between a restored call and its beginning. */
function slowMs(draw: Draw): number {
  return draw(4) === 0 ? 20 + draw(40) : 1 + draw(10);
}

function stepsOf(draw: Draw): Step[] {
  return Array.from({ length: draw(4) }, (): Step => {
    switch (draw(10)) {
      case 0:
        return { kind: 'map', add: draw(10) };
      case 1:
        return { kind: 'filter', modulus: 2 + draw(5), rest: draw(2) };
      case 2:
        return { kind: 'flat-map', copies: draw(3) };
      case 3:
        return { kind: 'split-off', modulus: 2 + draw(4) };
      case 4:
      case 5:
        return { kind: 'async', ordered: draw(2) === 0, spread: draw(2) === 0, slowMs: slowMs(draw) };
      default:
        return {
          kind: 'partition',
          by: (['rebalance', 'shuffle', 'rescale', 'broadcast', 'global'] as const)[draw(5)]!,
        };
    }
  });
}
