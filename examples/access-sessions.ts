// Sessions of the clients of a web server: requests that follow each other within a gap, in event time, from a log whose
// lines are out of order. What comes later than the bound allows goes to a side output and is counted.
import { fileURLToPath } from 'node:url';
import { callbackSink, executionEnvironment, files, session, watermarks } from 'millrace';

const bundledLog = fileURLToPath(new URL('./data/access.log', import.meta.url));
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
// Combined log format: 198.18.0.0 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 …
const line = /^(\S+) \S+ .*?\[(\d\d)\/(\w{3})\/(\d{4}):([\d:]{8}) ([+-]\d\d)(\d\d)\] "/;

function* requests(text: string) {
  const [, client, day, month = '', year, time, hours, minutes] = line.exec(text) ?? [];
  if (client === undefined) return;
  const date = `${year}-${String(months.indexOf(month) + 1).padStart(2, '0')}-${day}`;
  yield { client, at: Date.parse(`${date}T${time}${hours}:${minutes}`) };
}

const env = executionEnvironment();
const input = env.args.string('input', bundledLog);
const output = env.args.string('output', '.millrace/access-sessions/output');
const gap = env.args.duration('gap', '30m');
const bound = env.args.duration('bound', '60s');

const sessions = env
  // One file has one order: one subtask reads it, as a second one without a file would hold event time back for a moment.
  .fromSource(files.lines(input), { uid: 'lines', parallelism: 1 })
  .flatMap(requests)
  .setParallelism(1)
  // A watermark after each record, not every 200 ms: which records are late depends on the log and not on the machine.
  .assignTimestampsAndWatermarks(
    watermarks.punctuated<{ at: number }>(({ at }) => at - bound - 1).withTimestamps(({ at }) => at),
  )
  .setParallelism(1)
  .keyBy('client')
  .window(session(gap))
  .sideOutputLateData('late')
  .aggregate({
    uid: 'sessions',
    createAccumulator: () => 0,
    add: (_request, requestCount) => requestCount + 1,
    merge: (left, right) => left + right,
    result: (requestCount) => requestCount,
    process: ([count], { key, window }) => [
      { client: key, start: window.start, end: window.end, requests: count },
    ],
  });
sessions.sinkTo(files.jsonLinesSink(output), { uid: 'output' });

let late = 0;
const counted = callbackSink<unknown>(() => void late++);
sessions.sideOutput('late').sinkTo(counted, { uid: 'late' });

await env.execute('access-sessions');
console.log(`${late} requests came too late`);
