// High availability on a real etcd: as every service, with answers that are lost, a server that stands still, users and TLS.
import assert from 'node:assert/strict';
import { before, it, type TestContext } from 'node:test';
import { MillraceError } from '../../src/base/errors.ts';
import { httpClient, type HttpClient } from '../../src/base/http-client.ts';
import { type EtcdOptions, etcdServices } from '../../src/ha/etcd/etcd-services.ts';
import { checkAll, type Client, contend } from './conformance.ts';
import { env, type Server, startEtcd, until } from './services.ts';

/** A client whose answers can be lost, and which can be cut off: nothing leaves any more, and nobody is told. */
class LossyHttp implements HttpClient {
  readonly #http = httpClient(env.clock);
  readonly #open = new Set<{ close(): void }>();
  #isMute = false;
  /** Of the next requests whose path ends so, the answer is lost. */
  losing: { readonly path: string; times: number } | undefined;

  async send(request: Parameters<HttpClient['send']>[0]): ReturnType<HttpClient['send']> {
    if (this.#isMute) throw new MillraceError('NETWORK_FAILED', 'cut off');
    const answer = await this.#http.send(request);
    const { losing } = this;
    if (losing === undefined || losing.times === 0 || !request.url.pathname.endsWith(losing.path))
      return answer;
    losing.times--;
    throw new MillraceError('NETWORK_FAILED', 'the answer was lost');
  }

  follow(...words: Parameters<HttpClient['follow']>): ReturnType<HttpClient['follow']> {
    if (this.#isMute) return { close: () => {} };
    const stream = this.#http.follow(...words);
    this.#open.add(stream);
    return stream;
  }

  mute(): void {
    this.#isMute = true;
    for (const stream of this.#open) stream.close();
  }
}

let server: Server;
before(async (context) => {
  server = await startEtcd(context as TestContext);
});

interface LossyClient extends Client {
  readonly http: LossyHttp;
}

function connect(root: string, options: Partial<EtcdOptions> = {}): LossyClient {
  const http = new LossyHttp();
  const services = etcdServices(env, http, {
    endpoints: [new URL(`http://${server.address}`)],
    root,
    tls: {},
    leaseMs: 1_000,
    requestTimeoutMs: 2_000,
    retryWaitMs: 50,
    ...options,
  });
  return { ...services, die: () => http.mute(), http };
}

it('does what a map would do, whoever asks; counts, guards, watches and seats', {
  timeout: 240_000,
}, async () => {
  const cases = await checkAll((name) => connect(`/millrace/${name}`), until);
  console.log(`cases: etcd ${cases} (minimum 300)`);
  assert.ok(cases >= 300);
});

it('a change whose answer is lost has happened, and throws; a seat is had all the same', {
  timeout: 120_000,
}, async () => {
  const client = connect('/millrace/lossy');
  client.http.losing = { path: '/kv/txn', times: 1 };
  await assert.rejects(client.store.change({ key: 'a', value: '1', expected: undefined }), {
    code: 'HA_UNAVAILABLE',
  });
  const found = await client.store.read('a');
  assert.equal(found?.value, '1');
  // Nothing was told of the revision, and the same change is refused now.
  const again = await client.store.change({ key: 'a', value: '1', expected: undefined });
  assert.equal(again.kind, 'conflict');
  for (const path of ['/lease/grant', '/kv/txn', '/kv/range', '/lease/keepalive']) {
    client.http.losing = { path, times: 1 };
    const { stand, contender } = contend(client);
    await until(() => stand.isSeated);
    await until(() => client.http.losing?.times === 0);
    assert.equal(stand.lost, undefined, path);
    await contender.close();
  }
  client.close();
});

it('a lease that is taken away ends a term, and so does a server that stands still', {
  timeout: 120_000,
}, async () => {
  const client = connect('/millrace/halted');
  const { stand } = contend(client);
  await until(() => stand.isSeated);
  const url = (path: string): string => `http://${server.address}/v3${path}`;
  const post = async (path: string, body: object): Promise<unknown> =>
    (await fetch(url(path), { method: 'POST', body: JSON.stringify(body) })).json();
  const { leases } = (await post('/lease/leases', {})) as { leases: { ID: string }[] };
  for (const { ID } of leases) await post('/lease/revoke', { ID });
  await until(() => stand.lost !== undefined);
  assert.match(stand.lost!, /lease is over/);
  const second = contend(client);
  await until(() => second.stand.isSeated);
  server.halt();
  await until(() => second.stand.lost !== undefined);
  assert.match(second.stand.lost!, /ran out/);
  await assert.rejects(client.store.read('a'), { code: 'HA_UNAVAILABLE', message: /no answer within/ });
  server.resume();
  let found: unknown = 'nothing yet';
  while (found === 'nothing yet') found = await client.store.read('a').catch(() => 'nothing yet');
  assert.equal(found, undefined);
  client.close();
});

it('an endpoint that is not there is passed over', { timeout: 60_000 }, async () => {
  const client = connect('/millrace/endpoints', {
    endpoints: [new URL('http://127.0.0.1:1'), new URL(`http://${server.address}`)],
  });
  assert.equal(await client.store.read('a'), undefined);
  const made = await client.store.change({ key: 'a', value: '1', expected: undefined });
  assert.equal(made.kind, 'changed');
  client.close();
});

it('a user with a password is let in, over TLS with certificates of both sides, and nobody else', {
  timeout: 120_000,
}, async (test) => {
  const secure = await startEtcd(test, { isSecure: true });
  const { tls } = secure;
  const endpoints = [new URL(`https://${secure.address}`)];
  const strangers = connect('/millrace/tls', { endpoints });
  await assert.rejects(strangers.store.read('a'), { code: 'HA_UNAVAILABLE', message: /certificate/ });
  const nameless = connect('/millrace/tls', { endpoints, tls: { ca: tls?.ca } });
  await assert.rejects(nameless.store.read('a'), { code: 'HA_UNAVAILABLE' });
  const known = connect('/millrace/tls', { endpoints, tls: tls! });
  assert.equal(await known.store.read('a'), undefined);
  // etcd's own way to turn on users: a root first.
  const http = httpClient(env.clock);
  const material = {
    ca: await tls!.ca!.text(),
    certificate: await tls!.certificate!.text(),
    key: await tls!.key!.text(),
  };
  const post = async (path: string, body: object): Promise<void> => {
    const answer = await http.send({
      method: 'POST',
      url: new URL(`/v3/auth${path}`, endpoints[0]),
      headers: {},
      body: JSON.stringify(body),
      deadlineMs: 5_000,
      tls: material,
    });
    assert.equal(answer.status, 200, answer.body);
  };
  await post('/user/add', { name: 'root', password: 'r' });
  await post('/role/add', { name: 'root' });
  await post('/user/grant', { user: 'root', role: 'root' });
  await post('/user/add', { name: 'mill', password: 'race' });
  await post('/role/add', { name: 'mill' });
  const [key, rangeEnd] = ['/millrace/', '/millrace0'].map((text) => Buffer.from(text).toString('base64'));
  await post('/role/grant', { name: 'mill', perm: { permType: 'READWRITE', key, range_end: rangeEnd } });
  await post('/user/grant', { user: 'mill', role: 'mill' });
  await post('/enable', {});
  const wrong = connect('/millrace/tls', { endpoints, tls: tls!, user: { name: 'mill', password: 'x' } });
  await assert.rejects(wrong.store.read('a'), { code: 'HA_UNAVAILABLE', message: /authentication failed/ });
  const user = { name: 'mill', password: 'race' };
  const right = connect('/millrace/tls', { endpoints, tls: tls!, user });
  assert.equal((await right.store.change({ key: 'a', value: '1', expected: undefined })).kind, 'changed');
  const { stand, contender } = contend(right);
  await until(() => stand.isSeated);
  await contender.close();
  const elsewhere = connect('/elsewhere', { endpoints, tls: tls!, user });
  await assert.rejects(elsewhere.store.read('a'), { code: 'HA_UNAVAILABLE', message: /permission denied/ });
  for (const client of [strangers, nameless, known, wrong, right, elsewhere]) client.close();
});
