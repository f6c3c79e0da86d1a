// Absence of a heartbeat: an alert when a device was not heard of for five minutes of event time. Its heartbeats are a
// session, which ends a silence after the last one; so a heartbeat out of order, within the bound, changes nothing.
import { fileURLToPath } from 'node:url';
import { files, job, session, watermarks } from 'millrace';

const bundled = fileURLToPath(new URL('./data/heartbeats.jsonl', import.meta.url));

/** A sign of life. */
export interface Heartbeat {
  readonly device: string;
  readonly at: number;
}

export default job((env, args) => {
  const input = args.string('input', bundled);
  const output = args.string('output', '.millrace/missing-heartbeats/output');
  const silence = args.duration('silence', '5m');

  env
    .fromSource(files.jsonLines<Heartbeat>(input), {
      uid: 'heartbeats',
      watermarks: watermarks
        .boundedOutOfOrderness<Heartbeat>('10s')
        .withTimestamps((beat: Heartbeat) => beat.at),
    })
    .keyBy('device')
    .window(session(silence))
    .aggregate({
      uid: 'silence',
      createAccumulator: () => 0,
      add: (_beat, count) => count + 1,
      merge: (left, right) => left + right,
      result: (count) => count,
      process: ([heartbeats], { key, window }) => [
        { device: key, lastSeen: window.end - silence, heartbeats },
      ],
    })
    .sinkTo(files.jsonLinesSink(output), { uid: 'alerts' });
});
