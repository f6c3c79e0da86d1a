/**
 * The source over an async iterable: read ahead up to a bound, in the one subtask that reads it.
 *
 * A1  What the iterator gave is in the queue before the next value is asked for; nothing is owned by an `await` (I-A2).
 * A2  The position of a record becomes the split's when the record is emitted; it is copied before the iterator goes on,
 *     which may change it.
 */

import type {
  ReaderContext,
  ReaderOutput,
  ReaderStatus,
  ReplayableSource,
  Source,
  SourceReader,
  SourceSplit,
} from '../operators/source.ts';
import { invalidOption } from './options.ts';
import { SplitList } from './split-list.ts';

/** Records that wait to be emitted. */
const READ_AHEAD_MAX = 256;

/** A record with what `open` needs to go on behind it: plain JSON data. */
export interface Positioned<T, Position> {
  readonly value: T;
  readonly position: Position;
}

/** An iterable that can continue from a position. */
export interface PositionedIterable<T, Position> {
  /** Starts behind `position`, or at the beginning. Called only in the subtask that reads. */
  readonly open: (
    position: Position | undefined,
  ) => AsyncIterable<Positioned<T, Position>> | Promise<AsyncIterable<Positioned<T, Position>>>;
  /** It ends by itself; default false. */
  readonly bounded?: boolean;
}

/** The one split: where the reading is. */
export interface IterableSplit extends SourceSplit {
  /** Absent until the first record was emitted. */
  readonly position?: unknown;
}

/**
 * Reads an async iterable that `open` makes. With positions the source continues where a checkpoint
 * left it; a plain function instead of `{ open }` makes it start anew after a failure: at most once.
 *
 * ```ts
 * const ticks = asyncIterableSource<number, number>({
 *   open: async function* (position = -1) {
 *     for (let n = position + 1; n < 10; n++) yield { value: n * n, position: n };
 *   },
 *   bounded: true,
 * });
 * const messages = asyncIterableSource(async function* () {
 *   yield 'no position: at most once';
 * });
 * ```
 */
export function asyncIterableSource<T>(
  open: () => AsyncIterable<T> | Promise<AsyncIterable<T>>,
  options?: { readonly bounded?: boolean },
): Source<T, IterableSplit>;
export function asyncIterableSource<T, Position>(
  iterable: PositionedIterable<T, Position>,
): ReplayableSource<T, IterableSplit>;
export function asyncIterableSource<T>(
  given: (() => AsyncIterable<T> | Promise<AsyncIterable<T>>) | PositionedIterable<T, unknown>,
  options: { readonly bounded?: boolean } = {},
): Source<T, IterableSplit> {
  const plain = typeof given === 'function' ? given : undefined;
  const positioned = typeof given === 'function' ? undefined : given;
  if (plain === undefined && typeof positioned?.open !== 'function') {
    throw invalidOption('the iterable of a source', typeof given, 'a function that makes it, or { open }');
  }
  return {
    name: 'async iterable',
    bounded: positioned?.bounded ?? options.bounded ?? false,
    replayable: positioned !== undefined,
    createEnumerator: (_context, restored) =>
      new SplitList({ discover: () => Promise.resolve([{ id: '0' }]), restored }),
    createReader: (context) =>
      positioned === undefined
        ? new IterableReader<T>(context, () => plain!(), false)
        : new IterableReader<T>(context, (position) => positioned.open(position), true),
  };
}

type Opened<T> = AsyncIterable<T | Positioned<T, unknown>>;

class IterableReader<T> implements SourceReader<T, IterableSplit> {
  readonly #context: ReaderContext;
  readonly #open: (position: unknown) => Opened<T> | Promise<Opened<T>>;
  readonly #positioned: boolean;
  readonly #queue: (T | Positioned<T, unknown>)[] = [];
  #split: IterableSplit | undefined;
  #iterator: AsyncIterator<T | Positioned<T, unknown>> | undefined;
  #emitted = 0;
  #ended = false;
  #closed = false;
  /** Lets the reading go on when the queue has room. */
  #resume: (() => void) | undefined;

  constructor(
    context: ReaderContext,
    open: (position: unknown) => Opened<T> | Promise<Opened<T>>,
    positioned: boolean,
  ) {
    this.#context = context;
    this.#open = open;
    this.#positioned = positioned;
  }

  addSplit(split: IterableSplit): void {
    this.#split = split;
    this.#read(split.position).then(
      () => this.#context.wakeUp(),
      (error: unknown) => {
        if (!this.#closed) this.#context.fail(error);
      },
    );
  }

  poll(maxRecords: number, output: ReaderOutput<T>): ReaderStatus {
    const split = this.#split;
    if (split === undefined) return 'nothing';
    output.split(split.id);
    for (let emitted = 0; emitted < maxRecords && this.#queue.length > 0; emitted++) {
      this.#emit(this.#queue.shift() as T | Positioned<T, unknown>, output);
    }
    this.#letResume();
    if (this.#queue.length > 0) return 'more';
    if (this.#ended) {
      this.#split = undefined;
      output.splitFinished(split.id);
    }
    return 'nothing';
  }

  snapshot(): IterableSplit[] {
    return this.#split === undefined ? [] : [this.#split];
  }

  position(): string {
    return `record ${this.#emitted} since the start of this attempt`;
  }

  /** The iterator is told and not waited for: it may be waiting for the outside itself. */
  close(): void {
    this.#closed = true;
    this.#letResume();
    const stopped = this.#iterator?.return?.();
    stopped?.then(undefined, (error: unknown) =>
      this.#context.log.warn('an async iterable failed while it was closed', { error: String(error) }),
    );
  }

  #emit(item: T | Positioned<T, unknown>, output: ReaderOutput<T>): void {
    this.#emitted++;
    if (this.#positioned) {
      const { value, position } = item as Positioned<T, unknown>;
      this.#split = { id: this.#split!.id, position };
      output.emit(value);
    } else {
      output.emit(item as T);
    }
  }

  async #read(position: unknown): Promise<void> {
    const iterable = await this.#open(position);
    this.#iterator = iterable[Symbol.asyncIterator]();
    while (!this.#closed) {
      const next = await this.#iterator.next();
      if (next.done === true) break;
      this.#queue.push(this.#positioned ? withOwnPosition(next.value) : next.value);
      this.#context.wakeUp();
      if (this.#queue.length >= READ_AHEAD_MAX) await this.#room();
    }
    this.#ended = true;
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  #letResume(): void {
    if (this.#queue.length > READ_AHEAD_MAX / 2 && !this.#closed) return;
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }
}

/** A2. Without a position the record could not be told from the beginning. */
function withOwnPosition<T>(item: T | Positioned<T, unknown>): Positioned<T, unknown> {
  const { value, position } = (item ?? {}) as Positioned<T, unknown>;
  if (position === undefined || position === null) {
    throw invalidOption('position of a record of an async iterable', position, 'plain JSON data');
  }
  return { value, position: typeof position === 'object' ? JSON.parse(JSON.stringify(position)) : position };
}
