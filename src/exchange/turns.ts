/**
 * Whose turn it is among the channels of a gate: each gets as many records as the others, in batches of whatever size.
 *
 * Owner: the gate, which asks for the next channel and says what it found there.
 *
 * Time is counted in records: a channel may be read when the time is that of all it was given so far, and time goes on when
 * nobody may be read. After fair queueing by start times, without weights.
 *
 * Invariants:
 *  1. Of channels that always have something, none has got more records than another by more than one batch.
 *  2. A channel with something is offered before `next` has no more to offer.
 *  3. Whoever had nothing, or was blocked, catches up when it has: of what the others got meanwhile, {@link OWED_MAX} records
 *     at most, so that nobody waits for longer than that.
 *  4. Those who may be read take turns in their order.
 */

/** See invariant 3: what waits in a few channels, so that a barrier that blocks one moves it back for no longer than that. */
export const OWED_MAX = 16_384;

/** See the head of the file. */
export class Turns {
  /** By channel: the time at which it may be read. */
  readonly #dueAt: number[];
  /** By channel: in this round it had nothing. */
  readonly #isSilent: boolean[];
  #now = 0;
  /** Who is looked at next (invariant 4). */
  #cursor = 0;

  constructor(channels: number) {
    this.#dueAt = new Array<number>(channels).fill(0);
    this.#isSilent = new Array<boolean>(channels).fill(false);
  }

  /** A round: all may have something again. */
  begin(): void {
    this.#isSilent.fill(false);
  }

  /** The channel to be read; -1: none of this round has anything. It is asked again after `took` or `silent`. Hot path: once per batch. */
  next(): number {
    const dueAt = this.#dueAt;
    const count = dueAt.length;
    for (;;) {
      let earliest = Number.POSITIVE_INFINITY;
      for (let looked = 0; looked < count; looked++) {
        const index = this.#cursor;
        this.#cursor = index + 1 === count ? 0 : index + 1;
        if (this.#isSilent[index] === true) continue;
        const due = dueAt[index]!;
        if (due <= this.#now) return index;
        if (due < earliest) earliest = due;
      }
      if (earliest === Number.POSITIVE_INFINITY) return -1;
      this.#now = earliest;
    }
  }

  /** So many records came out of the channel. */
  took(index: number, records: number): void {
    this.#dueAt[index] = Math.max(this.#dueAt[index]!, this.#now - OWED_MAX) + records;
  }

  /** The channel has nothing now, or may not be read. */
  silent(index: number): void {
    this.#isSilent[index] = true;
  }
}
