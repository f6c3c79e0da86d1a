// HTTP to a store, over loopback: what is told of a request that got no answer, and that nothing piles up on a connection.

import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { type HttpRequest, httpTransport, NoAnswer } from './http.ts';

async function served(context: TestContext, listener: RequestListener): Promise<URL> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

function get(url: URL): HttpRequest {
  return { method: 'GET', url, headers: {}, timeoutMs: 60_000 };
}

async function failureOf(work: Promise<unknown>): Promise<NoAnswer> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof NoAnswer, String(error));
  return error;
}

test('bytes and headers go both ways, over one connection that gathers no listeners', async (context) => {
  const sockets = new Set<unknown>();
  const warnings: string[] = [];
  const note = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', note);
  context.after(() => process.off('warning', note));
  const url = await served(context, (request, response) => {
    sockets.add(request.socket);
    response.setHeader('etag', '"1"');
    request.pipe(response);
  });
  const transport = httpTransport(systemClock());
  for (let index = 0; index < 30; index++) {
    const body = Uint8Array.of(index, 0, 255);
    const answer = await transport({ ...get(url), method: 'PUT', body });
    assert.deepEqual([answer.status, answer.headers['etag'], ...answer.body], [200, '"1"', ...body]);
  }
  assert.equal(sockets.size, 1);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});

test('a request that never got out is told from one whose answer was lost', async (context) => {
  const transport = httpTransport(systemClock());
  const url = await served(context, (request) => request.socket.destroy());
  assert.equal((await failureOf(transport(get(url)))).wasSent, true);
  const refused = await failureOf(transport(get(new URL('http://127.0.0.1:1/'))));
  assert.deepEqual([refused.wasSent, refused.message], [false, 'ECONNREFUSED']);
});

test('an answer that does not come, or not to its end, is over at the deadline', async (context) => {
  let deadline = (): void => assert.fail('the deadline begins with the request');
  const transport = httpTransport({
    timer: (_afterMs, run) => {
      deadline = run;
      return { cancel: () => {} };
    },
  });
  const silent = await served(context, () => deadline());
  const late = await failureOf(transport(get(silent)));
  assert.deepEqual([late.wasSent, late.message], [true, 'no answer within 60000 ms']);
  const halting = await served(context, (_request, response) => {
    response.write('a part', () => deadline());
  });
  assert.equal((await failureOf(transport(get(halting)))).wasSent, true);
  const cut = await served(context, (_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('a part', () => response.destroy());
  });
  assert.equal((await failureOf(transport(get(cut)))).wasSent, true);
});
