// What the jobs of chaos runs and of load do with their records: every record, or one of so many, leaves once with its number,
// and every window with its count, so that whoever reads what is committed can say at any moment whether something is missing or
// there twice.
import { type DataStream, files, type Sink, state, tumbling } from 'millrace';
import { STEP_MS } from './records.ts';

/** A record: by its split and its number there everything about it is known. */
export interface Numbered {
  readonly key: string;
  readonly split: number;
  readonly index: number;
}

/** A record as it leaves: its key, how many of that key there were up to it, its split and its number there. */
export type Counted = [string, number, number, number];

/** What leaves, and where to. */
export interface Counting {
  readonly output: string;
  /** One of so many records leaves. */
  readonly sampled: number;
  /** Records of each split in a window. */
  readonly perWindow: number;
  /** Writes into a folder; the sink of JSON lines when nothing else is said. */
  readonly sinkOf?: (folder: string) => Sink<unknown>;
  /** Looks at the records that leave. */
  readonly watched?: (records: DataStream<Counted>) => DataStream<Counted>;
}

/** Keys, counts and windows; its output is what reader.ts reads. */
export function count(
  numbers: DataStream<Numbered>,
  {
    output,
    sampled,
    perWindow,
    sinkOf = (folder) => files.jsonLinesSink(folder),
    watched = (records) => records,
  }: Counting,
): void {
  const byKey = numbers.keyBy('key');
  const each = byKey.process({
    uid: 'each',
    state: { count: state.value(0) },
    process({ key, split, index }, { state: { count } }): Counted[] {
      count.update(count.value() + 1);
      return index % sampled === 0 ? [[key, count.value(), split, index]] : [];
    },
  });
  watched(each).sinkTo(sinkOf(`${output}/each`), { uid: 'each out' });
  byKey
    .window(tumbling(perWindow * STEP_MS))
    .aggregate({
      uid: 'windows',
      createAccumulator: () => 0,
      add: (_, count) => count + 1,
      result: (count) => count,
      process: ([count], { key, window }) => [[key, window.start, count]],
    })
    .sinkTo(sinkOf(`${output}/windows`), { uid: 'windows out' });
}
