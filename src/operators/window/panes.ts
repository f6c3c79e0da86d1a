/**
 * The live panes of one key, and one accumulator for those that are in the window at hand. Not part of a checkpoint: it
 * is made again from the panes that are.
 *
 * L1 A pane that is included is in the total as it is in the state; one that changes is taken out first and pending.
 * L2 Pending panes are included when a window that they are in fires.
 */

import { MillraceError } from '../../base/errors.ts';
import { BinaryWriter } from '../../codecs/binary.ts';
import { genericCodec } from '../../codecs/generic.ts';
import type { AggregateFunction } from '../../state/descriptors.ts';

/** An aggregation whose panes can be put together. */
export type MergingAggregate<In, Acc, Out> = AggregateFunction<In, Acc, Out> &
  Required<Pick<AggregateFunction<In, Acc, Out>, 'merge'>>;

/** The accumulator of several panes. */
export interface PaneTotal<Acc> {
  include(start: number, accumulator: Acc): void;
  /** `accumulator` is what was included. */
  exclude(start: number, accumulator: Acc): void;
  /** `undefined` when no pane is included. */
  total(): Acc | undefined;
}

type Combine<Acc> = (left: Acc, right: Acc) => Acc;

/** Makes totals: each is one accumulator when the aggregation can subtract, else a tree. */
export function paneTotals<Acc>(aggregate: MergingAggregate<never, Acc, unknown>): () => PaneTotal<Acc> {
  const merge = watched<Acc>('merge', (left, right) => aggregate.merge(left, right));
  if (aggregate.subtract === undefined) return () => new PaneTree(merge);
  const subtract = watched<Acc>('subtract', (whole, part) => aggregate.subtract!(whole, part));
  return () => new PaneSum(merge, subtract);
}

/** So many first calls are watched: a function that changes its arguments does so from the start. */
const WATCHED_CALLS = 16;

/** Throws WINDOW_INVALID when a call changes what it is given: panes are used for more than one window. */
function watched<Acc>(name: string, combine: Combine<Acc>): Combine<Acc> {
  let calls = 0;
  return (left, right) => {
    if (calls === WATCHED_CALLS) return combine(left, right);
    calls++;
    const before = [bytesOf(left), bytesOf(right)];
    const combined = combine(left, right);
    if (before[0] === bytesOf(left) && before[1] === bytesOf(right)) return combined;
    throw new MillraceError(
      'WINDOW_INVALID',
      `${name} of an aggregation changes an accumulator that it is given`,
      {
        remedy: 'Give back a new one: sliding windows share the accumulators of what they have in common.',
      },
    );
  };
}

function bytesOf(accumulator: unknown): string {
  const out = new BinaryWriter();
  genericCodec.encode(accumulator, out);
  return Buffer.from(out.peek()).toString('latin1');
}

/** One accumulator from which panes are subtracted: two calls for each pane. */
class PaneSum<Acc> implements PaneTotal<Acc> {
  readonly #merge: Combine<Acc>;
  readonly #subtract: Combine<Acc>;
  #count = 0;
  #total: Acc | undefined;

  constructor(merge: Combine<Acc>, subtract: Combine<Acc>) {
    this.#merge = merge;
    this.#subtract = subtract;
  }

  include(_start: number, accumulator: Acc): void {
    this.#total = this.#count++ === 0 ? accumulator : this.#merge(this.#total as Acc, accumulator);
  }

  exclude(_start: number, accumulator: Acc): void {
    this.#total = --this.#count === 0 ? undefined : this.#subtract(this.#total as Acc, accumulator);
  }

  total(): Acc | undefined {
    return this.#total;
  }
}

const LEAVES_MIN = 2;

/**
 * A complete binary tree whose leaves are panes and whose nodes are merged from their two children (FlatFAT: Tangwongsan,
 * Hirzel, Schneider, Wu: General Incremental Sliding-Window Aggregation, 2015). A change costs a merge for each level.
 * Merging may be done in any order, so that a pane takes whichever leaf is free.
 */
class PaneTree<Acc> implements PaneTotal<Acc> {
  readonly #merge: Combine<Acc>;
  readonly #leafOf = new Map<number, number>();
  #free: number[] = [];
  /** Node i has the children 2 i and 2 i + 1; the leaves are the second half. */
  #nodes: (Acc | undefined)[] = [];

  constructor(merge: Combine<Acc>) {
    this.#merge = merge;
  }

  include(start: number, accumulator: Acc): void {
    if (this.#free.length === 0) this.#grow();
    const leaf = this.#free.pop()!;
    this.#leafOf.set(start, leaf);
    this.#set(leaf, accumulator);
  }

  exclude(start: number): void {
    const leaf = this.#leafOf.get(start)!;
    this.#leafOf.delete(start);
    this.#free.push(leaf);
    this.#set(leaf, undefined);
  }

  total(): Acc | undefined {
    return this.#nodes[1];
  }

  #set(leaf: number, accumulator: Acc | undefined): void {
    this.#nodes[leaf] = accumulator;
    for (let node = leaf >> 1; node > 0; node >>= 1) this.#nodes[node] = this.#merged(node);
  }

  #merged(node: number): Acc | undefined {
    const left = this.#nodes[2 * node];
    const right = this.#nodes[2 * node + 1];
    if (left === undefined) return right;
    return right === undefined ? left : this.#merge(left, right);
  }

  #grow(): void {
    const before = this.#nodes.length >> 1;
    const leaves = Math.max(LEAVES_MIN, 2 * before);
    const nodes = new Array<Acc | undefined>(2 * leaves).fill(undefined);
    for (const [start, leaf] of this.#leafOf) {
      this.#leafOf.set(start, leaf - before + leaves);
      nodes[leaf - before + leaves] = this.#nodes[leaf];
    }
    this.#nodes = nodes;
    for (let node = leaves - 1; node > 0; node--) nodes[node] = this.#merged(node);
    for (let leaf = 2 * leaves - 1; leaf >= leaves + before; leaf--) this.#free.push(leaf);
  }
}

/** The panes of one key, by their start. */
export class LivePanes<Acc> {
  readonly #accumulatorOf: (start: number) => Acc;
  readonly #total: PaneTotal<Acc>;
  /** Ascending. */
  readonly #starts: number[];
  readonly #pending: Set<number>;
  #first = 0;

  /** `accumulatorOf` reads the state of the current key. */
  constructor(starts: Iterable<number>, total: PaneTotal<Acc>, accumulatorOf: (start: number) => Acc) {
    this.#starts = [...starts].sort((left, right) => left - right);
    this.#pending = new Set(this.#starts);
    this.#total = total;
    this.#accumulatorOf = accumulatorOf;
  }

  /** The start of the oldest pane; `undefined` when there is none. */
  get oldest(): number | undefined {
    return this.#starts[this.#first];
  }

  add(start: number): void {
    let index = this.#starts.length;
    while (index > this.#first && this.#starts[index - 1]! > start) index--;
    if (index === this.#starts.length) this.#starts.push(start);
    else this.#starts.splice(index, 0, start);
    this.#pending.add(start);
  }

  /** L1: before the state of a pane changes. */
  beforeChange(start: number): void {
    if (this.#pending.has(start)) return;
    this.#total.exclude(start, this.#accumulatorOf(start));
    this.#pending.add(start);
  }

  /** L2: of all panes before `end`. */
  totalBefore(end: number): Acc | undefined {
    for (const start of this.#pending) {
      if (start >= end) continue;
      this.#pending.delete(start);
      this.#total.include(start, this.#accumulatorOf(start));
    }
    return this.#total.total();
  }

  /** Takes out the oldest pane before its state is cleared. */
  removeOldest(): void {
    const start = this.#starts[this.#first++]!;
    if (!this.#pending.delete(start)) this.#total.exclude(start, this.#accumulatorOf(start));
    if (this.#first > this.#starts.length >> 1) {
      this.#starts.splice(0, this.#first);
      this.#first = 0;
    }
  }
}
