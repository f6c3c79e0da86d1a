/**
 * A sink whose target is in the hands of the test. What is committed stays when the job crashes: it is outside of it.
 *
 * A transactional one has four phases, each in an event of its own, so that a crash falls before, between and after.
 */

import type { Sink, SinkGuarantee } from '../operators/sink.ts';

/**
 * What a job wrote, as a reader of the target sees it.
 *
 * ```ts
 * const output = new TestOutput<number>();
 * output.values.push(1, 2);
 * console.log(output.take(), output.take(), output.values); // [ 1, 2 ] [] [ 1, 2 ]
 * ```
 */
export class TestOutput<T> {
  /** In the order in which it became visible. */
  readonly values: T[] = [];
  #taken = 0;

  /** What became visible since the last `take`. */
  take(): T[] {
    const taken = this.values.slice(this.#taken);
    this.#taken = this.values.length;
    return taken;
  }
}

/** The outside system that a sink writes to: it outlives the job. */
export interface Target<T> {
  readonly output: TestOutput<T>;
  /** By handle. What is never committed stays here. */
  readonly prepared: (readonly T[])[];
  readonly committed: Set<number>;
}

/** A target that nothing was written to. */
export function emptyTarget<T>(): Target<T> {
  return { output: new TestOutput(), prepared: [], committed: new Set() };
}

/** Told of each phase of a commit, when it begins or has ended. */
export type OnPhase = (phase: string) => void;

/** A sink with the guarantee of the one that it stands for. */
export function sinkOf<T>(target: Target<T>, guarantee: SinkGuarantee, onPhase: OnPhase): Sink<T> {
  return guarantee === 'exactly-once' ? transactional(target, onPhase) : immediate(target.output);
}

function immediate<T>(output: TestOutput<T>): Sink<T> {
  return {
    name: 'test output',
    guarantee: 'at-least-once',
    createWriter: () => ({
      write: (value) => void output.values.push(value),
      prepareCommit: () => Promise.resolve([]),
    }),
  };
}

function transactional<T>({ output, prepared, committed }: Target<T>, onPhase: OnPhase): Sink<T> {
  return {
    name: 'test output',
    guarantee: 'exactly-once',
    createWriter: ({ clock }) => {
      let written: T[] = [];
      return {
        write: (value) => void written.push(value),
        async prepareCommit(checkpointId) {
          const values = written;
          written = [];
          if (values.length === 0) return [];
          await phase(clock, () => onPhase(`before the prepare of checkpoint ${checkpointId}`));
          const id = prepared.push(values) - 1;
          await phase(clock, () => onPhase(`after the prepare of checkpoint ${checkpointId}`));
          return [new TextEncoder().encode(String(id))];
        },
      };
    },
    createCommitter: ({ clock }) => ({
      async commit(checkpointId, handles) {
        await phase(clock, () => onPhase(`before the commit of checkpoint ${checkpointId}`));
        for (const handle of handles) {
          const id = Number(new TextDecoder().decode(handle));
          if (committed.has(id)) continue;
          committed.add(id);
          output.values.push(...prepared[id]!);
        }
        await phase(clock, () =>
          onPhase(`after the commit of checkpoint ${checkpointId}, before it is confirmed`),
        );
      },
    }),
  };
}

function phase(clock: { defer(run: () => void, why: string): void }, tell: () => void): Promise<void> {
  return new Promise((resolve) => {
    clock.defer(() => {
      tell();
      clock.defer(resolve, 'the next phase of a commit');
    }, 'a phase of a commit');
  });
}
