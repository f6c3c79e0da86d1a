// The engine's side of `connectedSpec(seed)`: connected, joined and broadcast streams with the public API.

import { files, generatorSource, job, type Source, state, watermarks } from '../../src/index.ts';
import { connectedSpec, type Piece, rulesText, type Rule } from './connected-spec.ts';

/** Later than all records: fires with the end of both inputs. */
const END = 1_000_000;

/** So that checkpoints are taken in the middle of it. */
function slowly<T>(items: readonly T[]): Source<T> {
  return generatorSource((index) => items[index]!, { count: items.length, ratePerSecond: 500, splits: 1 });
}

export default job({
  name: 'connected',
  build: (env, args) => {
    const spec = connectedSpec(args.number('seed', 0));
    const parallelism = args.number('keyed-parallelism', spec.parallelism);
    env.setParallelism(spec.parallelism).setMaxParallelism(8);
    const strategy = watermarks.boundedOutOfOrderness(spec.disorder);
    const pieces = strategy.withTimestamps((piece: Piece) => piece.at);
    const left = env
      .fromSource(slowly(spec.left), { uid: 'left', watermarks: pieces })
      .keyBy(({ key }) => key);
    const right = env
      .fromSource(slowly(spec.right), { uid: 'right', watermarks: pieces })
      .keyBy(({ key }) => key);
    const rules = env.fromSource(slowly(spec.rules), {
      uid: 'rules',
      watermarks: strategy.withTimestamps((rule: Rule) => rule.at),
    });

    const pairs = left
      .intervalJoin(right)
      .between(spec.lower, spec.upper)
      .process({
        uid: 'pairs',
        parallelism,
        process: (one, two, ctx) => [`pair ${one.id} ${two.id} ${ctx.timestamp}`],
      });

    const totals = left.connect(right).process({
      uid: 'totals',
      parallelism,
      state: { left: state.value(0), right: state.value(0) },
      process1(_piece, ctx) {
        ctx.state.left.update(ctx.state.left.value() + 1);
        ctx.timers.registerEventTime(END);
      },
      process2(_piece, ctx) {
        ctx.state.right.update(ctx.state.right.value() + 1);
        ctx.timers.registerEventTime(END);
      },
      onTimer: (_time, ctx) => [`total ${ctx.key} ${ctx.state.left.value()} ${ctx.state.right.value()}`],
    });

    const told = left.connect(rules.broadcast({ told: state.map<string, number>() })).process({
      uid: 'rules-of-keys',
      parallelism,
      state: { seen: state.value(0) },
      process(_piece, ctx) {
        ctx.state.seen.update(ctx.state.seen.value() + 1);
        ctx.timers.registerEventTime(END);
      },
      processBroadcast({ name }, ctx) {
        const { told } = ctx.broadcast;
        told.set(name, (told.get(name) ?? 0) + 1);
      },
      onTimer(_time, ctx) {
        const names = [...ctx.broadcast.told.entries()].flatMap(([name, count]) =>
          Array.from({ length: count }, () => name),
        );
        return [`rules ${ctx.key} ${ctx.state.seen.value()} ${rulesText(names)}`];
      },
    });

    pairs.union(totals, told).sinkTo(files.linesSink('/output'), { uid: 'output' });
  },
});
