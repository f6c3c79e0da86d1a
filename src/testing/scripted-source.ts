/**
 * Sources whose script is data: records, and what goes wrong between them.
 *
 * X1  A split's position is behind what was emitted; what a restore finds before the position is not emitted again.
 * X2  A crash of the script strikes once: the n-th of a script after n restarts, whichever thread reads it.
 */

import type { Timer } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import type {
  ReaderContext,
  ReaderOutput,
  ReaderStatus,
  Source,
  SourceReader,
  SourceSplit,
} from '../operators/source.ts';
import { SplitList } from '../connectors/split-list.ts';

/**
 * Stands in a script where the task that reads it fails, once. The job restarts from its latest checkpoint.
 *
 * ```ts
 * const numbers = scriptedSource([1, 2, CRASH, 3]);
 * ```
 */
export const CRASH: unique symbol = Symbol.for('millrace.testing.crash');

/** What stands in a script. */
export type Scripted<T> = T | typeof CRASH;

/** A script that may still grow, and who reads it. */
export interface Script<T> {
  readonly items: Scripted<T>[];
  isEnded: boolean;
  /** Called when there is more, or the end. */
  readonly readers: Set<() => void>;
  /** Time between two records; 0: a poll hands over all that is there. */
  readonly recordIntervalMs: number;
  /** The crashes that struck, where the script outlives the threads that read it. */
  readonly struck?: Set<number>;
  /** Called when `index` was emitted. */
  readonly onEmitted?: (index: number) => void;
}

interface ScriptSplit extends SourceSplit {
  /** Index of the next item. */
  readonly next: number;
}

/**
 * Emits what stands in the script, and fails at each {@link CRASH}, once.
 *
 * ```ts
 * export default job((env) => {
 *   env.configure({ 'restart-strategy.type': 'fixed-delay' });
 *   env.fromSource(scriptedSource([1, 2, CRASH, 3]), { uid: 'numbers' }).print();
 * });
 * ```
 */
export function scriptedSource<T>(items: readonly Scripted<T>[]): Source<T, SourceSplit> {
  return sourceOf<T>({
    items: [...items],
    isEnded: true,
    readers: new Set(),
    recordIntervalMs: 0,
  });
}

/** The source over a script. */
export function sourceOf<T>(script: Script<T>): Source<T, SourceSplit> {
  return {
    name: 'script',
    bounded: true,
    replayable: true,
    parallelismMax: 1,
    createEnumerator: (_context, restored) =>
      new SplitList({ discover: () => Promise.resolve([{ id: '0', next: 0 }]), restored }),
    createReader: (context) => new ScriptReader(script, context) as SourceReader<T, SourceSplit>,
  };
}

class ScriptReader<T> implements SourceReader<T, ScriptSplit> {
  readonly #script: Script<T>;
  readonly #context: ReaderContext;
  readonly #wakeUp: () => void;
  #next: number | undefined;
  #pause: Timer | undefined;

  constructor(script: Script<T>, context: ReaderContext) {
    this.#script = script;
    this.#context = context;
    this.#wakeUp = () => context.wakeUp();
    script.readers.add(this.#wakeUp);
  }

  addSplit({ next }: ScriptSplit): void {
    this.#next = next;
  }

  poll(maxRecords: number, output: ReaderOutput<T>): ReaderStatus {
    if (this.#next === undefined) return 'nothing';
    output.split('0');
    const { items, isEnded, recordIntervalMs } = this.#script;
    if (this.#pause !== undefined) return 'nothing';
    for (let left = recordIntervalMs === 0 ? maxRecords : 1; left > 0 && this.#next < items.length; left--) {
      const index = this.#next++;
      const item = items[index] as Scripted<T>;
      if (item === CRASH) this.#crash(index);
      else {
        output.emit(item);
        this.#script.onEmitted?.(index);
      }
    }
    if (this.#next < items.length) return this.#later();
    if (!isEnded) return 'nothing';
    this.#next = undefined;
    output.splitFinished('0');
    return 'nothing';
  }

  snapshot(): ScriptSplit[] {
    return this.#next === undefined ? [] : [{ id: '0', next: this.#next }];
  }

  position(): string {
    return `item ${this.#next ?? this.#script.items.length} of the script`;
  }

  close(): void {
    this.#pause?.cancel();
    this.#script.readers.delete(this.#wakeUp);
  }

  #later(): ReaderStatus {
    const { recordIntervalMs } = this.#script;
    if (recordIntervalMs === 0) return 'more';
    const goOn = (): void => {
      this.#pause = undefined;
      this.#wakeUp();
    };
    this.#pause = this.#context.clock.timer(recordIntervalMs, goOn, 'the next record of a script');
    return 'nothing';
  }

  // X2: `<process attempt>-<restart>`, the first one being 1.
  #crash(index: number): void {
    const { struck } = this.#script;
    if (struck?.has(index) === true) return;
    struck?.add(index);
    const earlier = this.#script.items.slice(0, index).filter((item) => item === CRASH).length;
    const [process = 1, restart = 1] = this.#context.info.attempt.split('-').map(Number);
    if (struck === undefined && process + restart - 2 > earlier) return;
    throw new MillraceError('TEST_SCRIPTED_CRASH', `the script crashes at item ${index}`);
  }
}
