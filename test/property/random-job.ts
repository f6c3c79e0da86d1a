// The engine's side of a random job: `specOf(seed)` built with the public API. A module, so that worker threads build the same.

import {
  type DataStream,
  files,
  job,
  type JobArguments,
  state,
  type StreamExecutionEnvironment,
  t,
  type,
  watermarks,
} from '../../src/index.ts';
import { misfortuneOf } from './misfortune.ts';
import {
  type Item,
  type JobSpec,
  type SourceSpec,
  type Step,
  customChannel,
  isKeyedPoison,
  isPoisoned,
  itemsOf,
  specOf,
} from './job-spec.ts';
import { throttled } from './throttled-sink.ts';

/** Set by a test: the record, counted over all subtasks and restarts, at which the job's own code throws. */
export const failure = { atRecord: Number.POSITIVE_INFINITY };

const Described = t.object({ id: t.string, key: t.string, at: t.int64, v: t.int32 });

export default job({
  name: 'random',
  build: (env, args) => {
    const spec = specOf(args.number('seed', 0));
    const sides: DataStream<string>[] = [];
    const sideDirectory = args.string('side', '/side');
    const throttle = args.number('throttle', 0);
    const inOrder = spec.keyed.kind === 'rolling';
    env.setParallelism(inOrder ? 1 : spec.parallelism).setMaxParallelism(Math.max(spec.maxParallelism, 4));
    if (!spec.chaining) env.disableOperatorChaining();

    const misfortune = misfortuneOf(args);
    // Not part of the specification: where subtasks run changes no answer.
    const seed = args.number('seed', 0);
    const streams = spec.sources.map((source, index) => {
      const met = input(env, args, source, index).map((item) => {
        if (--failure.atRecord === 0) throw new Error(`failed on purpose at ${item.id}`);
        misfortune?.meet(item.id);
        return item;
      });
      if (seed % 2 === 0) met.returns(Described);
      if (seed % 4 === 1) met.slotSharingGroup(`from ${source.name}`);
      return applySteps(met, {
        steps: source.steps,
        stage: source.name,
        parallelism: spec.parallelism,
        sides,
      });
    });
    let all = streams.reduce((left, right) => left.union(right));
    if (spec.selfUnion) all = all.union(all);
    all = applySteps(all, { steps: spec.steps, stage: 'all', parallelism: spec.parallelism, sides });
    if (args.has('audit')) audit(all, args.number('audit'));
    const keyedParallelism = args.number('keyed-parallelism', spec.keyedParallelism);
    const main = keyedLines(all, { ...spec, keyedParallelism }).sinkTo(
      throttled(files.linesSink(args.string('output', '/output')), throttle),
      { uid: 'main' },
    );
    if (seed % 3 === 1) main.slotSharingGroup('sinks');
    // A sink that is chained at some parallelisms only has no channel for what was in flight to it at others.
    if (args.has('keyed-parallelism')) main.disableChaining();
    const [first, ...others] = sides;
    if (first !== undefined) {
      first.union(...others).sinkTo(throttled(files.linesSink(sideDirectory), throttle), { uid: 'side' });
    }
  },
});

/** A branch with state of its own that gives nothing: a version of the job has it, another one does not. */
function audit(stream: DataStream<Item>, parallelism: number): void {
  stream
    .keyBy((item) => item.key)
    .process({
      uid: 'audit',
      state: { seen: state.list<string>() },
      local: ({ operatorState }) => ({ all: operatorState.list<number>('all') }),
      process(item, ctx): string[] {
        ctx.state.seen.add(item.id);
        ctx.local.all.add(item.v);
        return [];
      },
    })
    .setParallelism(parallelism);
}

/** The items of a source: from memory, or with `--rate` from a file that the test has written, so many a second. */
function input(
  env: StreamExecutionEnvironment,
  args: JobArguments,
  source: SourceSpec,
  index: number,
): DataStream<Item> {
  const options = {
    uid: source.name,
    watermarks: watermarks.boundedOutOfOrderness(source.disorder).withTimestamps((item: Item) => item.at),
  };
  const ratePerSecond = args.number('rate', 0);
  return ratePerSecond === 0
    ? env.fromData(itemsOf(source, index), options)
    : env.fromSource(
        files.jsonLines<Item>(`${args.string('input', '/input')}/${source.name}.jsonl`, { ratePerSecond }),
        options,
      );
}

interface Stage {
  readonly steps: readonly Step[];
  readonly stage: string;
  readonly parallelism: number;
  readonly sides: DataStream<string>[];
}

function applySteps(stream: DataStream<Item>, { steps, stage, sides }: Stage): DataStream<Item> {
  return steps.reduce((found, step, index) => applyStep(found, step, `${stage}.${index}`, sides), stream);
}

function applyStep(
  stream: DataStream<Item>,
  step: Step,
  stage: string,
  sides: DataStream<string>[],
): DataStream<Item> {
  switch (step.kind) {
    case 'map':
      return stream.map((item) => ({ ...item, v: item.v + step.add })).returns(Described);
    case 'filter':
      return stream.filter((item) => item.v % step.modulus !== step.rest);
    case 'flat-map':
      return step.generator
        ? stream.flatMap(function* (item) {
            for (let copy = 0; copy < step.copies; copy++) yield { ...item, id: `${item.id}/${copy}` };
          })
        : stream.flatMap((item) =>
            Array.from({ length: step.copies }, (_, copy) => ({ ...item, id: `${item.id}/${copy}` })),
          );
    case 'partition':
      return partitioned(stream, step.by)
        .map((item) => item)
        .returns(Described);
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
    case 'poison':
      return stream.flatMap(
        function* (item) {
          yield item;
          if (isPoisoned(step, item.v)) throw new Error(`poisoned ${item.id}`);
        },
        { onError: 'skip' },
      );
  }
}

function partitioned(
  stream: DataStream<Item>,
  by: Extract<Step, { kind: 'partition' }>['by'],
): DataStream<Item> {
  switch (by) {
    case 'custom':
      return stream.partitionCustom((item) => item.v, customChannel);
    default:
      return stream[by]();
  }
}

function keyedLines(stream: DataStream<Item>, spec: JobSpec): DataStream<string> {
  const keyed = spec.keyed;
  const byKey = stream.keyBy((item) => item.key);
  const end = Number.MAX_SAFE_INTEGER - 1;
  const onError = spec.keyedPoison === 0 ? 'fail' : 'skip';
  /** After the state was changed: all of it must be as if the record had never been. */
  const refuse = (item: Item): void => {
    if (isKeyedPoison(spec, item.v)) throw new Error(`poisoned ${item.id}`);
  };
  switch (keyed.kind) {
    case 'totals':
      return byKey
        .process({
          uid: 'totals',
          onError,
          state: {
            count: state.value(0),
            sum: state.reducing((left: number, right: number) => left + right),
          },
          process(item, ctx) {
            ctx.state.count.update(ctx.state.count.value() + 1);
            ctx.state.sum.add(item.v);
            ctx.timers.registerEventTime(end);
            refuse(item);
            return noLines;
          },
          onTimer: (_time, ctx) => [
            JSON.stringify(['totals', ctx.key, ctx.state.count.value(), ctx.state.sum.get() ?? 0]),
          ],
        })
        .setParallelism(spec.keyedParallelism);
    case 'distinct':
      return byKey
        .process({
          uid: 'distinct',
          onError,
          state: { ids: state.map<string, boolean>(), seen: state.list<string>() },
          process(item, ctx) {
            if (!ctx.state.ids.has(item.id)) ctx.state.seen.add(item.id);
            ctx.state.ids.set(item.id, true);
            ctx.timers.registerEventTime(end);
            refuse(item);
            return noLines;
          },
          *onTimer(_time, ctx) {
            const ids = [...ctx.state.ids.keys()];
            if (ids.length !== ctx.state.seen.get().length) throw new Error('list and map disagree');
            yield JSON.stringify(['distinct', ctx.key, ids.length]);
          },
        })
        .setParallelism(spec.keyedParallelism);
    case 'buckets':
      return byKey
        .process({
          uid: 'buckets',
          onError,
          state: { buckets: state.map<number, { count: number; sum: number }>() },
          process(item, ctx) {
            const bucket = Math.floor(item.at / keyed.size) * keyed.size;
            const before = ctx.state.buckets.get(bucket) ?? { count: 0, sum: 0 };
            ctx.state.buckets.set(bucket, { count: before.count + 1, sum: before.sum + item.v });
            ctx.timers.registerEventTime(bucket + keyed.size - 1);
            refuse(item);
            return noLines;
          },
          onTimer(time, ctx) {
            const bucket = time - keyed.size + 1;
            const found = ctx.state.buckets.get(bucket);
            ctx.state.buckets.delete(bucket);
            if (found === undefined) throw new RangeError('a timer without its bucket');
            return [JSON.stringify(['bucket', ctx.key, bucket, found.count, found.sum])];
          },
        })
        .setParallelism(spec.keyedParallelism);
    case 'rolling':
      return byKey
        .process({
          uid: 'rolling',
          onError,
          state: { count: state.value(0), sum: state.value(0) },
          process(item, ctx) {
            const count = ctx.state.count.value() + 1;
            const sum = ctx.state.sum.value() + item.v;
            ctx.state.count.update(count);
            ctx.state.sum.update(sum);
            refuse(item);
            return [JSON.stringify(['rolling', ctx.key, count, sum])];
          },
        })
        .setParallelism(spec.keyedParallelism);
  }
}

const noLines: string[] = [];
