// The part of a world that is a store of objects: what is kept there, how patient its clients are, and what goes wrong on the
// way to it, as plain data. It has a stream of chance of its own, so that worlds without a store are as they would be.

import { JOB_DIRECTORY } from '../test/property/simulated-job.ts';
import { chance } from '../test/property/job-spec.ts';

/** What happens to a request, each a chance of 10,000. */
export interface StoreRates {
  /** It does not get out. */
  readonly refused: number;
  /** The store says that it cannot, and has done nothing. */
  readonly unavailable: number;
  /** The store says that it cannot, and has done it. */
  readonly failedAfter: number;
  /** It works; of its answer nothing comes, or only a part. */
  readonly answerLost: number;
  readonly lost: number;
  /** It arrives when its sender has given up. */
  readonly late: number;
  /** Something on the way sends it twice, and the second answer counts. */
  readonly twice: number;
  /** It is answered, and a copy of it arrives long after. */
  readonly echoed: number;
}

/** A time in which the store does not do what it does. */
export interface Spell {
  /** Counted over the world. */
  readonly afterRequests: number;
  readonly kind: 'throttled' | 'silent';
  readonly ms: number;
}

/** The store of a world. */
export interface StoreSpec {
  readonly holds: 'checkpoints' | 'savepoints' | 'both';
  /** Tries of a client after the first one. */
  readonly retriesMax: number;
  readonly timeoutMs: number;
  /** A longer object is uploaded in parts. */
  readonly partBytes: number;
  /** Names on a page of a list. */
  readonly pageLength: number;
  /** So long lists show what was removed; what was written they show at once. */
  readonly lingersMs: number;
  /** So long lists do not show what was written. No store that is supported does so, and no world has one: see the catalogue. */
  readonly lagsMs: number;
  /** By so much a request is late at most. */
  readonly lateMs: number;
  readonly rates: StoreRates;
  readonly spells: readonly Spell[];
}

/** Where a job has its checkpoints and its savepoints. */
export interface Places {
  readonly jobDirectory: string;
  readonly savepoints: string;
}

export const NO_STORE_FAULTS: StoreRates = {
  refused: 0,
  unavailable: 0,
  failedAfter: 0,
  answerLost: 0,
  lost: 0,
  late: 0,
  twice: 0,
  echoed: 0,
};

/** The bucket of a simulated store. */
export const BUCKET = 'bucket';
/** One of so many worlds has a store. */
const STORE_EVERY = 6;
/** As in S3: nothing of a world is longer. */
export const PAGE_LENGTH = 1_000;
export const PART_BYTES = 8 << 20;
const SAVEPOINTS = '/savepoints';

type Draw = (bound: number) => number;

/** The store of a seed, if its world has one. */
export function storeOf(seed: number): StoreSpec | undefined {
  const draw = chance(Math.imul(seed, 0x85ebca6b) ^ 0x0b7e);
  return draw(STORE_EVERY) === 0 ? storeBy(draw) : undefined;
}

/** A store by chance; each kind of fault is there at all in every third one, so that many stores have few kinds. */
export function storeBy(draw: Draw): StoreSpec {
  const rates = Object.fromEntries(
    Object.keys(NO_STORE_FAULTS).map((name) => [name, draw(3) === 0 ? rate(draw) : 0]),
  ) as unknown as StoreRates;
  return {
    holds: (['checkpoints', 'savepoints', 'both', 'both', 'both'] as const)[draw(5)]!,
    retriesMax: [0, 0, 1, 3][draw(4)]!,
    timeoutMs: [20, 100, 1_000][draw(3)]!,
    partBytes: [200, 1_000, PART_BYTES][draw(3)]!,
    pageLength: [2, 5, PAGE_LENGTH][draw(3)]!,
    lingersMs: draw(3) === 0 ? 1 + draw(200) : 0,
    lagsMs: 0,
    lateMs: [30, 300, 3_000][draw(3)]!,
    rates,
    spells: Array.from({ length: draw(2) * draw(4) }, () => ({
      afterRequests: 1 + draw(400),
      kind: (['throttled', 'silent'] as const)[draw(2)]!,
      ms: Math.round(10 ** (0.5 + draw(250) / 100)),
    })),
  };
}

/** Of 10,000: 0.2 to 8 % evenly in the logarithm. */
function rate(draw: Draw): number {
  return Math.round(20 * 40 ** (draw(1_000) / 1_000));
}

/** Where the job of a world has what it keeps. */
export function placesOf(store: StoreSpec | undefined): Places {
  const at = (what: StoreSpec['holds'], path: string): string =>
    store !== undefined && (store.holds === 'both' || store.holds === what) ? `s3://${BUCKET}${path}` : path;
  return { jobDirectory: at('checkpoints', JOB_DIRECTORY), savepoints: at('savepoints', SAVEPOINTS) };
}

/** Whether some request may fail by chance. */
export function storeMayFail({ rates, spells }: StoreSpec): boolean {
  return spells.length > 0 || Object.values(rates).some((each) => each > 0);
}
