// A JobManager under hostile HTTP: it answers or closes, never fails, never hangs, stays small, and gives no file away.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { TestCluster } from './clusters.ts';
import { eventually, seededChance } from './processes.ts';

const REQUESTS = 4_000;
const AT_ONCE = 24;
/** No request is answered, or given up, later than that; with room for a machine that does other things. */
const ANSWER_MS_MAX = 60_000;
const RSS_BYTES_MAX = 400 * 2 ** 20;
const HALF_REQUESTS = 600;

const PATHS = [
  '../../../../etc/passwd',
  '..%2f..%2f..%2fetc%2fpasswd',
  '%2e%2e/%2e%2e/etc/passwd',
  '%252e%252e%252fetc%252fpasswd',
  '..\\..\\etc\\passwd',
  '....//....//etc/passwd',
  '/etc/passwd',
  '%00',
  'a%00.txt',
  '%c0%ae%c0%ae/etc/passwd',
  '%',
  '%zz',
  '..;/etc/passwd',
  'file:///etc/passwd',
  '~root/.ssh/id_rsa',
  '__proto__',
  'constructor',
  'prototype/polluted',
  '\u202e',
  "' OR 1=1 --",
  '$(id)',
  '`id`',
  '{{7*7}}',
  '<script>alert(1)</script>',
  'x'.repeat(7_000),
  '0'.repeat(400),
  '-1',
  '1e309',
  'NaN',
];

const BODIES = [
  '',
  '{',
  'null',
  '[]',
  '"text"',
  '1e999',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"target-directory":"/etc","cancel-job":"yes"}',
  '{"targetDirectory":{"toString":1},"drain":[]}',
  '['.repeat(50_000),
  `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
  `{"text":"${'x'.repeat(100_000)}"}`,
  '\u0000\u0001\u0002',
  '\ufeff{}',
];

interface Asked {
  readonly method: string;
  readonly path: string;
}

/** What came back of bytes that were sent: all of it, until the server closed. */
function exchange(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1');
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end within ${ANSWER_MS_MAX} ms of: ${bytes.toString('latin1').slice(0, 300)}`));
    }, ANSWER_MS_MAX);
    socket.setEncoding('latin1');
    socket.on('connect', () => socket.end(bytes));
    socket.on('data', (text: string) => {
      answer += text;
      // A stream of events never ends by itself.
      if (answer.includes('text/event-stream') || answer.length > 4 << 20) socket.destroy();
    });
    // Closed in the middle of what it did not want to read.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

function request({ method, path }: Asked, headers: readonly string[], body: string): Buffer {
  const length = Buffer.byteLength(body);
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    ...headers,
    ...(length > 0 ? [`Content-Length: ${length}`] : []),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'utf8');
}

describe('the REST interface of a JobManager', () => {
  it('answers or refuses whatever is sent to it', { timeout: 600_000 }, async (test) => {
    const seed = Number(process.env['SEED'] ?? 4);
    test.diagnostic(`SEED=${seed}`);
    const chance = seededChance(seed);
    const draw = (bound: number): number => Math.floor(chance() * bound);
    const pick = <T>(from: readonly T[]): T => from[draw(from.length)]!;
    const cluster = await TestCluster.start(test, { taskManagers: 1, settings: ['-Drest.port=0'] });
    const [jobManager] = await cluster.processes('jobmanager');
    const port = Number(new URL(jobManager!.rest!).port);
    const document = (await (await fetch(`http://127.0.0.1:${port}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method): Asked => ({ method: method.toUpperCase(), path })),
    );
    // This one may be asked by whoever operates, and then there is nobody left to ask.
    const asked = routes.filter(({ method, path }) => !(method === 'DELETE' && path.endsWith('/cluster')));
    assert.ok(asked.length > 60, 'the document names the routes');

    const hostile = (): Buffer => {
      const { method, path } = pick(asked);
      const filled = path.replaceAll(/\{\w+\}/g, () => pick([...PATHS, 'f'.repeat(32), '0', 'a']));
      const query =
        draw(3) === 0 ? `?${pick(['path', 'get', 'subtasks', 'maxSize', 'a'])}=${pick(PATHS)}` : '';
      const headers = [
        ...(draw(4) === 0 ? [pick(['Host: evil.example', 'Host: localhost:1', 'Host:'])] : []),
        ...(draw(4) === 0
          ? [pick(['Origin: http://evil.example', 'Origin: null', 'Sec-Fetch-Site: cross-site'])]
          : []),
        ...(draw(6) === 0 ? [`Authorization: Bearer ${pick(PATHS)}`.replaceAll('\u202e', '')] : []),
        ...(draw(8) === 0
          ? [
              pick([
                'Transfer-Encoding: chunked',
                'Transfer-Encoding: gzip, chunked',
                'Expect: 100-continue',
                'Upgrade: websocket',
                'Content-Length: 99999999999',
                'Content-Length: -1',
                'Content-Encoding: gzip',
              ]),
            ]
          : []),
        ...(draw(12) === 0
          ? Array.from({ length: draw(300) }, (_, index) => `X-${index}: ${'y'.repeat(draw(100))}`)
          : []),
        ...(draw(12) === 0 ? [`X-Long: ${'z'.repeat(draw(70_000))}`] : []),
      ];
      const bytes = request(
        {
          method:
            draw(6) === 0 ? pick(['GET', 'POST', 'PATCH', 'PUT', 'TRACE', 'CONNECT', 'get', 'X']) : method,
          path: `${filled}${query}`,
        },
        headers,
        draw(2) === 0 ? pick(BODIES) : '',
      );
      for (let flips = draw(3) === 0 ? draw(8) : 0; flips > 0; flips--) bytes[draw(bytes.length)] = draw(256);
      return draw(10) === 0 ? bytes.subarray(0, draw(bytes.length)) : bytes;
    };

    const statuses = new Map<string, number>();
    let sent = 0;
    const send = async (): Promise<void> => {
      while (sent < REQUESTS) {
        sent++;
        const bytes = hostile();
        const answer = await exchange(port, bytes);
        const status = answer === '' ? 'closed' : (/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 'no HTTP');
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        const what = bytes.toString('latin1').slice(0, 500);
        assert.doesNotMatch(status, /^(?:500|no HTTP)$/, `${answer.slice(0, 500)}\nto: ${what}`);
        assert.doesNotMatch(
          answer,
          /root:x:0:0|"polluted":true,"|OPENSSH PRIVATE KEY/,
          `a file for: ${what}`,
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, send));
    console.log(`cases: hostile requests ${sent} (minimum ${REQUESTS})`);
    console.log(
      `answers: ${[...statuses]
        .toSorted(([left], [right]) => (left < right ? -1 : 1))
        .map(([status, count]) => `${status} ${count}`)
        .join(', ')}`,
    );
    for (const status of ['200', '400', '403', '404', '405'])
      assert.ok(statuses.has(status), `${status} is among them`);

    const overview = await fetch(`http://127.0.0.1:${port}/v1/overview`);
    assert.equal(overview.status, 200);
    assert.ok(rssOf(jobManager!.pid) < RSS_BYTES_MAX, `${rssOf(jobManager!.pid)} bytes`);
  });

  it('gives up half a request, and serves again', { timeout: 300_000 }, async (test) => {
    const cluster = await TestCluster.start(test, { taskManagers: 1, settings: ['-Drest.port=0'] });
    const [jobManager] = await cluster.processes('jobmanager');
    const port = Number(new URL(jobManager!.rest!).port);
    let open = 0;
    const sockets = Array.from({ length: HALF_REQUESTS }, (): Socket => {
      const socket = connect(port, '127.0.0.1', () => socket.write('GET /v1/overview HTTP/1.1\r\nHost: loc'));
      open++;
      socket.on('error', () => undefined);
      socket.on('close', () => open--);
      socket.resume();
      return socket;
    });
    // Nothing more is sent: it is the server that closes.
    await eventually(() => open === 0, `${HALF_REQUESTS} half requests are given up`, 120_000);
    for (const socket of sockets) socket.destroy();
    assert.equal((await fetch(`http://127.0.0.1:${port}/v1/overview`)).status, 200);
    assert.ok(rssOf(jobManager!.pid) < RSS_BYTES_MAX);
  });
});

function rssOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kilobytes) * 1024;
}
