// High availability on Kubernetes, against an API server that is strict: as every service, with requests and answers that are lost,
// watches that end or are too old, tokens that are replaced, rights that are missing, and objects that are removed or too large.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { MillraceError } from '../../src/base/errors.ts';
import { httpClient, type HttpClient } from '../../src/base/http-client.ts';
import { seededRandom } from '../../src/base/random.ts';
import { FreshFile } from '../../src/base/fresh-file.ts';
import { type KubernetesOptions, kubernetesServices } from '../../src/ha/kubernetes/kubernetes-services.ts';
import { claimLeadership, LEADER_KEY } from '../../src/ha/leader.ts';
import { VALUE_BYTES_MAX } from '../../src/ha/metadata-store.ts';
import { checkAll, type Client } from './conformance.ts';
import { FakeApiServer } from './fake-api-server.ts';
import { env, until } from './services.ts';

let server: FakeApiServer;
before(async (context) => {
  server = await FakeApiServer.start(context as TestContext);
});

function connect(cluster: string, options: Partial<KubernetesOptions> = {}, fake = server): Client {
  const http = httpClient(env.clock);
  let isMute = false;
  const mutable: HttpClient = {
    send: (request) =>
      isMute ? Promise.reject(new MillraceError('NETWORK_FAILED', 'cut off')) : http.send(request),
    follow: (request, follower) => (isMute ? { close: () => {} } : http.follow(request, follower)),
  };
  const services = kubernetesServices(env, mutable, {
    server: fake.url,
    token: new FreshFile(env, join(fake.serviceAccount, 'token')),
    ca: new FreshFile(env, join(fake.serviceAccount, 'ca.crt')),
    namespace: new FreshFile(env, join(fake.serviceAccount, 'namespace')),
    requestTimeoutMs: 2_000,
    retryWaitMs: 50,
    cluster,
    times: { leaseMs: 1_000, renewDeadlineMs: 800, retryMs: 100 },
    ...options,
  });
  return {
    ...services,
    die: () => {
      isMute = true;
    },
  };
}

it('does what a map would do, whoever asks; counts, guards, watches and seats', {
  timeout: 240_000,
}, async () => {
  const cases = await checkAll((name) => connect(name), until);
  console.log(`cases: kubernetes ${cases} (minimum 300)`);
  assert.ok(cases >= 300);
});

it('counts right while every third request or answer is lost', { timeout: 120_000 }, async (test) => {
  const lossy = await FakeApiServer.start(test);
  const random = seededRandom(7);
  const client = connect('lossy', {}, lossy);
  let lost = 0;
  lossy.losing = (method) => {
    if (random.int(3) > 0) return 'nothing';
    lost++;
    return method === 'GET' || random.int(2) === 0 ? 'request' : 'answer';
  };
  const persistently = async <T>(work: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        assert.equal((error as MillraceError).code, 'HA_UNAVAILABLE');
      }
    }
  };
  // Each value is written once, though its writer is not always told (MS-4): it reads, and goes on from there.
  for (let count = 1; count <= 40; ) {
    const found = await persistently(() => client.store.read('count'));
    const done = Number(found?.value ?? 0);
    assert.ok(done === count - 1 || done === count, `${done} after ${count - 1}`);
    if (done === count) count++;
    if (count > 40) break;
    const change = { key: 'count', value: String(count), expected: found?.revision };
    if (done === count - 1) await client.store.change(change).catch(() => undefined);
  }
  assert.ok(lost > 20, `${lost} were lost`);
  client.close();
});

it('a watch that ends, or is too old, is taken up again, and nothing is missed', {
  timeout: 60_000,
}, async () => {
  const [watching, writing] = [connect('watched'), connect('watched')];
  const seen: string[] = [];
  const watch = watching.store.watch('key', () => {
    void watching.store.read('key').then((entry) => entry && seen.push(entry.value));
  });
  let revision: string | undefined;
  const write = async (value: string): Promise<void> => {
    const outcome = await writing.store.change({ key: 'key', value, expected: revision });
    assert.ok(outcome.kind === 'changed');
    ({ revision } = outcome);
    await until(() => seen.at(-1) === value);
  };
  await write('first');
  server.endWatches();
  await write('second');
  // Between a look and the watch that follows it the revision is forgotten: the watch is told so (410), and looks.
  const { tooOld } = server;
  let hasGrown = false;
  server.losing = (method, path) => {
    if (method === 'GET' && path.endsWith('/configmaps') && !hasGrown) {
      hasGrown = true;
      server.grow(20);
    }
    return 'nothing';
  };
  server.endWatches();
  await until(() => server.tooOld > tooOld);
  await write('third');
  server.losing = () => 'nothing';
  watch.close();
  for (const client of [watching, writing]) client.close();
});

it('a token that was replaced is read again; one that nobody knows is no answer', {
  timeout: 60_000,
}, async (test) => {
  const fake = await FakeApiServer.start(test);
  const client = connect('tokens', {}, fake);
  assert.equal(await client.store.read('a'), undefined);
  fake.setToken('second');
  const made = await client.store.change({ key: 'a', value: '1', expected: undefined });
  assert.equal(made.kind, 'changed');
  fake.rights.clear();
  await assert.rejects(client.store.read('a'), {
    code: 'HA_UNAVAILABLE',
    message: /status 401, Unauthorized/,
  });
  client.close();
});

it('what is not allowed is named, and the least rights are enough', { timeout: 60_000 }, async (test) => {
  const fake = await FakeApiServer.start(test);
  fake.setToken('reader', [{ resource: 'configmaps', verbs: ['get'], names: ['least-millrace-metadata'] }]);
  const client = connect('least', {}, fake);
  assert.equal(await client.store.read('a'), undefined);
  await assert.rejects(client.store.change({ key: 'a', value: '1', expected: undefined }), {
    code: 'HA_UNAVAILABLE',
    message: /status 403, configmaps "" is forbidden: cannot create/,
  });
  client.close();
});

it('a namespace that is not there is named, not taken for a conflict', { timeout: 60_000 }, async () => {
  const client = connect('nowhere', { namespace: 'elsewhere' });
  assert.equal(await client.store.read('a'), undefined);
  const asked = server.requests.length;
  await assert.rejects(client.store.change({ key: 'a', value: '1', expected: undefined }), {
    code: 'HA_UNAVAILABLE',
    message: /POST configmaps: status 404/,
  });
  assert.ok(server.requests.length - asked < 5);
  client.close();
});

it('the seat is a Lease as people know it, and passes from hand to hand', { timeout: 60_000 }, async () => {
  const lease = (): Record<string, unknown> =>
    server.object('leases', 'seat-millrace-seat')?.['spec'] as Record<string, unknown>;
  const [one, two] = [connect('seat'), connect('seat')];
  let seated = 0;
  const contend = (client: Client, candidate: string) =>
    client.seat.contend({ candidate, seated: () => void seated++, unseated: () => {} });
  const first = contend(one, 'jm-1');
  await until(() => seated === 1);
  assert.match(String(lease()['holderIdentity']), /^jm-1 /);
  assert.equal(lease()['leaseDurationSeconds'], 1);
  const { acquireTime, renewTime } = lease();
  await until(() => lease()['renewTime'] !== renewTime);
  assert.equal(lease()['acquireTime'], acquireTime);
  const second = contend(two, 'jm-2');
  await first.close();
  await until(() => seated === 2);
  assert.match(String(lease()['holderIdentity']), /^jm-2 /);
  // To nobody, and from nobody to the second.
  assert.equal(lease()['leaseTransitions'], 3);
  await second.close();
  for (const client of [one, two]) client.close();
});

it('a leader whose metadata was removed does not go on as if nothing had been', {
  timeout: 60_000,
}, async () => {
  const client = connect('removed');
  const who = { rpc: { host: '127.0.0.1', port: 1 }, rest: undefined, candidate: 'c', since: 0 };
  const first = await claimLeadership(client.store, { ...who, term: '1' });
  server.remove('configmaps', 'removed-millrace-metadata');
  const guard = { key: LEADER_KEY, revision: first.revision };
  const orphaned = await client.store.change({ key: 'jobs/a', value: '1', expected: undefined, guard });
  assert.equal(orphaned.kind, 'guarded');
  const second = await claimLeadership(client.store, { ...who, term: '2' });
  assert.equal(second.record.epoch, 1);
  // The count begins anew, and the revision is another one all the same.
  const late = await client.store.change({ key: 'jobs/a', value: '1', expected: undefined, guard });
  assert.equal(late.kind, 'guarded');
  client.close();
});

it('many entries are compressed, and more than a ConfigMap holds are refused with what was there kept', {
  timeout: 120_000,
}, async () => {
  const client = connect('large');
  const put = (key: string, value: string) => client.store.change({ key, value, expected: undefined });
  await put('small', '1');
  const map = () => server.object('configmaps', 'large-millrace-metadata')!;
  assert.match(JSON.stringify(map()['data']), /small/);
  // Like results of jobs: much the same again and again.
  const listing = JSON.stringify(Array.from({ length: 400 }, (_, index) => ({ vertex: index, name: 'map' })));
  for (let job = 0; job < 10; job++) assert.equal((await put(`results/${job}`, listing)).kind, 'changed');
  assert.equal(map()['data'], undefined);
  assert.equal((await client.store.list('results/')).length, 10);
  assert.equal((await client.store.read('results/7'))?.value, listing);
  const noise = (): string => randomBytes(VALUE_BYTES_MAX / 2).toString('hex');
  let kept = 0;
  await assert.rejects(
    async () => {
      for (; kept < 60; kept++) await put(`noise/${kept}`, noise());
    },
    { code: 'HA_METADATA_TOO_LARGE' },
  );
  assert.ok(kept > 20, `${kept} were kept`);
  assert.equal((await client.store.list('noise/')).length, kept);
  client.close();
});

it('an API server with a certificate of another issuer is not believed', {
  timeout: 60_000,
}, async (test) => {
  const other = await FakeApiServer.start(test);
  const client = connect('tls', { ca: new FreshFile(env, join(other.serviceAccount, 'ca.crt')) });
  const asked = server.requests.length;
  await assert.rejects(client.store.read('a'), { code: 'HA_UNAVAILABLE', message: /certificate|signature/ });
  // The token went nowhere.
  assert.equal(server.requests.length, asked);
  assert.match(readFileSync(join(server.serviceAccount, 'token'), 'utf8'), /first/);
  client.close();
});

it('a compressed document that would fill the memory is given up at its bound, and refused by name', async () => {
  const client = connect('bomb');
  await client.store.change({ key: 'small', value: '1', expected: undefined });
  const map = server.object('configmaps', 'bomb-millrace-metadata')!;
  // 64 KiB that are 65 MiB.
  const bomb = gzipSync(new Uint8Array(65 * 1024 * 1024)).toString('base64');
  assert.ok(bomb.length < 128 * 1024);
  map['data'] = undefined;
  map['binaryData'] = { 'entries.json.gz': bomb };
  await assert.rejects(client.store.read('small'), {
    code: 'HA_UNAVAILABLE',
    message: /ConfigMap bomb-millrace-metadata cannot be read/,
  });
  client.close();
});
