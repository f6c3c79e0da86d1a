// A source whose records arrive by a clock that all processes of a machine share, whoever is late: what nobody has read waits, as
// in a log. When a record was due is known from its number; a reader that falls behind does not move it.
import process from 'node:process';
import type { Source, SourceSplit } from 'millrace';
import type { Numbered } from '../../chaos/counting.ts';
import { keyOf } from '../../chaos/records.ts';

/** When records arrive. */
export interface Schedule {
  readonly splits: number;
  /** Records of each split. */
  readonly perSplit: number;
  /** Over all splits. */
  readonly perSecond: number;
  /** When the first records are due, by {@link clockMs}. */
  readonly beginAtMs: number;
}

interface Arrivals extends SourceSplit {
  readonly split: number;
  readonly next: number;
}

/** What has arrived is looked up as often. */
const LOOK_MS = 1;
const CLOCK_OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The monotonic clock of the machine, ms. */
export function clockMs(): number {
  return performance.now() + CLOCK_OFFSET_MS;
}

/** Records of each split that have arrived at a moment. */
export function arrivedAt({ splits, perSplit, perSecond, beginAtMs }: Schedule, atMs: number): number {
  if (atMs < beginAtMs) return 0;
  return Math.min(perSplit, Math.floor(((atMs - beginAtMs) * perSecond) / (1_000 * splits)) + 1);
}

/** See the head of the file. */
export function arrivals(schedule: Schedule): Source<Numbered, Arrivals> {
  return {
    name: 'arrivals',
    bounded: true,
    replayable: true,
    createEnumerator: (_context, restored) => {
      const left = (restored as Arrivals[] | undefined) ?? splitsOf(schedule);
      return {
        start: () => Promise.resolve(),
        next: () => left.shift() ?? 'none',
        snapshot: () => left,
      };
    },
    createReader(context) {
      const own: { readonly split: Arrivals; next: number }[] = [];
      let turn = 0;
      let looks = false;
      const wake = (): void => {
        looks = false;
        context.wakeUp();
      };
      return {
        addSplit: (split) => void own.push({ split, next: split.next }),
        // Splits take turns: each has its share of the subtasks.
        wantsSplit: () => own.length < Math.ceil(schedule.splits / context.info.parallelism),
        poll(maxRecords, output) {
          const reading = own[turn++ % own.length];
          if (reading === undefined) return 'nothing';
          const { id, split } = reading.split;
          const arrived = arrivedAt(schedule, clockMs());
          const upTo = Math.min(arrived, reading.next + maxRecords);
          output.split(id);
          while (reading.next < upTo) {
            const index = reading.next++;
            output.emit({ key: keyOf(split, index), split, index });
          }
          if (reading.next === schedule.perSplit) {
            own.splice(own.indexOf(reading), 1);
            output.splitFinished(id);
          }
          if (own.some(({ next }) => next < arrived)) return 'more';
          if (own.length > 0 && !looks) {
            looks = true;
            context.clock.timer(LOOK_MS, wake, 'what arrives');
          }
          return 'nothing';
        },
        snapshot: () => own.map(({ split, next }) => ({ ...split, next })),
      };
    },
  };
}

function splitsOf({ splits }: Schedule): Arrivals[] {
  return Array.from({ length: splits }, (_, split) => ({ id: `${split}`, split, next: 0 }));
}
