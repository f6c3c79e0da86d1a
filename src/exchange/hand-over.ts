/**
 * The way of a record into a consumer of the same thread, past the batch and the channel.
 *
 * Owner: the port of the producer, which has one consumer. Partners: the host of the producer, which opens it before a piece
 * of its work and closes it behind that; the task of the consumer, which takes what comes and may close it.
 *
 * H1 It is opened only when the port and its channel hold nothing, in both lanes, and the consumer is done with all that it
 *    took. So records keep their order, and whatever is behind a barrier waits in the channel until that was taken.
 * H2 Whatever else the port sends closes it first: an event is behind the records handed over, and records follow behind it.
 * H3 The consumer closes it when a record left work behind, its outputs are full, or it has failed: what follows waits in the
 *    channel, where a producer without credit stops as ever.
 * H4 It takes as many records at a time as it was opened for, {@link HANDED_MAX} at most: one call that emits without end fills
 *    the channel, too.
 */

import { assert } from '../base/assert.ts';
import type { Key } from '../base/key-groups.ts';

/** Records of one opening at most, as many as a batch has. */
export const HANDED_MAX = 256;

/** Takes a record of the producer; with its key, where the port has selected one. */
export type TakeHanded = (value: unknown, timestamp: number, key: Key | undefined) => void;

/** See the head of the file. Made code of both sides reads and writes it. */
export class HandOver {
  isOpen = false;
  /** Records that it still takes (H4). */
  left = 0;
  /** Of the consumer. */
  take: TakeHanded = () => {
    assert(false, 'a way is opened when its consumer is known');
  };

  open(records: number): void {
    assert(records >= 1 && records <= HANDED_MAX, 'H4: a way is opened for some records');
    this.isOpen = true;
    this.left = records;
  }

  close(): void {
    this.isOpen = false;
  }

  /** Behind each record: `mayGoOn` tells whether the consumer would take another one (H3). */
  taken(mayGoOn: boolean): void {
    if (--this.left <= 0 || !mayGoOn) this.isOpen = false;
  }
}
