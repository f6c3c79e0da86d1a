// Credentials that a container or an instance is given: asked for in the way of each, kept, renewed, and never told.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { NaiveS3 } from '../../test/stores/naive-s3.ts';
import { envOver, impatientClock, SETTINGS } from '../../test/stores/stores-in-memory.ts';
import type { FilesError } from '../base/env.ts';
import { recordingLog } from '../base/log.ts';
import { storesOf } from '../checkpoint/stores.ts';
import { memoryFiles } from '../testing/simulated-files.ts';
import { CredentialsGiver, NoCredentials } from './given-credentials.ts';
import { type HttpAnswer, type HttpRequest, type HttpTransport, NoAnswer } from './http.ts';

const NOW = Date.UTC(2026, 0, 2);
const MINUTE = 60_000;

function answer(status: number, body: string): HttpAnswer {
  return { status, headers: {}, body: new TextEncoder().encode(body) };
}

/** A metadata service that gives a new key with each answer. */
class Metadata {
  readonly asked: string[] = [];
  /** Of what is given, ms. */
  lifeMs = 60 * MINUTE;
  given = 0;
  now = NOW;
  failing: HttpAnswer | NoAnswer | undefined;

  readonly transport: HttpTransport = ({ method, url, headers }: HttpRequest) => {
    const path = `${method} ${url.href}`;
    this.asked.push(path);
    if (this.failing instanceof NoAnswer) return Promise.reject(this.failing);
    if (this.failing !== undefined) return Promise.resolve(this.failing);
    if (url.pathname === '/latest/api/token') {
      assert.equal(method, 'PUT');
      assert.match(headers['x-aws-ec2-metadata-token-ttl-seconds']!, /^\d+$/);
      return Promise.resolve(answer(200, 'session-of-instance'));
    }
    const isInstance = url.pathname.startsWith('/latest/');
    const shown = headers[isInstance ? 'x-aws-ec2-metadata-token' : 'authorization'];
    if (shown !== (isInstance ? 'session-of-instance' : this.expects))
      return Promise.resolve(answer(401, ''));
    if (url.pathname.endsWith('/security-credentials/')) return Promise.resolve(answer(200, 'the-role\n'));
    this.given += 1;
    const document = {
      Code: 'Success',
      AccessKeyId: `KEY${this.given}`,
      SecretAccessKey: `hidden-${this.given}`,
      Token: `token-${this.given}`,
      Expiration: new Date(this.now + this.lifeMs).toISOString(),
    };
    return Promise.resolve(answer(200, JSON.stringify(document)));
  };

  /** What a container has to show. */
  expects: string | undefined;
}

function giverOf(
  metadata: Metadata,
  source: ConstructorParameters<typeof CredentialsGiver>[2],
): { giver: CredentialsGiver; files: ReturnType<typeof memoryFiles>; log: ReturnType<typeof recordingLog> } {
  const files = memoryFiles();
  const log = recordingLog();
  const clock = { ...impatientClock, now: () => metadata.now, monotonic: () => 0, defer: setImmediate };
  return { giver: new CredentialsGiver({ clock, files, log }, metadata.transport, source), files, log };
}

const INSTANCE = { kind: 'instance', url: 'http://169.254.169.254' } as const;
const CONTAINER = { kind: 'container', url: 'http://169.254.170.2/v2/credentials/abc' } as const;

test('an instance is asked for a session, its role, and the credentials of that role', async () => {
  const metadata = new Metadata();
  const { giver } = giverOf(metadata, INSTANCE);
  assert.deepEqual(await giver.current(), {
    accessKey: 'KEY1',
    secretKey: 'hidden-1',
    sessionToken: 'token-1',
  });
  assert.deepEqual(metadata.asked, [
    'PUT http://169.254.169.254/latest/api/token',
    'GET http://169.254.169.254/latest/meta-data/iam/security-credentials/',
    'GET http://169.254.169.254/latest/meta-data/iam/security-credentials/the-role',
  ]);
});

test('a container shows the token of its environment, or that of a file as it is at the moment', async () => {
  const metadata = new Metadata();
  metadata.expects = 'Bearer a';
  assert.equal(
    (await giverOf(metadata, { ...CONTAINER, token: 'Bearer a' }).giver.current()).accessKey,
    'KEY1',
  );
  const { giver, files } = giverOf(metadata, { ...CONTAINER, tokenFile: '/token' });
  const write = async (text: string): Promise<void> => {
    await files.remove('/token');
    const handle = await files.open('/token', 'create');
    await handle.write(Buffer.from(text));
    await handle.close();
  };
  await assert.rejects(giver.current(), /could not be read/);
  for (const token of ['first', 'second']) {
    metadata.expects = token;
    await write(`${token}\n`);
    const { accessKey } = await giver.current();
    assert.equal(accessKey, `KEY${metadata.given}`);
    giver.refused(await giver.current());
  }
  assert.equal(metadata.given, 3);
});

test('all who need credentials at once wait for one answer, and they are renewed before they are over', async () => {
  const metadata = new Metadata();
  const { giver } = giverOf(metadata, CONTAINER);
  const keys = async (): Promise<string[]> =>
    (await Promise.all([giver.current(), giver.current(), giver.current()])).map(
      ({ accessKey }) => accessKey,
    );
  assert.deepEqual(await keys(), ['KEY1', 'KEY1', 'KEY1']);
  metadata.now += 54 * MINUTE;
  assert.deepEqual(await keys(), ['KEY1', 'KEY1', 'KEY1']);
  metadata.now += 2 * MINUTE;
  assert.deepEqual(await keys(), ['KEY2', 'KEY2', 'KEY2']);
  assert.equal(metadata.asked.length, 2);
});

test('many whom S3 does not believe the same credentials ask for others once', async () => {
  const metadata = new Metadata();
  const { giver } = giverOf(metadata, CONTAINER);
  const before = await giver.current();
  giver.refused(before);
  const after = await giver.current();
  giver.refused(before); // Its answer comes late.
  assert.equal(await giver.current(), after);
  giver.refused(after);
  assert.equal((await giver.current()).accessKey, 'KEY3');
});

test('what cannot be renewed is used until it is over, and not a moment longer', async () => {
  const metadata = new Metadata();
  const { giver, log } = giverOf(metadata, CONTAINER);
  await giver.current();
  metadata.failing = new NoAnswer('ECONNREFUSED', false);
  metadata.now += 56 * MINUTE;
  for (let each = 0; each < 5; each++) assert.equal((await giver.current()).accessKey, 'KEY1');
  assert.equal(metadata.asked.length, 2, 'the next try has time');
  assert.deepEqual(
    log.lines.map(({ level }) => level),
    ['warn'],
  );
  metadata.now += 4 * MINUTE;
  await assert.rejects(giver.current(), (error) => error instanceof NoCredentials && !error.wasSent);
  metadata.failing = undefined;
  assert.equal((await giver.current()).accessKey, 'KEY2');
});

test('credentials that live for less than they are renewed ahead are not asked for with every request', async () => {
  const metadata = new Metadata();
  metadata.lifeMs = 2 * MINUTE;
  const { giver } = giverOf(metadata, CONTAINER);
  for (let each = 0; each < 5; each++) await giver.current();
  assert.equal(metadata.given, 1);
});

test('a service that answers something else is told of without its answer', async () => {
  const secret = 'hidden-in-an-answer';
  const answers: readonly (readonly [HttpAnswer | NoAnswer, RegExp])[] = [
    [answer(404, secret), /HTTP 404/],
    [answer(500, secret), /HTTP 500/],
    [answer(200, `<html>${secret}`), /does not answer with JSON/],
    [answer(200, 'null'), /without AccessKeyId/],
    [answer(200, JSON.stringify({ AccessKeyId: secret })), /without AccessKeyId, SecretAccessKey/],
    [
      answer(200, JSON.stringify({ AccessKeyId: 'a', SecretAccessKey: secret, Expiration: 'soon' })),
      /a date in Expiration/,
    ],
    [new NoAnswer('no answer within 2000 ms', true), /no answer within 2000 ms/],
  ];
  for (const [failing, says] of answers) {
    const metadata = new Metadata();
    metadata.failing = failing;
    const error = await giverOf(metadata, CONTAINER)
      .giver.current()
      .then(
        () => assert.fail('it gave credentials'),
        (reason: Error) => reason,
      );
    assert.ok(error instanceof NoCredentials);
    assert.match(error.message, says);
    assert.match(error.message, /169\.254\.170\.2 \(s3\.credentials-provider\)/);
    assert.doesNotMatch(`${error.message} ${error.stack}`, /hidden/);
  }
});

const WITHOUT_KEYS = {
  's3.anonymous-credentials': false,
  's3.access-key': undefined,
  's3.secret-key': undefined,
};

test('a store signs with what its container is given, and asks again when S3 does not believe it any more', async () => {
  const s3 = new NaiveS3();
  const metadata = new Metadata();
  const over = new Set<string>();
  const seen: string[] = [];
  const toS3 = s3.transport();
  const transport: HttpTransport = (request) => {
    if (request.url.hostname === '169.254.170.2') return metadata.transport(request);
    const key = /Credential=(\w+)/.exec(request.headers['authorization'] ?? '')![1]!;
    seen.push(key);
    assert.equal(request.headers['x-amz-security-token'], `token-${key.slice(3)}`);
    if (over.has(key)) return Promise.resolve(answer(400, '<Error><Code>ExpiredToken</Code></Error>'));
    return toS3(request);
  };
  const environment = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/abc' };
  const store = storesOf(envOver(transport, WITHOUT_KEYS, recordingLog(), environment));
  await store.create('s3://bucket/a', new Uint8Array([1]));
  over.add('KEY1');
  await store.create('s3://bucket/b', new Uint8Array([2]));
  assert.deepEqual(await store.read('s3://bucket/b'), new Uint8Array([2]));
  assert.deepEqual(seen, ['KEY1', 'KEY1', 'KEY2', 'KEY2']);
  // And once only: a server that believes nobody is an error, after as many tries.
  over.add('KEY2').add('KEY3').add('KEY4');
  const error = (await store.read('s3://bucket/b').catch((reason: unknown) => reason)) as FilesError;
  assert.equal(error.kind, 'denied');
  assert.match(
    error.because ?? '',
    /does not accept the credentials \(s3\.credentials-provider\): ExpiredToken/,
  );
  assert.deepEqual(seen.slice(4), ['KEY2', 'KEY3']);
});

test('a store without credentials says who gives none, and sends nothing', async () => {
  const requests: string[] = [];
  const transport: HttpTransport = ({ url }) => {
    requests.push(url.hostname);
    return Promise.reject(new NoAnswer('ECONNREFUSED', false));
  };
  const store = storesOf(envOver(transport, { ...WITHOUT_KEYS, 's3.credentials-provider': 'instance' }));
  const error = (await store.claim('s3://bucket/a').catch((reason: unknown) => reason)) as FilesError;
  assert.equal(error.kind, 'io', 'it certainly had no effect');
  assert.match(error.because ?? '', /169\.254\.169\.254 \(s3\.credentials-provider\) gives no credentials/);
  assert.deepEqual(new Set(requests), new Set(['169.254.169.254']));
});

test("settings decide who is asked, and an address that is not the platform's is refused", async () => {
  const asked = async (values: object, environment: Readonly<Record<string, string>>): Promise<string> => {
    let first: string | undefined;
    const transport: HttpTransport = ({ url }) => {
      first ??= url.hostname;
      return Promise.resolve(answer(404, ''));
    };
    const store = storesOf(envOver(transport, values, recordingLog(), environment));
    const error: unknown = await store.read('s3://bucket/a').catch((reason: unknown) => reason);
    return first ?? (error as Error).message;
  };
  const container = { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://127.0.0.1:51679/creds' };
  const signed = { 's3.anonymous-credentials': false };
  assert.equal(await asked(WITHOUT_KEYS, container), '127.0.0.1');
  assert.equal(await asked(signed, container), 's3.test', 'keys go first');
  assert.equal(await asked({ ...signed, 's3.credentials-provider': 'container' }, container), '127.0.0.1');
  assert.match(await asked({ ...WITHOUT_KEYS, 's3.credentials-provider': 'static' }, container), /missing/);
  assert.match(await asked(WITHOUT_KEYS, {}), /s3\.access-key and s3\.secret-key missing/);
  assert.match(
    await asked({ ...WITHOUT_KEYS, 's3.credentials-provider': 'container' }, {}),
    /names no address/,
  );
  for (const url of ['http://evil.example/creds', 'ftp://127.0.0.1/', 'nothing'])
    assert.match(await asked(WITHOUT_KEYS, { AWS_CONTAINER_CREDENTIALS_FULL_URI: url }), /is not one that/);
  for (const path of ['//evil.example/creds', 'http://['])
    assert.match(
      await asked(WITHOUT_KEYS, { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: path }),
      /is not one that/,
    );
  assert.equal(
    await asked(WITHOUT_KEYS, { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'https://creds.example/x' }),
    'creds.example',
  );
  assert.ok(SETTINGS['s3.access-key']);
});
