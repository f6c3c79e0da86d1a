// Runs a source in a test as a job would: enumerator, reader operators, and a loop that polls them and hands out splits.
import type { Env } from '../../src/base/env.ts';
import {
  encodeSplit,
  SourceReaderOperator,
  type SourceTime,
  SPLITS_SECTION,
} from '../../src/operators/source-operator.ts';
import {
  addPending,
  type PendingInput,
  type Source,
  type SourceSplit,
  type SplitEnumerator,
} from '../../src/operators/source.ts';
import { RecordingContext, type RecordingOptions, RecordingState } from './recording-context.ts';

/** What a checkpoint of the source holds. */
export interface SourceCheckpoint {
  readonly enumerator: unknown;
  /** By subtask. */
  readonly splits: readonly (readonly Uint8Array[])[];
}

/** One subtask. */
export interface RunningReader {
  readonly operator: SourceReaderOperator<unknown>;
  readonly context: RecordingContext;
  ended: boolean;
}

export interface SourceRunOptions {
  readonly env: Env;
  readonly parallelism?: number;
  readonly time?: SourceTime<unknown>;
  readonly restored?: SourceCheckpoint;
  readonly context?: RecordingOptions;
  readonly maxRecords?: number;
}

export class SourceRun {
  readonly readers: RunningReader[] = [];
  readonly #enumerator: SplitEnumerator<SourceSplit>;
  readonly #maxRecords: number;

  private constructor(enumerator: SplitEnumerator<SourceSplit>, maxRecords: number) {
    this.#enumerator = enumerator;
    this.#maxRecords = maxRecords;
  }

  static async start<T, S extends SourceSplit>(
    given: Source<T, S>,
    options: SourceRunOptions,
  ): Promise<SourceRun> {
    const source = given as unknown as Source<unknown>;
    const { env, parallelism = 1, restored, maxRecords = 100 } = options;
    // What a checkpoint holds is bytes.
    const state: unknown =
      restored === undefined ? undefined : JSON.parse(JSON.stringify(restored.enumerator));
    const { files, clock, log } = env;
    const enumerator = source.createEnumerator({ files, clock, log, parallelism }, state);
    if (restored === undefined) await enumerator.start();
    const run = new SourceRun(enumerator, maxRecords);
    const items = deal(restored?.splits.flat() ?? [], parallelism);
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const context = new RecordingContext(env, {
        ...options.context,
        info: { ...options.context?.info, subtask, parallelism },
        restored: { [SPLITS_SECTION]: items[subtask]! },
      });
      const operator = new SourceReaderOperator<unknown>(source, options.time ?? { kind: 'none' });
      operator.open(context);
      run.readers.push({ operator, context, ended: false });
    }
    return run;
  }

  get values(): unknown[] {
    return this.readers.flatMap(({ context }) => context.output.values);
  }

  get failures(): unknown[] {
    return this.readers.flatMap(({ context }) => context.failures);
  }

  get ended(): boolean {
    return this.readers.every((reader) => reader.ended);
  }

  /** What is left: of the splits that subtasks have, and of those that nobody has. */
  pending(): PendingInput | undefined {
    return addPending([
      ...this.readers.map(({ operator }) => operator.pending()),
      this.#enumerator.pending?.(),
    ]);
  }

  /** Polls each subtask once; true when one of them has more at once. */
  poll(): boolean {
    let more = false;
    for (const [subtask, reader] of this.readers.entries()) {
      if (reader.ended) continue;
      const status = reader.operator.poll(this.#maxRecords);
      reader.ended = status === 'end';
      more ||= status === 'more' || reader.ended;
      if (!reader.ended && reader.operator.wantsSplit()) {
        more = true;
        const split = this.#enumerator.next(subtask);
        if (split === 'none') reader.operator.noMoreSplits();
        else reader.operator.addSplits([encodeSplit(split)]);
      }
    }
    return more;
  }

  /** Polls until all have ended, `count` values were emitted or something failed; `turn` lets the world go on. */
  async until(turn: () => Promise<void>, count = Number.POSITIVE_INFINITY): Promise<void> {
    for (let rounds = 0; rounds < 100_000; rounds++) {
      const more = this.poll();
      if (this.ended || this.#records() >= count || this.failures.length > 0) return;
      if (!more) await turn();
    }
    throw new Error('the source does not end');
  }

  #records(): number {
    return this.readers.reduce((sum, { context }) => sum + context.output.records, 0);
  }

  async snapshot(): Promise<SourceCheckpoint> {
    const enumerator = this.#enumerator.snapshot();
    const splits: (readonly Uint8Array[])[] = [];
    for (const { operator } of this.readers) {
      const state = new RecordingState();
      operator.snapshot(1, state);
      splits.push(await state.items(SPLITS_SECTION));
    }
    return { enumerator, splits };
  }

  async close(): Promise<void> {
    for (const { operator } of this.readers) await operator.close();
  }
}

function deal(items: readonly Uint8Array[], parallelism: number): Uint8Array[][] {
  const dealt: Uint8Array[][] = Array.from({ length: parallelism }, () => []);
  for (const [index, item] of items.entries()) dealt[index % parallelism]!.push(item);
  return dealt;
}
