import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { ANSWER_BYTES_MAX, httpTransport, type OtlpTransport } from './http-transport.ts';

/** A collector that answers as `handle` does, and the way to it. */
async function withCollector(
  handle: RequestListener,
  use: (transport: OtlpTransport, clock: ManualClock) => Promise<void>,
): Promise<void> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const clock = new ManualClock();
  const url = new URL(`http://127.0.0.1:${(server.address() as { port: number }).port}/v1/metrics`);
  const transport = httpTransport({ url, timeoutMs: 1_000 }, clock);
  try {
    await use(transport, clock);
  } finally {
    transport.close();
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  }
}

test('posts bytes with their headers, and reads status, pause and body', async () => {
  const seen: unknown[] = [];
  await withCollector(
    (request, response) => {
      const parts: Uint8Array[] = [];
      request.on('data', (part: Uint8Array) => parts.push(part));
      request.on('end', () => {
        seen.push(request.method, request.url, request.headers['api-key'], Buffer.concat(parts).toString());
        response.writeHead(429, { 'retry-after': '7', 'content-type': 'application/json' }).end('{}');
      });
    },
    async (transport) => {
      const answer = await transport.post(Buffer.from('bytes'), { 'api-key': 'k' });
      assert.deepEqual(seen, ['POST', '/v1/metrics', 'k', 'bytes']);
      assert.deepEqual(
        [answer.status, answer.retryAfterMs, answer.contentType],
        [429, 7_000, 'application/json'],
      );
      assert.equal(Buffer.from(answer.body).toString(), '{}');
    },
  );
});

test('gives up a collector that does not answer in time', async () => {
  let arrived = (): void => {};
  const hasArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  await withCollector(
    () => arrived(),
    async (transport, clock) => {
      const answer = transport.post(Buffer.from('x'), {});
      await hasArrived;
      clock.advance(999);
      clock.advance(1);
      await assert.rejects(answer, /no answer within 1000 ms/);
    },
  );
});

test('gives up what is under way when it closes, and sends nothing more', async () => {
  let requests = 0;
  let arrived = (): void => {};
  const hasArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  await withCollector(
    () => {
      requests += 1;
      arrived();
    },
    async (transport) => {
      const answer = transport.post(Buffer.from('x'), {});
      await hasArrived;
      transport.close();
      await assert.rejects(answer, /given up/);
      await assert.rejects(transport.post(Buffer.from('x'), {}), /given up/);
      assert.equal(requests, 1);
    },
  );
});

test('reads no more of an endless answer than it has to', async () => {
  await withCollector(
    (_, response) => {
      const more = (): void => {
        if (!response.destroyed && response.write('x'.repeat(10_000))) setImmediate(more);
      };
      response.on('drain', more);
      more();
    },
    async (transport) => {
      const { body } = await transport.post(Buffer.from('x'), {});
      assert.equal(body.length, ANSWER_BYTES_MAX);
    },
  );
});

test('a header that cannot be sent is an error of its request, and shows no value', async () => {
  await withCollector(
    (_, response) => void response.end(),
    async (transport) => {
      await assert.rejects(transport.post(Buffer.from('x'), { key: 's3cret\n' }), (error: Error) => {
        assert.doesNotMatch(error.message, /s3cret/);
        return true;
      });
    },
  );
});
