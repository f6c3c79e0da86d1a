// Encrypted connections: who is let in and who is not, by real certificates, and that a refusal is no end of anything.
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type CertificateFiles, Issuer } from '../../test/e2e/certificates.ts';
import type { Env, Log } from './env.ts';
import type { Connection, Network, NetworkAddress } from './network.ts';
import { systemEnv } from './system-env.ts';
import { tcpNetwork } from './tcp.ts';
import { tlsNetwork } from './tls-network.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-tls-'));
const warnings: { code?: string; why?: string }[] = [];
const log: Log = {
  debug: () => {},
  info: () => {},
  warn: (_, fields) => void warnings.push(fields as { code?: string; why?: string }),
  error: () => {},
  child: () => log,
};
const env: Env = systemEnv({ log });
let own: CertificateFiles;
let stranger: CertificateFiles;
let issuer: Issuer;
let address: NetworkAddress;
let close: () => void;

/** Says again what it hears. */
function echo(connection: Connection): void {
  connection.listen({
    data: (bytes) => void connection.write(bytes),
    drained: () => {},
    closed: () => {},
  });
}

before(async () => {
  issuer = new Issuer(folder);
  own = issuer.issue('own');
  stranger = new Issuer(folder, 'another').issue('stranger');
  const listener = await tlsNetwork(env, own).listen({ host: '127.0.0.1', port: 0 }, echo);
  ({ address } = listener);
  close = () => listener.close();
});
after(() => {
  close();
  rmSync(folder, { recursive: true });
});

/** What comes back for `text`, or how that failed. */
async function said(network: Network, text: string, to = address): Promise<string> {
  const connection = await network.dial(to, 5_000);
  try {
    return await new Promise<string>((resolve, reject) => {
      let heard = '';
      connection.listen({
        data: (bytes) => {
          heard += new TextDecoder().decode(bytes);
          if (heard.length >= text.length) resolve(heard);
        },
        drained: () => {},
        closed: (error) => reject(error ?? new Error('closed')),
      });
      connection.write(new TextEncoder().encode(text));
    });
  } finally {
    connection.close();
  }
}

async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await new Promise((resolve) => setImmediate(resolve));
}

test('two ends with certificates of one issuer hear each other, much and in order', async () => {
  const text = 'a word '.repeat(200_000);
  assert.equal(await said(tlsNetwork(env, own), text), text);
  assert.equal(await said(tlsNetwork(env, issuer.issue('second')), 'hello'), 'hello');
});

for (const [name, networkOf] of [
  ['TCP', () => tcpNetwork()],
  ['TLS', () => tlsNetwork(env, own)],
] as const) {
  test(`whoever listens after the end of a connection is told of it, too (${name})`, async () => {
    const accepted = Promise.withResolvers<Connection>();
    const listener = await networkOf().listen({ host: '127.0.0.1', port: 0 }, accepted.resolve);
    const near = await networkOf().dial(listener.address, 5_000);
    const ends = [0, 0];
    const hear = (index: number): void =>
      near.listen({ data: () => {}, drained: () => {}, closed: () => void ends[index]!++ });
    hear(0);
    (await accepted.promise).close();
    await until(() => ends[0] === 1);
    hear(1);
    await until(() => ends[1] === 1);
    await new Promise(setImmediate);
    assert.deepEqual(ends, [1, 1]);
    listener.close();
  });
}

test('a certificate of another issuer is refused by both ends', async () => {
  warnings.length = 0;
  // It does not believe the listener.
  await assert.rejects(said(tlsNetwork(env, stranger), 'x'), { code: 'TLS_REFUSED', message: /certificate/ });
  // It believes the listener, which does not believe it.
  const believing = tlsNetwork(env, { ...stranger, ca: own.ca });
  await assert.rejects(said(believing, 'x'), { code: 'TLS_REFUSED', message: /of another issuer, or over/ });
  await until(() => warnings.length >= 2);
  assert.ok(warnings.every(({ code }) => code === 'TLS_REFUSED'));
  assert.ok(
    warnings.some(({ why }) => why === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
    JSON.stringify(warnings),
  );
  assert.equal(await said(tlsNetwork(env, own), 'still there'), 'still there');
});

test('a certificate that is over is refused: here at once, and there if this end does not look', async () => {
  const over = issuer.issue('over', { days: -1 });
  await assert.rejects(said(tlsNetwork(env, over), 'x'), { code: 'TLS_UNUSABLE', message: /was over on 20/ });
  warnings.length = 0;
  // A process that does not look at its own.
  const socket = connectTls({
    ...address,
    ca: read(own.ca),
    cert: read(over.certificate),
    key: read(over.key),
  });
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('close', resolve));
  await until(() => warnings.length > 0);
  assert.deepEqual(warnings, [{ code: 'TLS_REFUSED', why: 'CERT_HAS_EXPIRED' }]);
});

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

/** The clock of `env`, so much ahead. */
function aheadOf({ clock }: Env, aheadMs: () => number): Env['clock'] {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic() + aheadMs(),
    timer: (...words) => clock.timer(...words),
    defer: (...words) => clock.defer(...words),
  };
}

test('without a certificate, in plain text, or silent: the listener goes on', async () => {
  warnings.length = 0;
  // A process that does not encrypt.
  await assert.rejects(said(tcpNetwork(), 'GET / HTTP/1.0\r\n\r\n'), /closed|ECONNRESET/);
  const garbage = connect(address.port, '127.0.0.1');
  garbage.on('error', () => {});
  garbage.write(Buffer.alloc(100_000, 0x16));
  await new Promise((resolve) => garbage.once('close', resolve));
  const silent = connect(address.port, '127.0.0.1');
  silent.on('error', () => {});
  assert.equal(await said(tlsNetwork(env, own), 'still there'), 'still there');
  silent.destroy();
  await until(() => warnings.length >= 2);
  assert.ok(warnings.every(({ code }) => code === 'TLS_REFUSED'));
});

test('those that begin a handshake and say no more are bounded, and in the way of nobody for ever', async () => {
  const network = tlsNetwork(env, own, { shakingMax: 2, shakeDeadlineMs: 3_600_000 });
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, echo);
  const silent = [1, 2].map(() => connect(listener.address.port, '127.0.0.1'));
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  // One that comes too much is turned away; the others wait for as long as they may.
  await assert.rejects(said(tlsNetwork(env, own), 'x', listener.address), { code: 'TLS_REFUSED' });
  for (const socket of silent) socket.destroy();
  let heard: string | undefined;
  while (heard === undefined)
    heard = await said(tlsNetwork(env, own), 'hello', listener.address).catch(() => undefined);
  assert.equal(heard, 'hello');
  listener.close();
});

test('a listener in plain text, or none, is told apart by its code', async () => {
  const plain = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.destroy());
  });
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  const { port } = plain.address() as { port: number };
  const network = tlsNetwork(env, own);
  await assert.rejects(network.dial({ host: '127.0.0.1', port }, 5_000), { code: 'TLS_REFUSED' });
  plain.close();
  await assert.rejects(network.dial({ host: '127.0.0.1', port: 1 }, 5_000), { code: 'NETWORK_FAILED' });
});

test('files that are no good are named', async () => {
  const cases: [Partial<CertificateFiles>, RegExp][] = [
    [{ key: join(folder, 'none.key') }, /none\.key cannot be read/],
    [{ key: stranger.key }, /do not fit/],
    [{ certificate: own.key }, /do not fit/],
  ];
  for (const [files, message] of cases) {
    const network = tlsNetwork(env, { ...own, ...files });
    await assert.rejects(network.dial(address, 1_000), { code: 'TLS_UNUSABLE', message });
  }
  writeFileSync(join(folder, 'empty.pem'), '');
  await assert.rejects(tlsNetwork(env, { ...own, ca: join(folder, 'empty.pem') }).dial(address, 1_000), {
    code: 'TLS_UNUSABLE',
    message: /empty\.pem holds no certificate/,
  });
});

test('a certificate that is replaced is shown from then on, without a restart', async () => {
  const other = new Issuer(folder, 'next');
  const files = ['certificate', 'key', 'ca'] as const;
  const paths = {
    certificate: join(folder, 'live.pem'),
    key: join(folder, 'live.key'),
    ca: join(folder, 'live-ca.pem'),
  };
  const put = (from: CertificateFiles): void => {
    for (const file of files) copyFileSync(from[file], paths[file]);
  };
  put(own);
  // Time passes by hand: what was read is believed for a minute.
  let aheadMs = 0;
  const clock = aheadOf(env, () => aheadMs);
  const listener = await tlsNetwork({ ...env, clock }, paths).listen({ host: '127.0.0.1', port: 0 }, echo);
  const next = tlsNetwork(env, other.issue('next-leaf'));
  await assert.rejects(said(next, 'x', listener.address), { code: 'TLS_REFUSED' });
  put(other.issue('live-next'));
  aheadMs = 61_000;
  // The first one to come makes it look.
  let heard: string | undefined;
  for (let tries = 0; tries < 50 && heard === undefined; tries++)
    heard = await said(next, 'hello', listener.address).catch(() => undefined);
  assert.equal(heard, 'hello');
  await assert.rejects(said(tlsNetwork(env, own), 'x', listener.address), { code: 'TLS_REFUSED' });
  listener.close();
});
