// Requests to services: each ends, with an answer or NETWORK_FAILED; an answer that goes on is told line by line, and its end once.
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { httpClient, type HttpRequest } from './http-client.ts';
import { systemClock } from './clock.ts';

async function serve(context: TestContext, listener: RequestListener): Promise<URL> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as { port: number }).port}/path?a=b`);
}

function to(url: URL, more: Partial<HttpRequest> = {}): HttpRequest {
  return { method: 'GET', url, headers: {}, deadlineMs: 60_000, ...more };
}

const client = httpClient(systemClock());

/** What a follower is told, until the end. */
function followed(url: URL): Promise<{ lines: string[]; answer: unknown }> {
  const lines: string[] = [];
  return new Promise((resolve) => {
    client.follow(to(url), {
      line: (text) => void lines.push(text),
      ended: (answer) => resolve({ lines, answer }),
    });
  });
}

test('a request has its method, path, headers and body, and is answered with status and body', async (context) => {
  const url = await serve(context, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { method, url: path, headers } = request;
      response.writeHead(409);
      response.end([method, path, headers['x'], headers['content-length'], Buffer.concat(parts)].join(' '));
    });
  });
  const answer = await client.send(to(url, { method: 'PUT', headers: { x: 'y' }, body: 'é' }));
  assert.deepEqual(answer, { status: 409, body: 'PUT /path?a=b y 2 é' });
});

test('nobody there, a connection that breaks, an answer without an end or too long: all are NETWORK_FAILED', async (context) => {
  await assert.rejects(client.send(to(new URL('http://127.0.0.1:1'))), { code: 'NETWORK_FAILED' });
  const broken = await serve(context, (_, response) => {
    response.write('half');
    response.socket?.destroy();
  });
  await assert.rejects(client.send(to(broken)), { code: 'NETWORK_FAILED' });
  const endless = await serve(context, (_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(1 << 16)));
    };
    response.on('drain', more);
    more();
  });
  await assert.rejects(client.send(to(endless)), { code: 'NETWORK_FAILED', message: /too long/ });
});

test('an answer that does not come by its deadline does not come any more', async (context) => {
  const url = await serve(context, (_, response) => void response.write('begins'));
  // A clock on which the deadline is over at once.
  const clock = { timer: (_: number, run: () => void) => systemClock().timer(0, run, 'now') };
  await assert.rejects(httpClient(clock).send(to(url)), {
    code: 'NETWORK_FAILED',
    message: /no answer within 60000 ms/,
  });
});

test('lines are told as they come, however they are cut, and the end once', async (context) => {
  const url = await serve(context, (_, response) => {
    response.write('{"a":1}\n{"b"');
    setImmediate(() => {
      response.write(':2}\n\n');
      response.end('a rest');
    });
  });
  assert.deepEqual(await followed(url), { lines: ['{"a":1}', '{"b":2}'], answer: undefined });
});

test('an answer that is none is told with its status, and one that breaks ends', async (context) => {
  const refusing = await serve(context, (_, response) => {
    response.writeHead(403);
    response.end('no\nnever');
  });
  assert.deepEqual(await followed(refusing), { lines: [], answer: { status: 403, body: 'no\nnever' } });
  const broken = await serve(context, (_, response) => {
    response.write('one\ntw');
    setImmediate(() => response.socket?.destroy());
  });
  assert.deepEqual((await followed(broken)).answer, undefined);
  assert.deepEqual((await followed(new URL('http://127.0.0.1:1'))).lines, []);
});

test('who closes hears nothing more', async (context) => {
  const told: string[] = [];
  const begun = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const url = await serve(context, (request, response) => {
    response.write('one\n');
    request.once('close', () => gone.resolve());
  });
  const stream = client.follow(to(url), {
    line: (text) => {
      told.push(text);
      begun.resolve();
    },
    ended: () => void told.push('ended'),
  });
  await begun.promise;
  stream.close();
  await gone.promise;
  assert.deepEqual(told, ['one']);
});
