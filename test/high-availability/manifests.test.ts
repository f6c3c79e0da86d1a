// The manifests of deploy/kubernetes: what they refer to is there, what they run is what the command line takes, nothing has more
// rights than it needs, and as processes of this machine, with those rights, they are a cluster whose leader may be killed.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { parseArguments } from '../../src/cli/arguments.ts';
import { readConfiguration } from '../../src/cli/configuration.ts';
import { Issuer } from '../e2e/certificates.ts';
import { assertComplete, assertPrefix } from '../e2e/committed.ts';
import { eventually, loginsJob, millrace, temporaryFolder } from '../e2e/processes.ts';
import { Deployments } from '../recovery/deployments.ts';
import { answer, lines, restarts } from '../recovery/leader-kills.ts';
import { FakeApiServer } from './fake-api-server.ts';
import { type Manifest, manifestsOf, Pod, podSpecOf, type Probe, rightsOf, type Site } from './pods.ts';

const base = manifestsOf('base.yaml');
const variants = ['session-cluster.yaml', 'application.yaml'] as const;
const workloads = variants.flatMap((file) => manifestsOf(file).map((manifest) => ({ file, manifest })));

function find(kind: string, name: string): Manifest | undefined {
  return base.find((each) => each.kind === kind && each.metadata.name === name);
}

it('what they refer to is there', () => {
  assert.deepEqual(
    readdirSync(join(root, 'deploy', 'kubernetes')).toSorted(),
    ['Dockerfile', ...variants, 'base.yaml'].toSorted(),
  );
  const head = readFileSync(join(root, 'deploy', 'kubernetes', 'base.yaml'), 'utf8');
  for (const { file, manifest } of workloads) {
    const spec = podSpecOf(manifest)!;
    const where = `${file}: ${manifest.kind} ${manifest.metadata.name}`;
    const labels = manifest.spec!.template!.metadata.labels;
    const selector = manifest.spec!.selector?.['matchLabels'];
    if (manifest.kind !== 'Job') assert.deepEqual(selector, labels, where);
    assert.ok(find('ServiceAccount', spec.serviceAccountName), where);
    const used = new Set<string>();
    for (const { volumeMounts } of [...spec.initContainers, ...spec.containers]) {
      for (const { name } of volumeMounts) used.add(name);
    }
    assert.deepEqual([...used].toSorted(), spec.volumes.map(({ name }) => name).toSorted(), where);
    for (const { configMap, persistentVolumeClaim, secret, ...rest } of spec.volumes) {
      if (configMap !== undefined) assert.ok(find('ConfigMap', configMap.name), where);
      else if (persistentVolumeClaim !== undefined)
        assert.ok(find('PersistentVolumeClaim', persistentVolumeClaim.claimName), where);
      else if (secret !== undefined) assert.match(head, new RegExp(`^#   ${secret.secretName} `, 'm'), where);
      else assert.ok(rest.emptyDir, `${where}: volume ${rest.name}`);
    }
    const ports = new Set(spec.containers.flatMap(({ ports: all = [] }) => all.map(({ name }) => name)));
    const probes = spec.containers.flatMap(({ startupProbe, readinessProbe, livenessProbe }) => [
      startupProbe,
      readinessProbe,
      livenessProbe,
    ]);
    for (const probe of probes.filter((each): each is Probe => each !== undefined))
      assert.ok(probe.exec !== undefined || ports.has(probe.tcpSocket!.port), where);
    if (manifest.kind === 'StatefulSet') assert.ok(find('Service', manifest.spec!.serviceName!), where);
  }
  // Each Service reaches the pods of both variants.
  for (const { metadata, spec } of base.filter(({ kind }) => kind === 'Service')) {
    for (const file of variants) {
      const reached = workloads.filter(
        ({ file: other, manifest }) =>
          other === file &&
          Object.entries(spec!.selector!).every(
            ([key, value]) => manifest.spec!.template!.metadata.labels[key] === value,
          ),
      );
      assert.equal(reached.length, 1, `${metadata.name} in ${file}`);
    }
  }
});

it('pods have no more of the machine than they need', () => {
  for (const { file, manifest } of workloads) {
    const spec = podSpecOf(manifest)!;
    const where = `${file}: ${manifest.metadata.name}`;
    assert.equal(spec.securityContext['runAsNonRoot'], true, where);
    assert.ok(Number(spec.securityContext['runAsUser']) > 0, where);
    assert.deepEqual(spec.securityContext['seccompProfile'], { type: 'RuntimeDefault' }, where);
    for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) assert.equal(key in spec, false, where);
    for (const container of [...spec.initContainers, ...spec.containers]) {
      assert.deepEqual(
        container.securityContext,
        {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        `${where}: ${container.name}`,
      );
      assert.ok(container.resources.requests && container.resources.limits?.memory, where);
      assert.doesNotMatch(container.image, /:latest$|^[^:]*$/, where);
    }
    for (const container of spec.containers)
      assert.ok(container.startupProbe && container.readinessProbe, where);
  }
  for (const { spec } of base.filter(({ kind }) => kind === 'Service'))
    assert.equal(spec?.type ?? 'ClusterIP', 'ClusterIP');
  for (const { kind, automountServiceAccountToken } of base)
    if (kind === 'ServiceAccount') assert.equal(automountServiceAccountToken, false);
});

it('the rights are of these objects alone, and of what is done with them', () => {
  const needed = {
    'streams-jobmanager': [
      ['configmaps', ['get', 'watch', 'update'], ['streams-millrace-metadata']],
      ['configmaps', ['create'], undefined],
      ['leases', ['get', 'update'], ['streams-millrace-seat']],
      ['leases', ['create'], undefined],
    ],
    'streams-taskmanager': [['configmaps', ['get', 'watch'], ['streams-millrace-metadata']]],
  };
  for (const [name, rights] of Object.entries(needed)) {
    assert.deepEqual(
      rightsOf(find('Role', name)!).map(({ resource, verbs, names }) => [resource, verbs, names]),
      rights,
    );
  }
  assert.equal(base.filter(({ kind }) => /ClusterRole/.test(kind)).length, 0);
});

it('the command line takes their arguments, and the configuration their keys', async (test) => {
  const folder = temporaryFolder(test);
  const { data } = find('ConfigMap', 'streams-config')!;
  writeFileSync(join(folder, 'config.yaml'), data!['config.yaml']!);
  for (const { file, manifest } of workloads) {
    const [container] = podSpecOf(manifest)!.containers;
    const words = container!.args!.map((word) =>
      word.replaceAll('$(POD_IP)', '10.0.0.7').replaceAll('$(POD_NAME)', 'pod-0'),
    );
    const request = parseArguments(words, '0.0.0');
    assert.equal(request.kind, words[0], file);
    assert.ok(request.kind === 'jobmanager' || request.kind === 'taskmanager');
    const configuration = await readConfiguration({
      commandLine: request.options.configuration,
      environment: { MILLRACE_CONF_DIR: folder },
      workingDirectory: folder,
    });
    assert.deepEqual(configuration.ignoredKeys, [], file);
    assert.equal(configuration.get('security.ssl.internal.enabled'), true);
    // What is listened at is what the pod says.
    for (const { name, containerPort } of container!.ports ?? []) {
      const key = name === 'rest' ? 'rest.port' : 'high-availability.jobmanager.port';
      assert.equal(configuration.get(key), containerPort, file);
    }
    // What is written lies where something is mounted to be written.
    const writable = container!.volumeMounts.filter(({ readOnly }) => readOnly !== true);
    const written = [
      request.options.state!,
      configuration.get('high-availability.storageDir')!,
      configuration.get('execution.checkpointing.dir')!,
      configuration.get('execution.checkpointing.savepoint-dir')!,
    ];
    for (const path of written) {
      assert.ok(
        writable.some(({ mountPath }) => path.startsWith(`${mountPath}/`)),
        `${file}: ${path}`,
      );
    }
  }
});

/** A namespace with its Secrets, and the folder of the image. */
async function siteOf(test: TestContext): Promise<{ site: Site; cwd: string }> {
  const folder = temporaryFolder(test);
  const api = await FakeApiServer.start(test);
  api.rights.clear();
  const { certificate, key, ca } = new Issuer(folder).issue();
  const secret = (): string => randomBytes(32).toString('hex');
  const site: Site = {
    folder,
    api,
    base,
    secrets: {
      'streams-secrets': {
        secret: secret(),
        token: secret(),
        'token-operate': secret(),
        'token-view': secret(),
      },
      'streams-tls': {
        'tls.crt': readFileSync(certificate, 'utf8'),
        'tls.key': readFileSync(key, 'utf8'),
        'ca.crt': readFileSync(ca, 'utf8'),
      },
    },
  };
  const cwd = join(folder, 'job');
  mkdirSync(join(cwd, 'node_modules'), { recursive: true });
  return { site, cwd };
}

it('as processes they are a cluster, with these rights alone, whose leader may be killed', {
  timeout: 300_000,
}, async (test) => {
  const { site, cwd } = await siteOf(test);
  const { folder, api } = site;
  const [jobManagers, taskManagers] = manifestsOf('session-cluster.yaml');
  const pods = [jobManagers!, taskManagers!].flatMap((manifest, kind) =>
    Array.from({ length: manifest.spec!.replicas! }, (_, index) =>
      Pod.start(test, site, {
        spec: podSpecOf(manifest)!,
        name: `${manifest.metadata.name}-${index}`,
        ip: `127.0.${kind + 1}.${index + 1}`,
        cwd,
      }),
    ),
  );
  const [one, two, ...workers] = pods;
  for (const pod of [one!, two!])
    await pod.running.outputMatches(/the JobManager listens on 127\.0\.1\.\d:6123/, 60_000);
  for (const pod of workers) {
    await pod.running.outputMatches(/registered with the JobManager/, 60_000);
    assert.ok(pod.isReady());
  }
  const state = '/var/millrace/own/cluster';
  const output = join(folder, 'streams-shared', 'alerts');
  const input = join(folder, 'streams-shared', 'log');
  writeFileSync(input, lines.join('\n'));
  const words = ['--input', input, '--output', output, '--rate', `${lines.length / 15}`];
  const run = ['run', '-d', '--state', one!.path(state), loginsJob, '-p', '3', ...restarts, '--', ...words];
  const submitted = await millrace(run, { cwd });
  assert.equal(submitted.code, 0, submitted.output);
  const deployments = new Deployments(output);
  await deployments.nextAfter([0, 0], 60_000);
  const seat = api.object('leases', 'streams-millrace-seat')!['spec'] as { holderIdentity: string };
  const leader = [one!, two!].find(({ name }) => seat.holderIdentity.startsWith(`${name} `))!;
  const other = leader === one ? two! : one!;
  const before = deployments.newest();
  leader.kill();
  await deployments.nextAfter(before, 60_000);
  assert.ok(assertPrefix(output, answer) < answer.length, 'the kill came before the end');
  await eventually(
    async () => {
      const listed = await millrace(['list', '--all', '--state', other.path(state)], { cwd });
      return /abnormal-logins \(FINISHED\)/.test(listed.output);
    },
    'the job has finished',
    120_000,
  );
  assertComplete(output, answer);
  // Nothing was asked for that the rights do not give.
  assert.deepEqual(api.refused, []);
});

it('one job alone goes on in the pod that replaces the one that was lost, and ends with it', {
  timeout: 300_000,
}, async (test) => {
  const { site, cwd } = await siteOf(test);
  const { folder, api } = site;
  for (const name of ['millrace', 'esbuild', '@esbuild']) {
    const target = name === 'millrace' ? root : join(root, 'node_modules', name);
    symlinkSync(target, join(cwd, 'node_modules', name));
  }
  copyFileSync(loginsJob, join(cwd, 'job.ts'));
  copyFileSync(join(dirname(loginsJob), 'sshd.ts'), join(cwd, 'sshd.ts'));
  writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
  const output = join(folder, 'streams-shared', 'alerts');
  const input = join(folder, 'streams-shared', 'log');
  const [job, taskManagers] = manifestsOf('application.yaml');
  // As the pod has them: what is shared is mounted there.
  const shared = '/var/millrace/shared';
  const words = [
    '--',
    '--input',
    `${shared}/log`,
    '--output',
    `${shared}/alerts`,
    '--rate',
    `${lines.length / 12}`,
  ];
  const start = (name: string, ip: string): Pod => {
    const spec = podSpecOf(job!)!;
    const [container] = spec.containers;
    const args = [...container!.args!, ...restarts, ...words];
    return Pod.start(test, site, { spec: { ...spec, containers: [{ ...container!, args }] }, name, ip, cwd });
  };
  const first = start('streams-jobmanager-a', '127.0.1.1');
  await first.running.outputMatches(/the JobManager listens on/, 60_000);
  writeFileSync(input, lines.join('\n'));
  for (const index of [1, 2]) {
    const name = `streams-taskmanager-${index}`;
    Pod.start(test, site, { spec: podSpecOf(taskManagers!)!, name, ip: `127.0.2.${index}`, cwd });
  }
  const deployments = new Deployments(output);
  await deployments.nextAfter([0, 0], 60_000);
  const before = deployments.newest();
  first.kill();
  const second = start('streams-jobmanager-b', '127.0.1.2');
  await deployments.nextAfter(before, 60_000);
  assert.ok(assertPrefix(output, answer) < answer.length, 'the kill came before the end');
  const ended = await second.running.ended;
  assert.equal(ended.code, 0, ended.output);
  assertComplete(output, answer);
  assert.deepEqual(api.refused, []);
  // A pod that comes after it finds that the job has ended.
  const { data } = api.object('configmaps', 'streams-millrace-metadata')!;
  assert.match(JSON.stringify(data), /results\/\w+/);
  assert.doesNotMatch(JSON.stringify(data), /"jobs\/\w+/);
});
