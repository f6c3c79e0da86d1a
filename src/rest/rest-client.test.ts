// A client that is sent to another server: where its token goes with it, and where not.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { type TestContext, test } from 'node:test';
import { RestClient } from './rest-client.ts';

interface Place {
  readonly url: string;
  readonly asked: { readonly path: string; readonly token: string | undefined; readonly body: string }[];
  close(): void;
}

/** A server that answers, or sends whoever asks to where `to` says. */
async function place(context: TestContext, to?: () => string): Promise<Place> {
  const asked: Place['asked'] = [];
  const server = createServer((request: IncomingMessage, response) => {
    let body = '';
    request.on('data', (part) => {
      body += String(part);
    });
    request.on('end', () => {
      const path = request.url ?? '';
      asked.push({ path, token: request.headers.authorization, body });
      if (to === undefined) return response.end('{"jobs": []}');
      response.writeHead(307, { location: `${to()}${path}` });
      return response.end('{"errors": ["elsewhere"]}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  context.after(close);
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, asked, close };
}

test('the leader that a server names is asked, with the token and the body, and from then on at once', async (context) => {
  const leader = await place(context);
  const standby = await place(context, () => leader.url);
  const client = new RestClient(standby.url, { token: 'secret' });
  await client.send('POST', '/x', { a: 1 });
  await client.get('/y');
  assert.deepEqual(leader.asked, [
    { path: '/v1/x', token: 'Bearer secret', body: '{"a":1}' },
    { path: '/v1/y', token: 'Bearer secret', body: '' },
  ]);
  assert.equal(standby.asked.length, 1);
});

test('a leader that is gone is asked for again; what may have had an effect is not said twice', async (context) => {
  let leader = await place(context);
  const standby = await place(context, () => leader.url);
  const client = new RestClient(standby.url);
  await client.get('/x');
  leader.close();
  await assert.rejects(client.send('POST', '/x', {}), { code: 'CLUSTER_UNREACHABLE' });
  leader = await place(context);
  await client.get('/x');
  leader.close();
  leader = await place(context);
  await client.get('/z');
  assert.deepEqual(
    leader.asked.map(({ path }) => path),
    ['/v1/z'],
  );
});

test('a token does not leave this machine in plain text, and nobody is sent in circles', async (context) => {
  for (const target of ['http://192.0.2.1:8081', 'ftp://127.0.0.1', 'http://']) {
    const standby = await place(context, () => target);
    await assert.rejects(new RestClient(standby.url, { token: 'secret' }).get('/x'), {
      code: 'CLUSTER_UNREACHABLE',
      message: /sends whoever asks to/,
    });
  }
  const places: Place[] = [];
  places.push(await place(context, () => places[1]!.url));
  places.push(await place(context, () => places[0]!.url));
  await assert.rejects(new RestClient(places[0]!.url).get('/x'), { message: /send each other/ });
});
