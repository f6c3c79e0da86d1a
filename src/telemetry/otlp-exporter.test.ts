import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../base/random.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import type { OtlpAnswer } from './http-transport.ts';
import { ATTEMPTS_MAX, OtlpExporter, QUIET_MS } from './otlp-exporter.ts';
import type { MetricsRequest } from './otlp.ts';
import type { OtlpProtocol } from './settings.ts';

const NOTHING: MetricsRequest = { resourceMetrics: [] };
const OK: OtlpAnswer = answer(200, '{}');

function answer(status: number, body = '', retryAfterMs?: number): OtlpAnswer {
  return { status, retryAfterMs, contentType: 'application/json', body: Buffer.from(body) };
}

/** An exporter whose collector answers as it is told: an answer, or an error of the network. */
function start(answers: (OtlpAnswer | Error)[], protocol: OtlpProtocol = 'http/json') {
  const clock = new ManualClock();
  const told: string[] = [];
  const sent: { at: number; body: Uint8Array; headers: Readonly<Record<string, string>> }[] = [];
  const exporter = new OtlpExporter({
    signal: 'metrics',
    settings: {
      url: new URL('http://user:s3cret@collector:4318/v1/metrics?key=s3cret'),
      protocol,
      headers: { 'api-key': 's3cret' },
      isCompressed: false,
    },
    transport: {
      post: async (body, headers) => {
        sent.push({ at: clock.now(), body, headers });
        const next = answers.shift() ?? OK;
        if (next instanceof Error) throw next;
        return next;
      },
      close: () => {},
    },
    env: { clock, random: seededRandom('exporter') },
    warn: (error) => void told.push(`${error.code}: ${error.message}`),
    info: (text) => void told.push(text),
  });
  return { clock, told, sent, exporter };
}

/** Lets what waits for nothing but promises go on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

test('sends with the headers of the settings and the type of the protocol', async () => {
  for (const [protocol, type] of [
    ['http/json', 'application/json'],
    ['http/protobuf', 'application/x-protobuf'],
  ] as const) {
    const { exporter, sent } = start([OK], protocol);
    await exporter.send(NOTHING, 3);
    assert.deepEqual(sent[0]?.headers, { 'api-key': 's3cret', 'content-type': type });
    assert.deepEqual(exporter.counts, { sent: 3, dropped: 0, failedRequests: 0 });
  }
});

test('sends again, with growing pauses, what may go better; then drops and counts it', async () => {
  const down = new Error('connect ECONNREFUSED');
  const { exporter, sent, clock, told } = start([down, answer(503), answer(429), down, answer(502)]);
  const ended = exporter.send(NOTHING, 5);
  for (let second = 0; second < 120; second += 1) {
    await settle();
    clock.advance(1_000);
  }
  await ended;
  assert.equal(sent.length, ATTEMPTS_MAX);
  const pauses = sent.slice(1).map(({ at }, index) => at - sent[index]!.at);
  for (const [index, pause] of pauses.entries()) {
    assert.ok(
      pause >= 500 * 2 ** index && pause <= 1_000 * 2 ** index + 1_000,
      `pause ${index}: ${pause} ms`,
    );
  }
  assert.deepEqual(exporter.counts, { sent: 0, dropped: 5, failedRequests: ATTEMPTS_MAX });
  assert.deepEqual(told, [
    'TELEMETRY_UNDELIVERED: metrics do not reach http://collector:4318/v1/metrics: connect ECONNREFUSED. What cannot be sent is dropped',
  ]);
});

test('waits as long as the collector asks', async () => {
  const { exporter, sent, clock } = start([answer(429, '', 20_000)]);
  const ended = exporter.send(NOTHING, 1);
  await settle();
  clock.advance(19_999);
  await settle();
  assert.equal(sent.length, 1);
  clock.advance(1);
  await ended;
  assert.equal(sent.length, 2);
  assert.deepEqual(exporter.counts, { sent: 1, dropped: 0, failedRequests: 1 });
});

test('what is refused is not sent again', async () => {
  for (const status of [400, 401, 404, 500]) {
    const { exporter, sent, told } = start([answer(status, '{"message":"no\nsuch tenant"}')]);
    await exporter.send(NOTHING, 2);
    assert.equal(sent.length, 1);
    assert.deepEqual(exporter.counts, { sent: 0, dropped: 2, failedRequests: 1 });
    assert.match(told[0]!, new RegExp(`it answers ${status} \\(\\{"message":"no such tenant"\\}\\)`));
  }
});

test('an outage is told once, and once when it is over, with what it cost', async () => {
  const { exporter, told, clock } = start([answer(400), answer(400), OK, answer(400), OK, answer(400), OK]);
  for (let request = 0; request < 5; request += 1) await exporter.send(NOTHING, 2);
  assert.equal(told.length, 2, told.join('\n'));
  assert.equal(told[1], 'metrics are exported again; 4 were dropped meanwhile');
  assert.deepEqual(exporter.counts, { sent: 4, dropped: 6, failedRequests: 3 });
  clock.advance(QUIET_MS);
  for (let request = 0; request < 2; request += 1) await exporter.send(NOTHING, 2);
  assert.equal(told.length, 4);
});

test('counts what a collector rejects of a request that it takes', async () => {
  const partial = '{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}';
  const { exporter, told } = start([answer(200, partial), answer(200, 'not JSON')]);
  await exporter.send(NOTHING, 10);
  assert.deepEqual(exporter.counts, { sent: 7, dropped: 3, failedRequests: 0 });
  assert.match(told[0]!, /it rejects some: too old/);
  await exporter.send(NOTHING, 10);
  assert.deepEqual(exporter.counts, { sent: 17, dropped: 3, failedRequests: 0 });
});

test('a pause ends when it closes, and what fails then is not sent again', async () => {
  const { exporter, sent } = start([new Error('down'), new Error('down')]);
  const ended = exporter.send(NOTHING, 1);
  await settle();
  exporter.close();
  await ended;
  assert.equal(sent.length, 2);
  assert.deepEqual(exporter.counts, { sent: 0, dropped: 1, failedRequests: 2 });
});

test('a message that cannot be written is dropped, and nothing is thrown', async () => {
  const { exporter, told } = start([], 'http/protobuf');
  await exporter.send({ nonsense: 1 } as unknown as MetricsRequest, 1);
  assert.equal(exporter.counts.dropped, 1);
  assert.match(told[0]!, /no message of the protocol has a field "nonsense"/);
});
