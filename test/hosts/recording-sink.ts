// An exactly-once sink that keeps what was committed in the test, is slow on demand, and notices what must not happen.

import assert from 'node:assert/strict';
import type { Sink } from '../../src/operators/sink.ts';

/** The outside system. */
export class RecordedOutput {
  /** By transaction. */
  readonly committed = new Map<string, readonly unknown[]>();
  /** Checkpoints after which nothing may be written in the same attempt. */
  readonly stops = new Set<number>();
  commits = 0;

  values(): unknown[] {
    return [...this.committed.values()].flat();
  }

  /** `slowEvery`: after so many records the sink takes no more for a while; 0 = never. `commitMs`: how long a commit takes. */
  sink(options: {
    readonly slowEvery: number;
    readonly slowMs: number;
    readonly commitMs: number;
  }): Sink<unknown> {
    return {
      name: 'recorded',
      guarantee: 'exactly-once',
      createWriter: (context) => {
        let held: unknown[] = [];
        let full = false;
        let written = 0;
        let stopped = false;
        return {
          write: (value) => {
            assert.ok(!stopped, 'nothing is written behind the barrier of a stop');
            held.push(value);
            if (options.slowEvery === 0 || ++written % options.slowEvery !== 0) return;
            full = true;
            context.clock.timer(
              options.slowMs,
              () => {
                full = false;
                context.wakeUp();
              },
              'a slow sink',
            );
          },
          writable: () => !full,
          prepareCommit: (checkpointId) => {
            if (this.stops.has(checkpointId)) stopped = true;
            const handle = { id: `${context.info.attempt}/${context.info.subtask}/${checkpointId}`, held };
            held = [];
            return Promise.resolve([new TextEncoder().encode(JSON.stringify(handle))]);
          },
        };
      },
      createCommitter: (context) => ({
        commit: async (_checkpointId, handles) => {
          for (const bytes of handles) {
            if (options.commitMs > 0) {
              await new Promise<void>((resolve) =>
                context.clock.timer(options.commitMs, resolve, 'a commit'),
              );
            }
            const handle = JSON.parse(new TextDecoder().decode(bytes)) as { id: string; held: unknown[] };
            this.commits++;
            this.committed.set(handle.id, handle.held);
          }
        },
      }),
    };
  }
}
