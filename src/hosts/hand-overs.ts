/**
 * The producer's side of records that are handed over within a thread: when the ways are open, and whose time it was.
 *
 * Owner: the runner of the producer. Partners: its ports, and the runners of their consumers in the same slot.
 *
 * O1 A way is open within one piece of work of the producer (a poll, a slice of a batch) at most, and a consumer that takes
 *    records meanwhile has the ways to its own consumers open, too. Then everybody has a step again, in which snapshots,
 *    timers and outputs come to their right.
 * O2 One piece of work in {@link APART} goes through the channel, as does all for which a way cannot be opened; what both
 *    sides take for that is measured apart. The time of all other pieces is divided in that proportion: to look at the
 *    clock twice for each record would take longer than many records do.
 * O3 What waits in the channel, or for a batch to fill, comes first (H1 of hand-over.ts): the producer ends its step, so that
 *    the consumer has its own, instead of filling the channel while its way is closed.
 * O4 A way is open for as many records as a piece of work had time for lately ({@link Pace}), however many the producer
 *    emits: it grows quick while its records go by the channel, and knows nothing of a consumer that takes long for each.
 */

import { HANDED_MAX, type HandOver } from '../exchange/hand-over.ts';
import type { OutputPort } from '../exchange/output.ts';
import { Pace } from '../task/pace.ts';

/** O2. */
const APART = 64;
/** Measured time that is remembered, ms: when there is more, half of it is forgotten. */
const REMEMBERED_MS = 200;

/** Who takes records that are handed over. */
export interface TakesHanded {
  /** It gains from many records at a time: they go by the channel, and nobody hurries. */
  readonly prefersBatches: boolean;
  /** Makes ready for records; false: not now. `end` follows where it was true. */
  begin(): boolean;
  /** It took so many, and spent so long on them in a step of the producer; what they left has to be seen to. */
  end(records: number, ms: number): void;
  /** What it has spent on records of batches, in steps of its own, ms; only grows. */
  readonly batchMs: number;
  /** Of its task, and of those that take records from it, as far as they have run in the name of their producer. */
  readonly names: readonly string[];
}

interface Way {
  readonly port: OutputPort;
  readonly way: HandOver;
  readonly consumer: TakesHanded;
  hasBegun: boolean;
  /** O4. */
  readonly pace: Pace;
  /** Records that it was opened for. */
  allowed: number;
  /** O2, of the consumer, and `batchMs` when that was reckoned. */
  apartMs: number;
  seenMs: number;
}

/** See the head of the file. */
export class HandOvers {
  readonly #ways: Way[] = [];
  /** O2, of the producer. */
  #apartMs = 0;
  #pieces = 0;

  add(port: OutputPort, way: HandOver, consumer: TakesHanded): void {
    const { batchMs } = consumer;
    const pace = new Pace(HANDED_MAX);
    this.#ways.push({
      ...{ port, way, consumer, pace, apartMs: 0, seenMs: batchMs },
      hasBegun: false,
      allowed: 0,
    });
  }

  get names(): readonly string[] {
    return this.#ways.flatMap(({ consumer }) => consumer.names);
  }

  /** Before a piece of work; false: a consumer should have its step soon (O3). */
  open(): boolean {
    const ways = this.#ways;
    if (ways.length === 0) return true;
    const isApart = this.#pieces++ % APART === 0;
    let isClear = true;
    for (let index = 0; index < ways.length; index++) {
      const each = ways[index]!;
      if (each.consumer.prefersBatches) continue;
      const mayOpen = each.port.isClear() && !isApart;
      each.hasBegun = mayOpen && each.consumer.begin();
      if (each.hasBegun) {
        each.allowed = each.pace.units;
        each.way.open(each.allowed);
      }
      if (mayOpen) continue;
      each.port.flushWhereClear();
      isClear = false;
    }
    return isClear;
  }

  /** Behind a piece of work that took so long; returns what of that was the producer's own. */
  close(ms: number): number {
    const ways = this.#ways;
    if (ways.length === 0) return ms;
    let handedMs = 0;
    let isApart = true;
    for (let index = 0; index < ways.length; index++) {
      const each = ways[index]!;
      if (!each.hasBegun) continue;
      const records = each.allowed - each.way.left;
      each.way.close();
      each.hasBegun = false;
      if (records > 0) {
        isApart = false;
        each.pace.took(ms, records);
      }
      const share = records === 0 ? 0 : ms * this.#shareOf(each);
      handedMs += share;
      each.consumer.end(records, share);
    }
    if (isApart) this.#apartMs += ms;
    return ms - handedMs;
  }

  /** O2. */
  #shareOf(way: Way): number {
    const ways = this.#ways;
    let sum = this.#apartMs;
    for (let index = 0; index < ways.length; index++) {
      const each = ways[index]!;
      const { batchMs } = each.consumer;
      each.apartMs += batchMs - each.seenMs;
      each.seenMs = batchMs;
      sum += each.apartMs;
    }
    const share = sum === 0 ? 0 : way.apartMs / sum;
    if (sum > REMEMBERED_MS) this.#forgetHalf();
    return share;
  }

  #forgetHalf(): void {
    this.#apartMs /= 2;
    for (const way of this.#ways) way.apartMs /= 2;
  }
}
