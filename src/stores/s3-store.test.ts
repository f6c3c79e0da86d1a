// S3: the rules of all stores over a model of it, and what a failing, lying or foreign server comes to.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STORE_RULES } from '../../test/stores/conformance.ts';
import { NaiveS3 } from '../../test/stores/naive-s3.ts';
import { REQUEST_FAULTS, type RequestFault } from '../../test/stores/naive-server.ts';
import { envOver, SETTINGS, storeOver } from '../../test/stores/stores-in-memory.ts';
import { FilesError, type Log } from '../base/env.ts';
import { storesOf } from '../checkpoint/stores.ts';
import { type HttpTransport, NoAnswer } from './http.ts';

for (const { says, check } of STORE_RULES) {
  test(`S3: ${says}`, async () => {
    const s3 = new NaiveS3();
    s3.asksWho = true;
    const signed = { 's3.anonymous-credentials': false };
    const [store, other] = [storeOver(s3.transport(), signed), storeOver(s3.transport(), signed)];
    await check({ store, other, directory: 's3://bucket/jobs' });
    assert.equal(s3.openUploads, 0);
  });
}

/** A store whose requests that match `at` meet the faults, one after the other. */
function failing(
  s3: NaiveS3,
  at: RegExp,
  faults: RequestFault[],
  values: object = {},
): ReturnType<typeof storeOver> {
  return storeOver(
    s3.transport((request) => (at.test(request) ? faults.shift() : undefined)),
    values,
  );
}

async function errorOf(work: Promise<unknown>): Promise<FilesError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof FilesError, `not a FilesError: ${String(error)}`);
  return error;
}

test('a write whose answer was lost, that was sent twice or failed after it worked, is recognised by its token', async () => {
  for (const fault of REQUEST_FAULTS) {
    const s3 = new NaiveS3();
    await failing(s3, /^PUT/, [fault]).claim('s3://bucket/attempts/1');
    const error = await errorOf(storeOver(s3.transport()).claim('s3://bucket/attempts/1'));
    assert.equal(error.kind, 'exists', fault);
  }
});

test('a write without any answer is unknown; one that never got out is known not to have worked', async () => {
  const s3 = new NaiveS3();
  const all = (fault: RequestFault): RequestFault[] => Array.from({ length: 4 }, () => fault);
  assert.equal((await errorOf(failing(s3, /^PUT/, all('lost')).claim('s3://bucket/a'))).kind, 'unknown');
  assert.equal(
    (
      await errorOf(
        failing(s3, /^PUT/, all('failed-after'))
          .create('s3://bucket/b', new Uint8Array(1))
          .then(() => failing(s3, /./, [...all('lost')]).create('s3://bucket/c', new Uint8Array(1))),
      )
    ).kind,
    'unknown',
  );
  const refused = await errorOf(failing(s3, /^PUT/, all('refused')).claim('s3://bucket/d'));
  assert.equal(refused.kind, 'io');
  assert.match(
    refused.message,
    /claim s3:\/\/bucket\/d\/\.claim: http:\/\/s3\.test:9000 \(s3\.endpoint\) did not answer: ECONNREFUSED/,
  );
});

test('a publication that may still arrive is unknown until it is settled, and then never changes', async () => {
  const s3 = new NaiveS3();
  const publication = {
    directory: 's3://bucket/chk-1',
    name: '_metadata',
    temporary: 't',
    bytes: Uint8Array.of(1),
  };
  const store = failing(s3, /^PUT/, ['late', 'late', 'late', 'late']);
  const outcome = await store.publish(publication);
  assert.equal(outcome.kind === 'failed' && outcome.outcomeKnown, false);
  await store.settle(publication);
  const found = await store.read('s3://bucket/chk-1/_metadata');
  assert.deepEqual(found, Uint8Array.of(1));
  const before = s3.objects.get('chk-1/_metadata');
  s3.arriveLate();
  assert.equal(s3.objects.get('chk-1/_metadata'), before);
});

test('parts: a fault at any request of an upload ends in the whole object, or in an error and none', async () => {
  const bytes = new Uint8Array(11 * 1024 * 1024).map((_, index) => index * 7);
  let cases = 0;
  for (const fault of REQUEST_FAULTS) {
    for (let step = 1; ; step++) {
      const s3 = new NaiveS3();
      let count = 0;
      const store = storeOver(
        s3.transport(() => (++count === step ? fault : undefined)),
        { 's3.retry.max-num-retries': fault === 'late' ? 0 : 1 },
      );
      const failed: unknown = await store.create('s3://bucket/big', bytes).catch((error: unknown) => error);
      if (count < step) break;
      cases++;
      const found = s3.objects.get('big')?.bytes;
      if (failed === undefined) assert.equal(Buffer.compare(found!, bytes), 0, `${fault} at ${step}`);
      else if ((failed as FilesError).kind !== 'unknown')
        assert.equal(found, undefined, `${fault} at ${step}`);
    }
  }
  console.log(`cases: s3-parts ${cases} (minimum 30)`);
  assert.ok(cases >= 30);
});

test('a missing bucket is an error and never absence', async () => {
  const store = storeOver(new NaiveS3('other').transport());
  for (const work of [
    () => store.read('s3://bucket/a/b'),
    () => store.list('s3://bucket/a'),
    () => store.look('s3://bucket/a'),
    () => store.prepare('s3://bucket/a'),
    () => store.claim('s3://bucket/a'),
    () => store.remove('s3://bucket/a/b'),
  ]) {
    const error = await errorOf(work());
    assert.equal(error.kind, 'io');
    assert.match(
      error.because ?? '',
      /there is no bucket "bucket" at http:\/\/s3\.test:9000 \(s3\.endpoint\)/,
    );
  }
});

test('what a server refuses is told with its code and the key of the configuration, and without what is secret', async () => {
  const codes: readonly [number, string, string, RegExp][] = [
    [403, 'SignatureDoesNotMatch', 'denied', /s3\.access-key, s3\.secret-key.*SignatureDoesNotMatch/],
    [403, 'InvalidAccessKeyId', 'denied', /s3\.access-key, s3\.secret-key/],
    [403, 'AccessDenied', 'denied', /\(s3\.access-key\): AccessDenied/],
    [403, 'RequestTimeTooSkewed', 'io', /RequestTimeTooSkewed/],
    [301, 'PermanentRedirect', 'io', /s3\.region/],
    [400, 'AuthorizationHeaderMalformed', 'io', /s3\.region/],
    [507, 'Sp<a>m', 'io', /refused it: HTTP 507/],
  ];
  for (const [status, code, kind, because] of codes) {
    const body = `<Error><Code>${code}</Code><Message>${SETTINGS['s3.secret-key']}</Message></Error>`;
    const server: HttpTransport = () =>
      Promise.resolve({ status, headers: {}, body: new TextEncoder().encode(body) });
    const store = storeOver(server, { 's3.anonymous-credentials': false });
    for (const work of [() => store.read('s3://bucket/a'), () => store.list('s3://bucket/a')]) {
      const error = await errorOf(work());
      assert.equal(error.kind, kind, code);
      assert.match(error.because ?? '', because);
      assert.doesNotMatch(
        `${error.message} ${error.stack} ${String(error.cause)}`,
        /not-to-be-seen|AKIATEST/,
      );
    }
  }
});

test('requests are signed, name the bucket in the path where an endpoint is set, and before the host where none is', async () => {
  const seen: { readonly url: string; readonly headers: Readonly<Record<string, string>> }[] = [];
  const server: HttpTransport = ({ url, headers }) => {
    seen.push({ url: url.href, headers });
    return Promise.resolve({ status: 200, headers: {}, body: new Uint8Array() });
  };
  const signed = { 's3.anonymous-credentials': false };
  await storeOver(server, signed).claim('s3://bucket/a b');
  await storeOver(server, { ...signed, 's3.endpoint': undefined, 's3.region': 'eu-west-1' }).claim(
    's3://bucket/a',
  );
  await storeOver(server, { ...signed, 's3.path-style-access': false }).claim('s3a://bucket/a');
  await storeOver(server, { ...signed, 's3.session-token': 'for-a-while' }).claim('s3://my.bucket/a');
  assert.deepEqual(
    seen.map(({ url }) => url),
    [
      'http://s3.test:9000/bucket/a%20b/.claim',
      'https://bucket.s3.eu-west-1.amazonaws.com/a/.claim',
      'http://bucket.s3.test:9000/a/.claim',
      'http://s3.test:9000/my.bucket/a/.claim',
    ],
  );
  for (const { headers } of seen) {
    assert.match(
      headers['authorization'] ?? '',
      /^AWS4-HMAC-SHA256 Credential=AKIATEST\/20260102\/[\w-]+\/s3\/aws4_request, /,
    );
    assert.match(
      headers['authorization'] ?? '',
      /SignedHeaders=host;if-none-match;x-amz-content-sha256;x-amz-date;/,
    );
    assert.equal(headers['x-amz-date'], '20260102T000000Z');
  }
  assert.equal(seen[3]!.headers['x-amz-security-token'], 'for-a-while');
});

test('what is missing or wrong in the settings is refused by the name of its key, before anything is sent', async () => {
  const nobody: HttpTransport = () => Promise.reject(new NoAnswer('nobody', false));
  const refused = (values: object, uri = 's3://bucket/a'): Promise<unknown> =>
    storesOf(envOver(nobody, values))
      .list(uri)
      .catch((error: unknown) => error);
  const missing = (await refused({
    's3.secret-key': undefined,
    's3.anonymous-credentials': false,
  })) as Error & { code: string };
  assert.equal(missing.code, 'CONFIG_INVALID');
  assert.match(missing.message, /s3\.secret-key missing/);
  assert.match(
    String(await refused({ 's3.endpoint': 'http://ada:pw@host' })),
    /s3\.endpoint is not the address/,
  );
  assert.doesNotMatch(String(await refused({ 's3.endpoint': 'http://ada:pw@host' })), /pw/);
  assert.match(String(await refused({}, 'gs://bucket/a')), /cannot be kept at gs:\/\//);
});

test('parts of an upload that failed are removed, and where they cannot be, the log says so', async () => {
  const warnings: string[] = [];
  const log: Log = {
    debug() {},
    info() {},
    warn: (message) => warnings.push(message),
    error() {},
    child: () => log,
  };
  const s3 = new NaiveS3();
  const bytes = new Uint8Array(6 * 1024 * 1024);
  const transport = s3.transport((request) => (/partNumber/.test(request) ? 'refused' : undefined));
  await errorOf(storesOf(envOver(transport, {}, log)).create('s3://bucket/big', bytes));
  assert.equal(s3.openUploads, 0);
  const silent = s3.transport((request) => (/partNumber|^DELETE/.test(request) ? 'refused' : undefined));
  await errorOf(storesOf(envOver(silent, {}, log)).create('s3://bucket/big', bytes));
  assert.equal(warnings.length, 1);
});
