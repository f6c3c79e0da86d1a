// The pods of deploy/kubernetes as processes of this machine: their commands, probes and mounts as the manifests say them, beside
// an API server that gives each service account the rights of its Role and no more.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { TestContext } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { root } from '../architecture/read.ts';
import { cleanUp, type Running, startMillrace } from '../e2e/processes.ts';
import type { FakeApiServer, Right } from './fake-api-server.ts';

/** An object of a manifest, as far as it is looked at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly replicas?: number;
    readonly serviceName?: string;
    readonly type?: string;
    /** Of a Service labels, of others `matchLabels`. */
    readonly selector?: Readonly<Record<string, unknown>>;
    readonly template?: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec };
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly {
    readonly resources: readonly Right['resource'][];
    readonly resourceNames?: readonly string[];
    readonly verbs: Right['verbs'];
  }[];
  readonly subjects?: readonly { readonly name: string }[];
  readonly roleRef?: { readonly name: string };
  readonly automountServiceAccountToken?: boolean;
}

export type Labels = Readonly<Record<string, string>>;

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
  }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly resources: { readonly requests?: object; readonly limits?: { readonly memory?: string } };
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
}

export interface Probe {
  readonly tcpSocket?: { readonly port: string };
  readonly exec?: { readonly command: readonly string[] };
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
}

export interface Volume {
  readonly name: string;
  readonly emptyDir?: object;
  readonly persistentVolumeClaim?: { readonly claimName: string };
  readonly configMap?: { readonly name: string };
  readonly secret?: {
    readonly secretName: string;
    readonly items?: readonly { readonly key: string; readonly path: string }[];
  };
}

/** The objects of a file of deploy/kubernetes. */
export function manifestsOf(name: string): Manifest[] {
  const text = readFileSync(join(root, 'deploy', 'kubernetes', name), 'utf8');
  return parseAllDocuments(text).map((document) => {
    assert.deepEqual(document.errors, [], name);
    return document.toJS() as Manifest;
  });
}

/** What pods are made from: Deployments, StatefulSets, Jobs. */
export function podSpecOf(manifest: Manifest): PodSpec | undefined {
  return manifest.spec?.template?.spec;
}

/** The rights of a Role, as the API server of the test takes them. */
export function rightsOf(role: Manifest): Right[] {
  return (role.rules ?? []).flatMap(({ resources, resourceNames, verbs }) =>
    resources.map((resource) => ({
      resource,
      verbs,
      ...(resourceNames === undefined ? {} : { names: resourceNames }),
    })),
  );
}

/** What pods have in common on this machine. */
export interface Site {
  readonly folder: string;
  readonly api: FakeApiServer;
  /** Objects of base.yaml. */
  readonly base: readonly Manifest[];
  /** Keys and values of the Secrets. */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Where a pod mounts something, and the folder of this machine that it is. */
type Paths = readonly (readonly [mount: string, folder: string])[];

/** A pod that runs. */
export class Pod {
  readonly name: string;
  readonly running: Running;
  readonly #spec: PodSpec;
  readonly #paths: Paths;

  private constructor(name: string, spec: PodSpec, paths: Paths, running: Running) {
    this.name = name;
    this.#spec = spec;
    this.#paths = paths;
    this.running = running;
  }

  /** Its init containers have ended, and its container has begun. `ip`: of loopback. */
  static start(
    test: TestContext,
    site: Site,
    { spec, name, ip, cwd }: { spec: PodSpec; name: string; ip: string; cwd: string },
  ): Pod {
    const [container] = spec.containers;
    const mounts = [...spec.initContainers, ...spec.containers].flatMap(({ volumeMounts }) => volumeMounts);
    const paths = [...new Map(mounts.map((mount) => [mount.mountPath, mount.name]))]
      .map(
        ([mount, volume]) =>
          [mount, folderOf(site, name, spec.volumes.find((each) => each.name === volume)!)] as const,
      )
      // The longer path first: it may lie in the other one.
      .toSorted(([a], [b]) => b.length - a.length);
    materialize(site, spec, paths);
    for (const { command } of spec.initContainers) {
      const [file, ...words] = command!.map((word) => here(word, paths));
      const { status, stderr } = spawnSync(file!, words, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    }
    const fields: Readonly<Record<string, string>> = { 'metadata.name': name, 'status.podIP': ip };
    const variables = Object.fromEntries(
      (container!.env ?? []).map(({ name: variable, value, valueFrom }) => [
        variable,
        here(value ?? fields[valueFrom!.fieldRef.fieldPath] ?? '', paths),
      ]),
    );
    const words = (container!.args ?? []).map((word) =>
      here(word, paths).replaceAll(/\$\((\w+)\)/g, (_, variable: string) => {
        assert.ok(variable in variables, `${variable} is set`);
        return variables[variable]!;
      }),
    );
    const running = startMillrace(words, {
      cwd,
      environment: {
        ...variables,
        KUBERNETES_SERVICE_HOST: site.api.url.hostname,
        KUBERNETES_SERVICE_PORT: site.api.url.port,
        // What kubelet mounts at the place that is the default.
        MILLRACE_HIGH_AVAILABILITY_KUBERNETES_SERVICE_ACCOUNT: accountOf(site, spec.serviceAccountName),
        // All pods have one address of this machine for it.
        MILLRACE_REST_PORT: '0',
        ...HURRIED,
      },
    });
    cleanUp(test, () => running.child.kill('SIGKILL'));
    return new Pod(name, spec, paths, running);
  }

  /** A path of the pod, on this machine. */
  path(inside: string): string {
    return here(inside, this.#paths);
  }

  /** Whether a probe that runs a command is content. */
  isReady(): boolean {
    const [file, ...words] = this.#spec.containers[0]!.readinessProbe!.exec!.command.map((word) =>
      this.path(word),
    );
    return spawnSync(file!, words).status === 0;
  }

  kill(): void {
    process.kill(this.running.child.pid!, 'SIGKILL');
  }
}

/** A test does not wait as long as a cluster would. */
const HURRIED = {
  MILLRACE_HEARTBEAT_INTERVAL: '500ms',
  MILLRACE_HEARTBEAT_TIMEOUT: '5s',
  MILLRACE_HIGH_AVAILABILITY_KUBERNETES_LEADER_ELECTION_LEASE_DURATION: '2s',
  MILLRACE_HIGH_AVAILABILITY_KUBERNETES_LEADER_ELECTION_RENEW_DEADLINE: '1500ms',
  MILLRACE_HIGH_AVAILABILITY_KUBERNETES_LEADER_ELECTION_RETRY_PERIOD: '300ms',
};

/** What a text says of the pod, as it is on this machine. */
function here(text: string, paths: Paths): string {
  const mounts = paths.map(([mount]) => mount).join('|');
  const folders = new Map(paths);
  return text.replaceAll(
    new RegExp(`(?<![\\w.])(?:${mounts})(?=/|$|[\\s"])`, 'g'),
    (mount) => folders.get(mount)!,
  );
}

function folderOf({ folder }: Site, pod: string, { name, emptyDir, persistentVolumeClaim }: Volume): string {
  if (persistentVolumeClaim !== undefined) return join(folder, persistentVolumeClaim.claimName);
  return join(folder, pod, emptyDir === undefined ? `mounted-${name}` : name);
}

/** Puts into the folders what Kubernetes would mount there. */
function materialize(
  { base, secrets }: Site,
  { volumes, containers, initContainers }: PodSpec,
  paths: Paths,
): void {
  for (const [mount, folder] of paths) {
    mkdirSync(folder, { recursive: true });
    const { name } = [...initContainers, ...containers]
      .flatMap(({ volumeMounts }) => volumeMounts)
      .find(({ mountPath }) => mountPath === mount)!;
    const { configMap, secret } = volumes.find((each) => each.name === name)!;
    if (configMap !== undefined) {
      const { data } = base.find(
        ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap.name,
      )!;
      for (const [file, text] of Object.entries(data ?? {})) {
        writeFileSync(join(folder, file), here(text, paths));
      }
    }
    if (secret === undefined) continue;
    const known = secrets[secret.secretName]!;
    const items = secret.items ?? Object.keys(known).map((key) => ({ key, path: key }));
    for (const { key, path } of items) writeFileSync(join(folder, path), known[key]!);
  }
}

/** The folder of a service account: its token has the rights of the Role that is bound to it. */
function accountOf({ folder, api, base }: Site, account: string): string {
  const place = join(folder, `account-${account}`);
  mkdirSync(place, { recursive: true });
  for (const file of ['ca.crt', 'namespace']) copyFileSync(join(api.serviceAccount, file), join(place, file));
  writeFileSync(join(place, 'token'), account);
  const binding = base.find(
    ({ kind, subjects }) => kind === 'RoleBinding' && (subjects ?? []).some(({ name }) => name === account),
  );
  assert.ok(binding !== undefined, `${account} is bound`);
  const { name } = binding.roleRef!;
  const role = base.find(({ kind, metadata }) => kind === 'Role' && metadata.name === name);
  api.rights.set(account, rightsOf(role!));
  return place;
}
