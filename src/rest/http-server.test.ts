import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { recordingLog } from '../base/log.ts';
import { systemEnv } from '../base/system-env.ts';
import { BODY_BYTES_MAX, listen, type Listening, type RestBind } from './http-server.ts';
import { accepted, ok, Refusal, type Route, Router } from './router.ts';

const log = recordingLog();
const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/things/:id', role: 'view', summary: '', handle: ({ params }) => ok(params) },
  { method: 'GET', path: '/things/all', role: 'view', summary: '', handle: () => ok('all') },
  {
    method: 'POST',
    path: '/things',
    role: 'operate',
    summary: '',
    handle: ({ body }) => accepted(body ?? null),
  },
  { method: 'POST', path: '/code', role: 'submit', summary: '', handle: () => accepted() },
  { method: 'GET', path: '/looks', role: 'view', summary: '', handle: ({ mayAct }) => ok(mayAct) },
  { method: 'GET', path: '/acts', role: 'operate', onlyForPage: true, summary: '', handle: () => accepted() },
  {
    method: 'GET',
    path: '/broken',
    role: 'view',
    summary: '',
    handle: () => {
      throw new Error('boom');
    },
  },
  {
    method: 'GET',
    path: '/refused',
    role: 'view',
    summary: '',
    handle: () => {
      throw new Refusal(409, 'not now');
    },
  },
];

async function withServer(use: (server: Listening) => Promise<void>, bind?: RestBind): Promise<void> {
  const env = systemEnv({ log });
  const files = async (path: string) =>
    path === '/'
      ? { kind: 'bytes' as const, status: 200, type: 'text/html', bytes: '<p>page</p>' }
      : undefined;
  const server = await listen(
    { env, router: new Router(ROUTES), files, ...(bind === undefined ? {} : { bind }) },
    0,
  );
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

function ask(
  { port }: Listening,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options;
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('the HTTP server', () => {
  it('finds routes with and without /v1, the exact one before the parameter', async () => {
    await withServer(async (server) => {
      assert.equal((await ask(server, '/v1/things/7')).text, '{"id":"7"}');
      assert.equal((await ask(server, '/things/a%20b')).text, '{"id":"a b"}');
      assert.equal((await ask(server, '/things/all')).text, '"all"');
    });
  });

  it('refuses in the shape of Flink: other methods, nothing there, what a route refuses, what breaks', async () => {
    await withServer(async (server) => {
      const said = async (path: string, method = 'GET'): Promise<unknown[]> => {
        const { status, text } = await ask(server, path, { method });
        return [status, JSON.parse(text)];
      };
      assert.deepEqual(await said('/things', 'GET'), [
        405,
        { errors: ['Method GET is not allowed here; allowed: POST'] },
      ]);
      assert.deepEqual(await said('/nothing'), [404, { errors: ['Not found: /nothing'] }]);
      assert.deepEqual(await said('/refused'), [409, { errors: ['not now'] }]);
      assert.deepEqual(await said('/broken'), [500, { errors: ['Internal server error: boom'] }]);
      assert.ok(log.lines.some(({ message }) => message === 'a route failed'));
    });
  });

  it('answers only to names of loopback, and to no page of another origin', async () => {
    await withServer(async (server) => {
      const { port } = server;
      const status = async (headers: Record<string, string>, path = '/things/1'): Promise<number> =>
        (await ask(server, path, { headers })).status;
      assert.equal(await status({ host: `localhost:${port}` }), 200);
      assert.equal(await status({ host: `[::1]:${port}` }), 200);
      for (const host of ['evil.example', `127.0.0.1.evil.example:${port}`, 'localhost.evil', '0.0.0.0']) {
        assert.equal(await status({ host }), 403, `host ${host}`);
      }
      const host = `localhost:${port}`;
      assert.equal(await status({ host, origin: `http://${host}` }), 200);
      for (const origin of ['http://evil.example', `https://${host}`, 'http://localhost:1', 'null']) {
        assert.equal(await status({ host, origin }), 403, `origin ${origin}`);
      }
      assert.equal(await status({ host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }), 403);
      const followed = { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
      assert.equal(await status(followed, '/'), 200, 'a link to the page may be followed');
      assert.equal(await status(followed, '/things/1'), 403, 'a link to a route may not');
    });
  });

  it('forbids a browser to run, frame or guess anything, and sends no header of CORS', async () => {
    await withServer(async (server) => {
      for (const path of ['/', '/things/1', '/nothing']) {
        const { headers } = await ask(server, path);
        const policy = String(headers['content-security-policy']);
        assert.match(policy, /default-src 'none'/);
        assert.doesNotMatch(policy, /unsafe/);
        assert.equal(headers['x-content-type-options'], 'nosniff');
        assert.equal(headers['referrer-policy'], 'no-referrer');
        assert.ok(Object.keys(headers).every((name) => !name.startsWith('access-control')));
      }
    });
  });

  it('reads JSON of a bounded size', async () => {
    await withServer(async (server) => {
      const post = (body: string | Buffer, headers: Record<string, string> = {}): Promise<Reply> =>
        ask(server, '/things', { method: 'POST', body, headers });
      assert.deepEqual(JSON.parse((await post('{"a":1}')).text), { a: 1 });
      assert.equal((await post('')).text, 'null');
      assert.equal((await post('{')).status, 400);
      assert.equal((await post(`"${'x'.repeat(BODY_BYTES_MAX - 2)}"`)).status, 202);
      const large = Buffer.alloc(BODY_BYTES_MAX + 1, 'x');
      assert.equal((await post(large)).status, 413);
    });
  });

  it('cuts off a body without a length that does not end', async () => {
    await withServer(async ({ port }) => {
      const socket = connect(port, '127.0.0.1');
      const closed = new Promise<string>((resolve) => {
        let text = '';
        socket.on('data', (chunk) => (text += chunk.toString('latin1')));
        socket.on('error', () => {});
        socket.on('close', () => resolve(text));
      });
      socket.write('POST /things HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
      const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
      for (let each = 0; each < 20; each += 1) socket.write(chunk);
      assert.match(await closed, /^HTTP\/1\.1 413 /);
    });
  });

  it('never decodes a path twice, and finds no way out of it', async () => {
    await withServer(async (server) => {
      assert.equal((await ask(server, '/things/%252e%252e')).text, '{"id":"%2e%2e"}');
      for (const path of ['/things/%zz', '/../../etc/passwd', '/..%2f..%2fetc%2fpasswd', '//etc/passwd']) {
        assert.equal((await ask(server, path)).status, 404, path);
      }
      assert.equal((await ask(server, `/things/${'x'.repeat(9_000)}`)).status, 414);
    });
  });

  it('wants the token of the role before a route runs', async () => {
    const tokens = { view: 'v'.repeat(64), operate: 'o'.repeat(64), submit: 's'.repeat(64) };
    await withServer(
      async (server) => {
        const status = async (path: string, authorization?: string, method = 'GET'): Promise<number> => {
          const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
          return (await ask(server, path, { method, headers })).status;
        };
        // On loopback only what brings code needs one; a wrong one is always told.
        assert.equal(await status('/things/1'), 200);
        assert.equal(await status('/things', undefined, 'POST'), 202);
        assert.equal(await status('/code', undefined, 'POST'), 401);
        assert.equal(await status('/code', `Bearer ${tokens.operate}`, 'POST'), 403);
        assert.equal(await status('/code', `Bearer ${tokens.submit}`, 'POST'), 202);
        const basic = Buffer.from(`anybody:${tokens.submit}`).toString('base64');
        assert.equal(await status('/code', `Basic ${basic}`, 'POST'), 202);
        for (const wrong of ['Bearer ', 'Bearer x', tokens.submit, 'Basic !', `Bearer ${tokens.submit}x`])
          assert.equal(await status('/things/1', wrong), 401, wrong);
      },
      { host: 'localhost', tokens },
    );
  });

  it('lets a GET that does something be asked by a script of its own page alone', async () => {
    await withServer(async (server) => {
      const status = async (headers: Record<string, string>): Promise<number> =>
        (await ask(server, '/acts', { headers })).status;
      assert.equal(await status({ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }), 202);
      assert.equal(await status({}), 405);
      assert.equal(await status({ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'no-cors' }), 405);
      assert.equal(await status({ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }), 405);
      assert.equal(await status({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }), 403);
    });
  });

  it('tells a route that anybody may look at whether it may do something for who asks', async () => {
    const tokens = { view: 'v'.repeat(64), operate: 'o'.repeat(64), submit: 's'.repeat(64) };
    const page = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' };
    await withServer(
      async (server) => {
        const looked = async (headers: Record<string, string>): Promise<unknown> =>
          (await ask(server, '/looks', { headers })).text;
        assert.equal(await looked(page), 'true');
        assert.equal(await looked({}), 'false');
        assert.equal(await looked({ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }), 'false');
        assert.equal(await looked({ ...page, authorization: `Bearer ${tokens.view}` }), 'false');
        assert.equal(await looked({ ...page, authorization: `Bearer ${tokens.operate}` }), 'true');
      },
      { host: 'localhost', tokens },
    );
  });

  it('listens elsewhere than on loopback with TLS and tokens alone', async () => {
    const env = systemEnv({ log });
    const options = { env, router: new Router([]), files: async () => undefined };
    const tokens = { view: 'v', operate: 'o', submit: 's' };
    const tls = { certificate: '', key: '' };
    for (const bind of [{ host: '0.0.0.0' }, { host: '0.0.0.0', tokens }, { host: '::', tls }])
      await assert.rejects(listen({ ...options, bind }, 0), { code: 'REST_BIND_UNSAFE' });
  });

  it('takes the next port when one is taken, or says that it cannot be had', async () => {
    await withServer(async (first) => {
      const env = systemEnv({ log });
      const options = { env, router: new Router([]), files: async () => undefined };
      const second = await listen(options, first.port, { orNext: true });
      assert.ok(second.port > first.port);
      await second.close();
      await assert.rejects(listen(options, first.port), { code: 'REST_UNAVAILABLE' });
    });
  });
});
