// Top N per window: the most requested pages of each hour of a web server's log, counted in parallel, ranked in one place.
import { fileURLToPath } from 'node:url';
import { files, job, tumbling, watermarks } from 'millrace';

const bundledLog = fileURLToPath(new URL('./data/access.log', import.meta.url));
// Combined log format: 198.18.0.0 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 …
const line = /^\S+ \S+ .*?\[([^:]+):([\d:]{8} [+-]\d{4})\] "\S+ (\S+)/;

function* requests(text: string) {
  const [, date = '', time, page] = line.exec(text) ?? [];
  if (page !== undefined) yield { page, at: Date.parse(`${date.replaceAll('/', ' ')} ${time}`) };
}

export default job((env, args) => {
  const input = args.string('input', bundledLog);
  const output = args.string('output', '.millrace/top-pages/output');
  const limit = args.number('top', 3);
  const size = args.duration('window', '1h');

  env
    .fromSource(files.lines(input), { uid: 'lines' })
    .flatMap(requests)
    .assignTimestampsAndWatermarks(watermarks.boundedOutOfOrderness('60s').withTimestamps(({ at }) => at))
    .keyBy('page')
    .window(tumbling(size))
    .aggregate({
      uid: 'count',
      createAccumulator: () => 0,
      add: (_request, count) => count + 1,
      result: (count) => count,
      process: ([requests = 0], { key }) => [{ page: key, requests }],
    })
    // The counts carry the last timestamp of their window, and so meet in the same window again.
    .windowAll(tumbling(size))
    .process({
      uid: 'rank',
      process: (counts, { window }) => {
        // Pages with as many requests go by name: which count came first is chance.
        const ranked = counts.toSorted((a, b) => b.requests - a.requests || (a.page < b.page ? -1 : 1));
        return [{ start: window.start, end: window.end, top: ranked.slice(0, limit) }];
      },
    })
    .sinkTo(files.jsonLinesSink(output), { uid: 'top' });
});
