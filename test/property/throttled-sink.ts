// A sink that takes so many records at a time and then none for a while: what is before it has to wait.

import type { Sink } from '../../src/index.ts';

const TICK_MS = 2;

/** `sink`, with at most `records` records every {@link TICK_MS}; 0 = as many as there are. */
export function throttled<T>(sink: Sink<T>, records: number): Sink<T> {
  if (records === 0) return sink;
  return {
    ...sink,
    createWriter: async (context) => {
      const writer = await sink.createWriter(context);
      let left = records;
      let isWaiting = false;
      const refill = (): void => {
        left = records;
        isWaiting = false;
        context.wakeUp();
      };
      return {
        write(value, timestamp) {
          left--;
          writer.write(value, timestamp);
        },
        writable() {
          if (left > 0) return writer.writable?.() ?? true;
          if (!isWaiting) context.clock.timer(TICK_MS, refill, 'throttled sink');
          isWaiting = true;
          return false;
        },
        prepareCommit: (checkpointId) => writer.prepareCommit(checkpointId),
        close: () => writer.close?.(),
      };
    },
  };
}
