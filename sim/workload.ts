// The engine's side of a world: its job, built with the public API.

import {
  type DataStream,
  files,
  generatorSource,
  job,
  type JobDefinition,
  type Sink,
  session,
  sliding,
  state,
  type StreamExecutionEnvironment,
  tumbling,
  type,
  watermarks,
} from '../src/index.ts';
import { throttled } from '../test/property/throttled-sink.ts';
import { EMPTY, groupLine, type Tally, tallyOfBoth, tallyWith } from './model.ts';
import { type Item, itemOf, type JobSpec, type LifeSettings, type SourceSpec, type Step } from './world.ts';

/** What a life of the job meets besides its specification. */
export interface Surroundings {
  /** Calls back after so many ms of the process's own time; not at all when the process is gone. */
  readonly later: (afterMs: number, run: () => void) => void;
  /** The sink of the transactional system. */
  readonly transactions: () => Sink<string>;
  /** Called with each record that a source gave; throws when it is time for the job's code to fail. */
  readonly met: (item: Item) => void;
  /**
   * The job is another one, that only begins with the state of this one: its sinks have names of their own, and write
   * files under this path.
   */
  readonly fork?: string;
  /** The graph has one operator more, which counts what comes by in state of its own and hands it on. */
  readonly isExtended?: boolean;
}

type Lines = DataStream<string>;

/** Later than all records: fires with the end of all inputs. */
const END = Number.MAX_SAFE_INTEGER - 1;
const none: string[] = [];

/** The job of a world in one of its lives. */
export function jobOf(spec: JobSpec, settings: LifeSettings, surroundings: Surroundings): JobDefinition {
  return job((env) => {
    env.setParallelism(spec.parallelism).setMaxParallelism(Math.max(spec.maxParallelism, 4));
    if (!spec.chaining) env.disableOperatorChaining();
    const sides: Lines[] = [];
    const streams = spec.sources.map((source) => {
      const items: DataStream<Item> = sourceOf(env, source).map((item) => {
        surroundings.met(item);
        return item;
      });
      return source.steps.reduce<DataStream<Item>>(
        (stream, step, index) =>
          applyStep(stream, step, {
            stage: `${source.name}.${index}`,
            sides,
            surroundings: { ...surroundings, capacity: settings.capacity },
          }),
        items,
      );
    });
    const { fork, isExtended = false } = surroundings;
    const counted = isExtended
      ? streams.map((stream, index) => (index === 0 ? counting(stream) : stream))
      : streams;
    const lines = keyedLines(env, counted, spec, settings.keyedParallelism);
    const out: Sink<string> =
      spec.sink === 'files' || fork !== undefined
        ? files.linesSink(`${fork ?? ''}/output`)
        : surroundings.transactions();
    const named = (uid: string): string => (fork === undefined ? uid : `${uid} of the fork`);
    // A sink that is chained at some parallelisms only has no channel for what was in flight to it at others.
    lines
      .sinkTo(throttled(out, spec.throttle), { uid: named('main'), parallelism: settings.sinkParallelism })
      .disableChaining();
    const [first, ...others] = sides;
    if (first !== undefined) {
      first
        .union(...others)
        .sinkTo(throttled(files.linesSink(`${fork ?? ''}/side`), spec.throttle), { uid: named('side') });
    }
  });
}

function sourceOf(env: StreamExecutionEnvironment, spec: SourceSpec): DataStream<Item> {
  const { name, count, splits, disorder, ratePerSecond } = spec;
  const source = generatorSource((index, { split }) => itemOf(spec, split, index), {
    count,
    splits,
    ...(ratePerSecond === 0 ? {} : { ratePerSecond }),
  });
  return env.fromSource(source, {
    uid: name,
    watermarks: watermarks.boundedOutOfOrderness(disorder).withTimestamps((item) => item.at),
  });
}

interface Stage {
  readonly stage: string;
  readonly sides: Lines[];
  readonly surroundings: Surroundings & Pick<LifeSettings, 'capacity'>;
}

function applyStep(
  stream: DataStream<Item>,
  step: Step,
  { stage, sides, surroundings }: Stage,
): DataStream<Item> {
  switch (step.kind) {
    case 'map':
      return stream.map((item) => ({ ...item, v: item.v + step.add }));
    case 'filter':
      return stream.filter((item) => item.v % step.modulus !== step.rest);
    case 'flat-map':
      return stream.flatMap((item) =>
        Array.from({ length: step.copies }, (_, copy) => ({ ...item, id: `${item.id}/${copy}` })),
      );
    case 'partition':
      return stream[step.by]().map((item) => item);
    case 'split-off': {
      const split = stream.process({
        uid: `split ${stage}`,
        outputs: { off: type<string>() },
        process(item, ctx) {
          if (item.v % step.modulus !== 0) return [item];
          ctx.output('off', `${stage} ${item.id} ${item.v}`);
          return [];
        },
      });
      sides.push(split.sideOutput('off'));
      return split;
    }
    case 'async': {
      const definition = {
        uid: `ask ${stage}`,
        capacity: surroundings.capacity,
        asyncInvoke: (item: Item) =>
          new Promise<Item>((answer) => {
            surroundings.later(item.v % step.slowMs, () => answer(item));
          }),
      };
      const input = step.spread ? stream.rebalance() : stream;
      return step.ordered ? input.orderedWait(definition) : input.unorderedWait(definition);
    }
  }
}

function counting(stream: DataStream<Item>): DataStream<Item> {
  return stream.keyBy('key').process({
    uid: 'counting',
    state: { count: state.value(0) },
    process(item, { state: { count } }) {
      count.update(count.value() + 1);
      return [item];
    },
  });
}

function keyedLines(
  env: StreamExecutionEnvironment,
  streams: readonly DataStream<Item>[],
  { keyed, selfUnion }: JobSpec,
  parallelism: number,
): Lines {
  const [first, second] = streams as readonly [DataStream<Item>, DataStream<Item>];
  if (keyed.kind === 'pairs') {
    return first
      .keyBy('key')
      .intervalJoin(second.keyBy('key'))
      .between(keyed.lower, keyed.upper)
      .process({ uid: 'pairs', parallelism, process: (one, two) => [`pair ${one.id} ${two.id}`] });
  }
  const united = streams.reduce((left, right) => left.union(right));
  const byKey = (selfUnion ? united.union(united) : united).keyBy('key');
  switch (keyed.kind) {
    case 'totals':
      return byKey.process({
        uid: 'totals',
        parallelism,
        state: {
          count: state.value(0),
          sum: state.reducing((left: number, right: number) => left + right),
          xor: state.value(0),
        },
        process(item, { state: { count, sum, xor }, timers }) {
          const all = tallyWith({ ...EMPTY, xor: xor.value() }, item);
          count.update(count.value() + 1);
          sum.add(item.v);
          xor.update(all.xor);
          timers.registerEventTime(END);
          return none;
        },
        onTimer: (_time, { key, state: { count, sum, xor } }) => [
          groupLine(['totals', key], { count: count.value(), sum: sum.get() ?? 0, xor: xor.value() }),
        ],
      });
    case 'each':
      return byKey.process({
        uid: 'each',
        parallelism,
        state: { tally: state.value<Tally>(EMPTY) },
        process(item, { key, state: { tally }, timers }) {
          tally.update(tallyWith(tally.value(), item));
          timers.registerEventTime(END);
          return [`each ${key} ${item.id} ${item.v}`];
        },
        onTimer: (_time, { key, state: { tally } }) => [groupLine(['each', key], tally.value())],
      });
    case 'distinct':
      return byKey.process({
        uid: 'distinct',
        parallelism,
        state: { ids: state.map<string, boolean>(), seen: state.list<string>() },
        process(item, { state: { ids, seen }, timers }) {
          if (!ids.has(item.id)) seen.add(item.id);
          ids.set(item.id, true);
          timers.registerEventTime(END);
          return none;
        },
        onTimer(_time, { key, state: { ids, seen } }) {
          const count = [...ids.keys()].length;
          if (count !== seen.get().length) throw new Error('list and map disagree');
          return [`distinct ${key} ${count}`];
        },
      });
    case 'buckets':
      return byKey.process({
        uid: 'buckets',
        parallelism,
        state: { buckets: state.map<number, Tally>() },
        process(item, { state: { buckets }, timers }) {
          const bucket = Math.floor(item.at / keyed.size) * keyed.size;
          buckets.set(bucket, tallyWith(buckets.get(bucket) ?? EMPTY, item));
          timers.registerEventTime(bucket + keyed.size - 1);
          return none;
        },
        onTimer(time, { key, state: { buckets } }) {
          const bucket = time - keyed.size + 1;
          const tally = buckets.get(bucket);
          buckets.delete(bucket);
          if (tally === undefined) throw new RangeError('a timer without its bucket');
          return [groupLine(['buckets', key, bucket], tally)];
        },
      });
    case 'origins':
      return united
        .keyBy((item) => `${item.key} ${item.id}`)
        .process({
          uid: 'origins',
          parallelism,
          state: { count: state.value(0) },
          process(_item, { state: { count }, timers }) {
            count.update(count.value() + (selfUnion ? 2 : 1));
            timers.registerEventTime(END);
            return none;
          },
          onTimer: (_time, { key, state: { count } }) => [`origin ${key} ${count.value()}`],
        });
    case 'ticks':
      return byKey.process({
        uid: 'ticks',
        parallelism,
        state: { tally: state.value<Tally>(EMPTY) },
        process(item, { state: { tally }, timers }) {
          if (tally.value().count === 0)
            timers.registerProcessingTime(timers.currentProcessingTime() + keyed.everyMs);
          tally.update(tallyWith(tally.value(), item));
          timers.registerEventTime(END);
          return none;
        },
        onTimer(_time, { key, state: { tally } }) {
          const so = tally.value();
          tally.update(EMPTY);
          return so.count === 0 ? none : [groupLine(['ticks', key], so)];
        },
      });
    case 'evicted': {
      const { size, modulus } = keyed;
      const results = byKey
        .window(tumbling(size))
        .evictor({ evictBefore: (items) => items.filter(({ value }) => value.v % modulus !== 0) })
        .sideOutputLateData('late')
        .process({
          uid: 'windows',
          parallelism,
          process: (items, { key, window }) =>
            items.length === 0
              ? none
              : [groupLine(['evicted', key, window.start], items.reduce(tallyWith, EMPTY))],
        });
      const late = results
        .sideOutput('late')
        .flatMap((item) => (item.v % modulus === 0 ? none : [lateLine(keyed, item)]))
        .disableChaining();
      return results.union(late);
    }
    case 'rules': {
      const rules = env.fromSource(
        generatorSource((index) => index, { count: keyed.rules, splits: 1, ratePerSecond: 500 }),
        { uid: 'rules', watermarks: watermarks.monotonous().withTimestamps((rule) => rule) },
      );
      return byKey.connect(rules.broadcast({ told: state.map<number, number>() })).process({
        uid: 'keys and rules',
        parallelism,
        state: { tally: state.value<Tally>(EMPTY) },
        process(item, { state: { tally }, timers }) {
          tally.update(tallyWith(tally.value(), item));
          timers.registerEventTime(END);
          return none;
        },
        processBroadcast(rule, { broadcast: { told } }) {
          told.set(rule, (told.get(rule) ?? 0) + 1);
          return none;
        },
        onTimer(_time, { key, state: { tally }, broadcast: { told } }) {
          const rules = [...told.entries()].flatMap(([rule, count]) =>
            Array.from({ length: count }, () => rule),
          );
          return [
            groupLine(['rules', key], tally.value()),
            `rules ${key} ${rules.toSorted((a, b) => a - b).join()}`,
          ];
        },
      });
    }
    case 'tumbling':
    case 'sliding':
    case 'session': {
      const { kind } = keyed;
      const assigner =
        keyed.kind === 'tumbling'
          ? tumbling(keyed.size)
          : keyed.kind === 'sliding'
            ? sliding(keyed.size, keyed.slide)
            : session(keyed.gap);
      const results = byKey
        .window(assigner)
        .sideOutputLateData('late')
        .aggregate({
          uid: 'windows',
          parallelism,
          createAccumulator: () => EMPTY,
          add: (item, tally) => tallyWith(tally, item),
          result: (tally) => tally,
          merge: tallyOfBoth,
          process: ([tally], { key, window }) => [
            groupLine(
              kind === 'session' ? [kind, key, window.start, window.end] : [kind, key, window.start],
              tally!,
            ),
          ],
        });
      // What comes late counts in the group of its window, so that nothing may be lost that way either.
      // Not chained at some parallelisms only: as the sink.
      const late = results
        .sideOutput('late')
        .map((item) => lateLine(keyed, item))
        .disableChaining();
      return results.union(late);
    }
  }
}

function lateLine(keyed: JobSpec['keyed'], item: Item): string {
  const start =
    keyed.kind === 'tumbling' || keyed.kind === 'evicted'
      ? Math.floor(item.at / keyed.size) * keyed.size
      : 'late';
  return groupLine([keyed.kind, item.key, start], tallyWith(EMPTY, item));
}
