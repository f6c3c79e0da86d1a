/**
 * The live panes of one key, and one accumulator for those that are in the window at hand. The accumulator is not part of a
 * checkpoint: it is made again from the panes.
 *
 * L1 A pane that is included is in the total as it is; one that changes is taken out first and pending.
 * L2 Pending panes are included when a window that they are in fires.
 */

import { MillraceError } from '../../base/errors.ts';
import { BinaryWriter } from '../../codecs/binary.ts';
import { genericCodec } from '../../codecs/generic.ts';
import type { AggregateFunction } from '../../state/descriptors.ts';

/** An aggregation whose panes can be put together. */
export type MergingAggregate<In, Acc, Out> = AggregateFunction<In, Acc, Out> &
  Required<Pick<AggregateFunction<In, Acc, Out>, 'merge'>>;

/** What one key has in one pane. */
export interface LivePane<Acc> {
  readonly start: number;
  accumulator: Acc;
  /** L2. */
  isPending: boolean;
  /** Where it is in a tree; only the total writes it. */
  leaf: number;
}

/** The accumulator of several panes. */
export interface PaneTotal<Acc> {
  include(pane: LivePane<Acc>): void;
  /** Its accumulator is what was included. */
  exclude(pane: LivePane<Acc>): void;
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

  include({ accumulator }: LivePane<Acc>): void {
    this.#total = this.#count++ === 0 ? accumulator : this.#merge(this.#total as Acc, accumulator);
  }

  exclude({ accumulator }: LivePane<Acc>): void {
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
  readonly #included = new Set<LivePane<Acc>>();
  #free: number[] = [];
  /** Node i has the children 2 i and 2 i + 1; the leaves are the second half. */
  #nodes: (Acc | undefined)[] = [];

  constructor(merge: Combine<Acc>) {
    this.#merge = merge;
  }

  include(pane: LivePane<Acc>): void {
    if (this.#free.length === 0) this.#grow();
    pane.leaf = this.#free.pop()!;
    this.#included.add(pane);
    this.#set(pane.leaf, pane.accumulator);
  }

  exclude(pane: LivePane<Acc>): void {
    this.#included.delete(pane);
    this.#free.push(pane.leaf);
    this.#set(pane.leaf, undefined);
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
    for (const pane of this.#included) {
      const leaf = pane.leaf - before + leaves;
      nodes[leaf] = this.#nodes[pane.leaf];
      pane.leaf = leaf;
    }
    this.#nodes = nodes;
    for (let node = leaves - 1; node > 0; node--) nodes[node] = this.#merged(node);
    for (let leaf = 2 * leaves - 1; leaf >= leaves + before; leaf--) this.#free.push(leaf);
  }
}

/** The panes of one key, in the order of their starts. */
export class LivePanes<Acc, Pane extends LivePane<Acc>> {
  readonly #total: PaneTotal<Acc>;
  /** Ascending, from `#first` on. */
  readonly #panes: Pane[] = [];
  #first = 0;
  #pending: Pane[] = [];

  constructor(total: PaneTotal<Acc>) {
    this.#total = total;
  }

  /** `undefined` when there is none. */
  get oldest(): Pane | undefined {
    return this.#panes[this.#first];
  }

  /** All panes, in order. */
  all(): Pane[] {
    return this.#panes.slice(this.#first);
  }

  /** A pane that is not there yet. */
  add(pane: Pane): void {
    const panes = this.#panes;
    let index = panes.length;
    while (index > this.#first && panes[index - 1]!.start > pane.start) index--;
    if (index === panes.length) panes.push(pane);
    else panes.splice(index, 0, pane);
    this.#wait(pane);
  }

  /** L1: before a pane changes. */
  beforeChange(pane: Pane): void {
    if (pane.isPending) return;
    this.#total.exclude(pane);
    this.#wait(pane);
  }

  /** L2: of all panes before `end`. */
  totalBefore(end: number): Acc | undefined {
    const pending = this.#pending;
    let left = 0;
    for (let index = 0; index < pending.length; index++) {
      const pane = pending[index]!;
      if (!pane.isPending) continue;
      if (pane.start >= end) pending[left++] = pane;
      else {
        pane.isPending = false;
        this.#total.include(pane);
      }
    }
    pending.length = left;
    return this.#total.total();
  }

  /** Takes out the oldest pane. */
  removeOldest(): void {
    const pane = this.#panes[this.#first++]!;
    // It is passed over among the pending ones.
    if (pane.isPending) pane.isPending = false;
    else this.#total.exclude(pane);
    if (this.#first <= this.#panes.length >> 1) return;
    this.#panes.splice(0, this.#first);
    this.#first = 0;
  }

  #wait(pane: Pane): void {
    pane.isPending = true;
    this.#pending.push(pane);
  }
}
