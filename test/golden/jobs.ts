/**
 * A job with every kind of state, and what became of it: the versions of a program whose checkpoints must stay readable.
 *
 * All versions give the same lines for the same records. Version 1 wrote what lies in `disks/`; it is never changed.
 */

import {
  codecOf,
  files,
  generatorSource,
  job,
  type JobDefinition,
  numberCodec,
  state,
  stringCodec,
  t,
  tumbling,
  type ValueDescriptor,
  type ValueState,
  watermarks,
} from '../../src/index.ts';

/** Records of the job. */
export const RECORDS = 60;
const KEYS = 4;

const Place = t.object({ x: t.int32, y: t.int32 });
const Totals = {
  1: t.object({ count: t.int32, latest: t.string, unused: t.string, place: Place }),
  2: t.object({
    place: t.object({ x: t.number, name: t.string }),
    total: t.number,
    latest: t.nullable(t.string),
    tags: t.array(t.string),
    note: t.optional(t.string),
  }),
  // Cannot be read from version 1.
  3: t.object({ count: t.string, place: t.object({ x: t.int32, y: t.int32, z: t.int32 }) }),
};

// biome-ignore lint/suspicious/noExplicitAny: the total of a key has another type in each version
type AnyTotal = any;

/** What each version declares for the same state. */
const TOTALS: Readonly<Record<1 | 2 | 3, ValueDescriptor<AnyTotal>>> = {
  1: state.value<AnyTotal>(
    { count: 0, latest: '', unused: 'x', place: { x: 0, y: 0 } },
    { codec: codecOf(Totals[1]) },
  ),
  2: state.value<AnyTotal>(
    { place: { x: 0, name: 'here' }, total: 0, latest: null, tags: ['old'] },
    {
      codec: codecOf(Totals[2], {
        renamed: { total: 'count' },
        defaults: { tags: ['old'], 'place.name': 'here' },
      }),
    },
  ),
  3: state.value<AnyTotal>({ count: '', place: { x: 0, y: 0, z: 0 } }, { codec: codecOf(Totals[3]) }),
};

const since = watermarks.monotonous<number>().withTimestamps((n) => n * 100);

/** Whether a function of a job was opened. */
export interface Opened {
  count: number;
}

/** The job as version 1, 2 or 3 of its program has it. */
export function goldenJob(
  version: 1 | 2 | 3,
  parallelism: number,
  opened: Opened = { count: 0 },
): JobDefinition {
  return job({
    name: 'golden',
    build: (env) => {
      env.setParallelism(parallelism).setMaxParallelism(8);
      const numbers = env.fromSource(
        generatorSource((index) => index, { count: RECORDS, ratePerSecond: 500, splits: 1 }),
        { uid: 'numbers', watermarks: since },
      );
      const keyed = numbers.keyBy((n) => `key ${n % KEYS}`);
      keyed
        .process({
          uid: 'totals',
          open: () => void opened.count++,
          state: {
            total: TOTALS[version],
            seen: state.list<number>(version === 2 ? { codec: numberCodec } : {}),
            byPlace: state.map<{ x: number; y: number }, number>(
              version === 2 ? { keyCodec: codecOf(Place) } : {},
            ),
            sum: state.reducing((left: number, right: number) => left + right, { codec: numberCodec }),
            distinct: state.aggregating({
              createAccumulator: () => new Set<number>(),
              add: (n: number, accumulator) => accumulator.add(n % 3),
              result: (accumulator) => accumulator.size,
            }),
            recent: state.map<string, number>({
              keyCodec: stringCodec,
              ...(version === 2 ? {} : { ttl: { after: '1 d' } }),
            }),
          },
          process(n, { key, state: { total, seen, byPlace, sum, distinct, recent } }) {
            const count = counted(total);
            seen.add(n);
            const place = { x: n % 2, y: n % 3 };
            byPlace.set(place, (byPlace.get(place) ?? 0) + 1);
            sum.add(n);
            distinct.add(n);
            recent.set(`r${n % 5}`, n);
            const places = [...byPlace.values()].reduce((all, each) => all + each, 0);
            const parts = [
              count,
              seen.get().length,
              places,
              [...byPlace.keys()].length,
              sum.get(),
              distinct.get(),
            ];
            return [`${key}: ${parts.join(' ')} ${[...recent.keys()].length}`];
          },
        })
        .sinkTo(files.linesSink('/output'), { uid: 'output' });
      keyed
        .window(tumbling('1 s'))
        .aggregate({
          uid: 'per-second',
          createAccumulator: () => 0,
          add: (_n, count) => count + 1,
          result: (count) => count,
        })
        .process({
          uid: 'windows',
          local: ({ operatorState }) => ({ held: operatorState.list<number>('held') }),
          process(count, { local: { held } }) {
            held.add(count);
            if (held.get().length < 2) return;
            const sum = held.get().reduce((all, each) => all + each, 0);
            held.clear();
            return [`two windows hold ${sum > 0 ? 'something' : 'nothing'}`];
          },
        })
        .sinkTo(files.linesSink('/windows'), { uid: 'windows-output' });
    },
  });
}

function counted(total: ValueState<AnyTotal>): number {
  const before = total.value();
  if ('total' in before) {
    total.update({ ...before, total: before.total + 1 });
    return before.total + 1;
  }
  total.update({ ...before, count: before.count + 1, latest: 'l', place: { x: before.count, y: 1 } });
  return before.count + 1;
}

/** The lines that every version gives for all records, sorted. */
export function expectedLines(): string[] {
  const lines: string[] = [];
  for (let key = 0; key < KEYS; key++) {
    const seen: number[] = [];
    for (let n = key; n < RECORDS; n += KEYS) {
      seen.push(n);
      const distinct = (of: (n: number) => unknown): number => new Set(seen.map(of)).size;
      const places = distinct((each) => `${each % 2} ${each % 3}`);
      const sum = seen.reduce((left, right) => left + right, 0);
      const thirds = distinct((each) => each % 3);
      lines.push(
        `key ${key}: ${seen.length} ${seen.length} ${seen.length} ${places} ${sum} ${thirds} ${distinct((each) => each % 5)}`,
      );
    }
  }
  return lines.sort();
}
