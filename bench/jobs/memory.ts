// The job of `memory`: counts so many records, each with a key of 16 characters of its own, and then waits.
import { job, type Source, type SourceSplit, state } from 'millrace';

interface Burst extends SourceSplit {
  readonly next: number;
}

export default job((env, args) => {
  env
    .setParallelism(args.number('slots'))
    .fromSource(burst(args.number('counters')), { uid: 'events', parallelism: 1 })
    .keyBy((key) => key)
    .process({
      uid: 'count',
      state: { count: state.value(0) },
      process(_key, ctx) {
        ctx.state.count.update(ctx.state.count.value() + 1);
      },
    })
    .sinkTo(
      {
        name: 'nowhere',
        guarantee: 'at-least-once',
        createWriter: () => ({ write: () => {}, prepareCommit: () => Promise.resolve([]) }),
      },
      { uid: 'nowhere' },
    );
});

/** Makes its records at once, and never ends. */
function burst(count: number): Source<string, Burst> {
  return {
    name: 'burst',
    bounded: false,
    replayable: true,
    parallelismMax: 1,
    createEnumerator: (_context, restored) => {
      let given = restored === true;
      return {
        start: () => Promise.resolve(),
        next: () => {
          if (given) return 'none';
          given = true;
          return { id: 'burst', next: 0 };
        },
        snapshot: () => given,
      };
    },
    createReader: () => {
      let next = count;
      const splits: Burst[] = [];
      return {
        addSplit(split) {
          splits.push(split);
          next = split.next;
        },
        poll(maxRecords, output) {
          if (splits.length === 0 || next === count) return 'nothing';
          output.split('burst');
          const end = Math.min(count, next + maxRecords);
          while (next < end) output.emit(`user-${String(next++).padStart(11, '0')}`);
          return 'more';
        },
        snapshot: () => splits.map((split) => ({ ...split, next })),
      };
    },
  };
}
