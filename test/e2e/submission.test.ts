// Jobs that come over HTTP: by the command line, as bundles in the shape of Flink's jars, with tokens, and over TLS.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { RestClient } from '../../src/rest/index.ts';
import { TestCluster } from './clusters.ts';
import { assertComplete } from './committed.ts';
import { bundledLog, knownAnswer } from './known-answer.ts';
import { loginsJob, millrace, temporaryFolder } from './processes.ts';

interface Said {
  readonly status: number;
  readonly body: Record<string, unknown> & { readonly errors?: readonly string[] };
}

async function say(
  url: string,
  method: string,
  { token, body }: { token?: string; body?: object } = {},
): Promise<Said> {
  const response = await fetch(url, {
    method,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Said['body'] };
}

function formOf(name: string, bytes: Uint8Array<ArrayBuffer>): FormData {
  const form = new FormData();
  form.set('jarfile', new Blob([bytes], { type: 'application/x-java-archive' }), name);
  return form;
}

it('takes jobs over HTTP from whoever has the token: by the command line, and as uploaded bundles', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 1, settings: ['-Drest.port=0'] });
  const rest = (await cluster.processes('jobmanager'))[0]!.rest!;
  const token = readFileSync(join(cluster.state, 'token'), 'utf8').trim();
  const operate = readFileSync(join(cluster.state, 'token-operate'), 'utf8').trim();
  const answer = knownAnswer();
  const args = (output: string): string[] => ['--input', bundledLog, '--output', output];

  // The command of the same user reads the token by itself; one that does not know the cluster names it.
  const first = join(cluster.cwd, 'first');
  const attached = await cluster.run('run', '--target', rest, loginsJob, '--', ...args(first));
  assert.equal(attached.code, 0, attached.output);
  assert.match(attached.output, /has ended: SUCCEEDED/);
  assertComplete(first, answer);
  const stranger = [
    'run',
    '-d',
    '--target',
    rest,
    '--state',
    join(cluster.cwd, 'other'),
    '--fresh',
    loginsJob,
  ];
  const refused = await millrace([...stranger, '--', ...args('nowhere')], { cwd: cluster.cwd });
  assert.ok(refused.code === 1 && /401 .*"submit"/.test(refused.output), refused.output);

  // Flink's routes of jars.
  const bundles = join(cluster.cwd, '.millrace', 'bundles');
  const [bundle] = readdirSync(bundles).filter((name) => /^[0-9a-f]{16}$/.test(name));
  const bytes = new Uint8Array(readFileSync(join(bundles, bundle!, 'abnormal-logins.mjs')));
  const upload = `${rest}/jars/upload`;
  assert.equal((await say(upload, 'POST', { body: formOf('job.mjs', bytes) })).status, 401);
  assert.equal((await say(upload, 'POST', { token: operate, body: formOf('job.mjs', bytes) })).status, 403);
  for (const [name, content, why] of [
    ['../job.mjs', bytes, /no plain name/],
    ['job.jar', bytes, /no plain name/],
    ['job.mjs', new Uint8Array(Buffer.from('PK\x03\x04')), /Java archive/],
    ['job.mjs', new Uint8Array(), /empty/],
  ] as const) {
    const { status, body } = await say(upload, 'POST', { token, body: formOf(name, content) });
    assert.equal(status, 400, name);
    assert.match(body.errors![0]!, why);
  }
  const uploaded = await say(upload, 'POST', { token, body: formOf('job.mjs', bytes) });
  assert.deepEqual([uploaded.status, uploaded.body['status']], [200, 'success']);
  const id = String(uploaded.body['filename']).split('/').at(-1)!;
  const listed = await say(`${rest}/jars`, 'GET');
  assert.deepEqual(
    (listed.body['files'] as { id: string; name: string }[]).map((each) => [each.id, each.name]),
    [[id, 'job.mjs']],
  );
  const jar = `${rest}/jars/${id}`;
  const planned = await say(`${jar}/plan`, 'POST', { token });
  assert.match(JSON.stringify(planned.body), /"name":"job".*"ship_strategy":"HASH"/);
  const wrong = await say(`${jar}/run`, 'POST', { token, body: { programArgsList: ['--nonsense', '1'] } });
  assert.deepEqual([wrong.status, /^JOB_ARGUMENT_UNKNOWN: /.test(wrong.body.errors![0]!)], [400, true]);
  const second = join(cluster.cwd, 'second');
  const jobId = 'd'.repeat(32);
  const body = { programArgsList: args(second), parallelism: 2, jobId };
  const run = await say(`${jar}/run`, 'POST', { token, body });
  assert.deepEqual([run.status, run.body['jobid']], [200, jobId]);
  assert.equal((await cluster.ended(jobId)).outcome?.status, 'FINISHED');
  assertComplete(second, answer);
  assert.equal((await say(jar, 'DELETE', { token })).status, 200);
  assert.equal((await say(`${jar}/run`, 'POST', { token })).status, 404);

  // The public client.
  await assert.rejects(new RestClient(rest).submit({} as never, bytes), { message: /401/ });
  await assert.rejects(new RestClient(rest, { token }).submit({ bundleName: 'x' } as never, bytes), {
    code: 'REST_REQUEST_REFUSED',
    message: /"load" is missing/,
  });
});

it('listens elsewhere than on loopback with TLS and tokens alone, and says what is missing', async (test) => {
  const folder = temporaryFolder(test);
  const [certificate, key] = ['certificate.pem', 'key.pem'].map((name) => join(folder, name)) as [
    string,
    string,
  ];
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const about = ['-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const made = spawnSync('openssl', [...words, '-keyout', key, '-out', certificate, ...about]);
  assert.equal(made.status, 0, String(made.stderr));

  const anywhere = ['-Drest.port=0', '-Drest.bind-address=0.0.0.0', '-Drest.address=localhost'];
  await assert.rejects(
    TestCluster.start(test, { taskManagers: 1, settings: anywhere }),
    /REST_BIND_UNSAFE[\s\S]*security\.ssl\.rest\.enabled/,
  );
  const half = [...anywhere, '-Dsecurity.ssl.rest.enabled=true', `-Dsecurity.ssl.rest.key=${key}`];
  await assert.rejects(
    TestCluster.start(test, { taskManagers: 1, settings: half }),
    /security\.ssl\.rest\.certificate is missing/,
  );
  const settings = [...half, `-Dsecurity.ssl.rest.certificate=${certificate}`];
  const cluster = await TestCluster.start(test, { taskManagers: 1, settings });
  const rest = (await cluster.processes('jobmanager'))[0]!.rest!;
  assert.match(rest, /^https:\/\/localhost:\d+$/);
  // curl believes the certificate that it is given; the status is all that it prints.
  const status = (path: string, ...more: string[]): string => {
    const options = [
      '--silent',
      '--output',
      '/dev/null',
      '--write-out',
      '%{http_code}',
      '--cacert',
      certificate,
    ];
    return spawnSync('curl', [...options, ...more, `${rest}${path}`], { encoding: 'utf8' }).stdout;
  };
  const view = readFileSync(join(cluster.state, 'token-view'), 'utf8').trim();
  for (const path of ['/', '/overview', '/metrics', '/nothing']) assert.equal(status(path), '401', path);
  assert.equal(status('/overview', '--header', `Authorization: Bearer ${view}`), '200');
  assert.equal(status('/', '--user', `anybody:${view}`), '200');
  assert.equal(status(`/jobs/${'a'.repeat(32)}`, '--user', `x:${view}`, '--request', 'PATCH'), '403');
  // The command of the same user believes the certificate of its cluster, and knows its token.
  const missing = await cluster.run('checkpoint', 'a'.repeat(32));
  assert.match(missing.output, /404 NotFoundException: Job a{32} not found/);
});
