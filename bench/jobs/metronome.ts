// A source whose records are due at fixed times: each says when that was, however late the source itself is.
import type { Source, SourceSplit } from 'millrace';

/** One record. */
export interface Tick {
  readonly key: number;
  /** ms since the epoch, with fractions. */
  readonly dueAt: number;
}

interface Beat extends SourceSplit {
  readonly next: number;
}

/** The time that all threads of a process agree on, ms since the epoch with fractions. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

/** `count` records, `perSecond` of them due in each second; it looks at the clock in every turn of its thread. */
export function metronome({ count, perSecond }: { count: number; perSecond: number }): Source<Tick, Beat> {
  const stepMs = 1_000 / perSecond;
  return {
    name: 'metronome',
    bounded: true,
    replayable: true,
    parallelismMax: 1,
    createEnumerator: (_context, restored) => {
      let given = restored === true;
      return {
        start: () => Promise.resolve(),
        next: () => {
          if (given) return 'none';
          given = true;
          return { id: 'beat', next: 0 };
        },
        snapshot: () => given,
      };
    },
    createReader: (context) => {
      let beat: Beat | undefined;
      let next = 0;
      let from = 0;
      return {
        addSplit(split) {
          beat = split;
          next = split.next;
        },
        poll(maxRecords, output) {
          if (beat === undefined) return 'nothing';
          const now = preciseNow();
          if (from === 0) from = now - next * stepMs;
          output.split(beat.id);
          for (let left = maxRecords; left > 0 && next < count && from + next * stepMs <= now; left--) {
            const dueAt = from + next * stepMs;
            output.emit({ key: (next++ * 7_919) % 1_009, dueAt });
          }
          if (next < count) context.wakeUp();
          else {
            output.splitFinished(beat.id);
            beat = undefined;
          }
          return 'nothing';
        },
        snapshot: () => (beat === undefined ? [] : [{ ...beat, next }]),
      };
    },
  };
}
