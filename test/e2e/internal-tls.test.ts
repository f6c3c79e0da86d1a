// A cluster whose processes encrypt what they say to each other: a job over two TaskManagers has the known answer, and whoever has
// no certificate of the cluster's issuer gets a coded error, and harms nothing.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { it } from 'node:test';
import { type CertificateFiles, Issuer } from './certificates.ts';
import { TestCluster } from './clusters.ts';
import { assertComplete } from './committed.ts';
import { bundledLog, knownAnswer } from './known-answer.ts';
import { loginsJob, millrace, temporaryFolder } from './processes.ts';

function settingsOf({ certificate, key, ca }: CertificateFiles): string[] {
  return [
    '-Dsecurity.ssl.internal.enabled=true',
    // The name that Flink users would guess is understood, too.
    `-Dsecurity.ssl.internal.cert=${certificate}`,
    `-Dsecurity.ssl.internal.key=${key}`,
    `-Dsecurity.ssl.internal.ca=${ca}`,
  ];
}

it('runs a job over encrypted connections; strangers are refused with a code, and nothing ends', {
  timeout: 240_000,
}, async (test) => {
  const folder = temporaryFolder(test);
  const issuer = new Issuer(folder);
  const settings = settingsOf(issuer.issue('node'));
  const cluster = await TestCluster.start(test, { taskManagers: 2, settings });
  const [jobManager] = await cluster.processes('jobmanager');
  const [host, port] = jobManager!.address!.split(':');

  /** A TaskManager that gives up soon, as the cluster's own secret lets it in. */
  const enter = (words: readonly string[]): ReturnType<typeof millrace> =>
    cluster.run(
      'taskmanager',
      `-Djobmanager.rpc.address=${host}`,
      `-Djobmanager.rpc.port=${port}`,
      '-Dtaskmanager.registration.timeout=2s',
      '-Dtaskmanager.resource-id=stranger',
      ...words,
    );
  const another = new Issuer(folder, 'another').issue('stranger');
  const withoutOne = await enter([]);
  assert.equal(withoutOne.code, 1, withoutOne.output);
  assert.match(withoutOne.output, /CLUSTER_UNREACHABLE/);
  const ofAnother = await enter(settingsOf(another));
  assert.equal(ofAnother.code, 1, ofAnother.output);
  assert.match(ofAnother.output, /TLS_REFUSED/);
  const believing = await enter(settingsOf({ ...another, ca: issuer.certificate }));
  assert.equal(believing.code, 1, believing.output);
  assert.match(believing.output, /TLS_REFUSED.*of another issuer, or over/s);
  const over = await enter(settingsOf(issuer.issue('over', { days: -1 })));
  assert.equal(over.code, 2, over.output);
  assert.match(over.output, /TLS_UNUSABLE.*was over on/s);

  // Plain bytes, at the port of the JobManager.
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\u0016\u0003\u0001\u0002\u0000'.repeat(1_000)]) {
    const socket = connect(Number(port), host!);
    socket.on('error', () => {});
    socket.resume();
    socket.write(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
  }
  // A client that has the token, and no certificate.
  const elsewhere = join(folder, 'elsewhere');
  mkdirSync(elsewhere);
  const client = await millrace(['list', '--state', elsewhere, '--target', `${host}:${port}`], {
    cwd: folder,
  });
  assert.equal(client.code, 1, client.output);
  assert.match(client.output, /CLUSTER_UNREACHABLE/);

  const output = join(cluster.cwd, 'alerts');
  const words = ['-p', '4', '-Dexecution.checkpointing.interval=100ms', '--', '--input', bundledLog];
  const id = await cluster.submit(loginsJob, ...words, '--output', output);
  const job = await cluster.ended(id);
  assert.equal(job.outcome?.status, 'FINISHED', JSON.stringify(job));
  assertComplete(output, knownAnswer());
  const { processes } = await cluster.status();
  const running = processes.filter(({ role, running: runs }) => role === 'taskmanager' && runs);
  assert.deepEqual(running.map(({ id: name }) => name).sort(), ['taskmanager-1', 'taskmanager-2']);
});

it('listens elsewhere than on this machine with encryption alone, and says what is missing', {
  timeout: 120_000,
}, async (test) => {
  const folder = temporaryFolder(test);
  const words = ['jobmanager', '--state', join(folder, 'state'), '-Djobmanager.rpc.address=0.0.0.0'];
  const start = (...more: string[]): ReturnType<typeof millrace> =>
    millrace([...words, '-Djobmanager.rpc.port=0', '-Drest.port=0', ...more], { cwd: folder });
  const plain = await start();
  assert.equal(plain.code, 2, plain.output);
  assert.match(plain.output, /CLUSTER_BIND_UNSAFE.*security\.ssl\.internal\.enabled/s);
  const [enabled, certificate, ...others] = settingsOf(new Issuer(folder).issue());
  const incomplete = await start(enabled!, ...others);
  assert.match(incomplete.output, /security\.ssl\.internal\.certificate is missing/);
  const cluster = await TestCluster.start(test, {
    taskManagers: 1,
    settings: [enabled!, certificate!, ...others, '-Djobmanager.rpc.address=0.0.0.0'],
  });
  const [jobManager] = await cluster.processes('jobmanager');
  assert.match(jobManager!.address!, /^0\.0\.0\.0:/);
});
