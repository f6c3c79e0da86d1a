/** The enumerator of every source whose splits are known at the start: a list that is handed out once. */

import { assert } from '../base/assert.ts';
import {
  addPending,
  type PendingInput,
  type SourceSplit,
  type SplitEnumerator,
} from '../operators/source.ts';

/** What is left, with the place of each split in the first list. */
interface Remaining<Split> {
  readonly index: number;
  readonly split: Split;
}

/** JSON data. */
interface SplitListState<Split> {
  readonly remaining: readonly Remaining<Split>[];
}

/** How splits find readers. */
export interface SplitListOptions<Split> {
  /** Looks for the splits, once. */
  readonly discover: () => Promise<readonly Split[]>;
  /** What `snapshot` gave, or `undefined`. */
  readonly restored: unknown;
  /**
   * `undefined`: who asks first gets the next one, so that a fast reader reads more. A number of subtasks: split `i`
   * goes to subtask `i % subtasks`, so that a run can be repeated.
   */
  readonly dealtTo?: number;
  /** How much there is in a split that nobody has. */
  readonly pendingOf?: (split: Split) => PendingInput;
}

/** Hands out a list of splits, each once. */
export class SplitList<Split extends SourceSplit> implements SplitEnumerator<Split> {
  readonly #discover: () => Promise<readonly Split[]>;
  readonly #dealtTo: number | undefined;
  readonly #pendingOf: ((split: Split) => PendingInput) | undefined;
  #remaining: Remaining<Split>[] | undefined;

  constructor(options: SplitListOptions<Split>) {
    this.#discover = options.discover;
    this.#dealtTo = options.dealtTo;
    this.#pendingOf = options.pendingOf;
    const restored = options.restored as SplitListState<Split> | undefined;
    if (restored !== undefined) this.#remaining = [...restored.remaining];
  }

  async start(): Promise<void> {
    const splits = await this.#discover();
    assert(
      new Set(splits.map(({ id }) => id)).size === splits.length,
      'the splits of a source have different ids',
    );
    this.#remaining = splits.map((split, index) => ({ index, split }));
  }

  next(subtask: number): Split | 'none' {
    const remaining = this.#list();
    const dealtTo = this.#dealtTo;
    const at = dealtTo === undefined ? 0 : remaining.findIndex(({ index }) => index % dealtTo === subtask);
    const [next] = at < 0 ? [] : remaining.splice(at, 1);
    return next === undefined ? 'none' : next.split;
  }

  snapshot(): SplitListState<Split> {
    return { remaining: [...this.#list()] };
  }

  pending(): PendingInput | undefined {
    const left = this.#list().map(({ split }) => split);
    const known = left.map((split) => this.#pendingOf?.(split));
    return { ...addPending([{ records: 0, bytes: 0 }, ...known]), splits: left.length };
  }

  #list(): Remaining<Split>[] {
    assert(this.#remaining !== undefined, 'an enumerator is started or restored before it is asked');
    return this.#remaining;
  }
}
