// A fast source and a sink that takes nothing until a gate opens.

import { existsSync } from 'node:fs';
import { generatorSource, job, type Sink, state } from '../../src/index.ts';

/** The gate of the sinks in this thread, and what happened at it. */
export const gate = { open: false, written: 0, generated: 0, wakeUps: [] as (() => void)[] };

const LOOK_MS = 10;

/** Shuts the gate, for another run. */
export function shutGate(): void {
  Object.assign(gate, { open: false, written: 0, generated: 0, wakeUps: [] });
}

/** Opens the gate: the sinks take everything. */
export function openGate(): void {
  gate.open = true;
  for (const wakeUp of gate.wakeUps.splice(0)) wakeUp();
}

/** `file`: opens the gate of this thread when it appears. */
function gatedSink(file: string): Sink<string> {
  return {
    name: 'gated',
    guarantee: 'at-least-once',
    createWriter: (context) => {
      gate.wakeUps.push(() => context.wakeUp());
      const look = (): void => {
        if (existsSync(file)) openGate();
        else context.clock.timer(LOOK_MS, look, 'is the gate open?');
      };
      if (file !== '') look();
      return {
        write: () => void gate.written++,
        writable: () => gate.open,
        prepareCommit: () => Promise.resolve([]),
      };
    },
  };
}

export default job({
  name: 'stopped sink',
  build: (env, args) => {
    const isPulled = args.boolean('pulled');
    const source = generatorSource(
      (index) => {
        gate.generated++;
        return index;
      },
      { splits: 2, count: args.number('count') },
    );
    const numbers = env.setParallelism(2).fromSource(source, { uid: 'numbers' });
    const twice = isPulled
      ? numbers.flatMap(function* (number) {
          yield number;
          yield number + 1;
        })
      : numbers.flatMap((number) => [number, number + 1]);
    twice
      .keyBy((number) => number % 100)
      .process({
        uid: 'count',
        state: { count: state.value(0) },
        process(number, ctx) {
          ctx.state.count.update(ctx.state.count.value() + 1);
          return [`${number} is number ${ctx.state.count.value()}`];
        },
      })
      .rebalance()
      .sinkTo(gatedSink(args.string('gate', '')), { uid: 'gated' });
  },
});
