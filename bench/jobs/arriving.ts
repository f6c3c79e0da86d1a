// The job of chaos runs over records that arrive by a clock: how late one in so many is behind its operator, and sinks that stand
// still as long as a file is there.
import { existsSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { threadId } from 'node:worker_threads';
import { type DataStream, files, job, type Sink, watermarks } from 'millrace';
import { count, type Counted } from '../../chaos/counting.ts';
import { SPLITS, STEP_MS } from '../../chaos/records.ts';
import { Lateness } from './lateness.ts';
import { arrivals, clockMs, type Schedule } from './schedule.ts';

const GATE_LOOKED_AT_MS = 50;

export default job((env, args) => {
  const schedule: Schedule = {
    splits: SPLITS,
    perSplit: args.number('per-split'),
    perSecond: args.number('rate'),
    beginAtMs: args.number('begin'),
  };
  const [gate, latencies] = [args.string('gate', ''), args.string('latencies', '')];
  const from = args.number('latencies-from', 0);
  const numbers = env.fromSource(arrivals(schedule), {
    uid: 'numbers',
    watermarks: watermarks.monotonous().withTimestamps(({ index }) => index * STEP_MS),
  });
  count(numbers, {
    output: args.string('output'),
    sampled: args.number('sampled'),
    perWindow: args.number('per-window'),
    ...(gate === '' ? {} : { sinkOf: (folder) => gated(files.jsonLinesSink(folder), gate) }),
    ...(latencies === '' ? {} : { watched: (records) => timed(records, { schedule, latencies, from }) }),
  });
});

/** Tells how much later than due records come by, from a moment on; a histogram for each subtask, when it is closed. */
function timed(
  records: DataStream<Counted>,
  {
    schedule,
    latencies,
    from,
  }: { readonly schedule: Schedule; readonly latencies: string; readonly from: number },
): DataStream<Counted> {
  const stepMs = (1_000 * schedule.splits) / schedule.perSecond;
  return records.process({
    uid: 'lateness',
    local: () => new Lateness(),
    process(record, { local }) {
      const dueAtMs = schedule.beginAtMs + record[3] * stepMs;
      if (dueAtMs >= from) local.add(clockMs() - dueAtMs);
      return [record];
    },
    close: ({ local }) =>
      writeFileSync(`${latencies}/${process.pid}-${threadId}.json`, JSON.stringify(local)),
  });
}

/** A sink that takes nothing while a file is there. */
function gated<T>(sink: Sink<T>, gate: string): Sink<T> {
  return {
    ...sink,
    async createWriter(context) {
      const writer = await sink.createWriter(context);
      let isOpen = !existsSync(gate);
      const looking = setInterval(() => {
        const wasOpen = isOpen;
        isOpen = !existsSync(gate);
        if (isOpen && !wasOpen) context.wakeUp();
      }, GATE_LOOKED_AT_MS);
      return {
        write: (value, timestamp) => writer.write(value, timestamp),
        writable: () => isOpen && writer.writable?.() !== false,
        prepareCommit: (checkpointId) => writer.prepareCommit(checkpointId),
        close() {
          clearInterval(looking);
          return writer.close?.();
        },
      };
    },
  };
}
