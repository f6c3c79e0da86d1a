// An API server of Kubernetes as far as high availability needs one, strict where the real one is: resource versions, uids, names,
// the forms of a Lease and the size of a ConfigMap, tokens and rights. It forgets old revisions, and can lose what it answers.

import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Issuer } from '../e2e/certificates.ts';
import { cleanUp, temporaryFolder } from '../e2e/processes.ts';

interface Stored {
  apiVersion: string;
  kind: string;
  metadata: { name: string; uid?: string; resourceVersion?: string; [more: string]: unknown };
  [more: string]: unknown;
}

type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'delete';

/** What a token may do: a verb, a kind, and a name where not all. */
export interface Right {
  readonly resource: 'configmaps' | 'leases';
  readonly verbs: readonly Verb[];
  /** `create` knows no names. */
  readonly names?: readonly string[];
}

const KINDS = {
  configmaps: { apiVersion: 'v1', kind: 'ConfigMap' },
  leases: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' },
} as const;
const CONFIG_MAP_BYTES_MAX = 1024 * 1024;
/** Changes that a watch can still ask for. */
const HISTORY_MAX = 8;

interface Answer {
  readonly status: number;
  readonly body: object;
}

/** See the head of the file. */
export class FakeApiServer {
  readonly url: URL;
  /** Folder as kubelet mounts it: token, ca.crt, namespace. */
  readonly serviceAccount: string;
  readonly rights = new Map<string, readonly Right[]>();
  readonly requests: string[] = [];
  /** What was asked for without the right to it. */
  readonly refused: string[] = [];
  /** Watches that were told 410. */
  tooOld = 0;
  /** Each request is decided on: lost before it has an effect, or after it. */
  losing: (method: string, path: string) => 'request' | 'answer' | 'nothing' = () => 'nothing';
  readonly #objects = new Map<string, Stored>();
  readonly #history: { readonly revision: number; readonly path: string; readonly event: object }[] = [];
  readonly #watches = new Set<{ readonly path: string; readonly response: ServerResponse }>();
  #revision = 100;
  #uids = 0;

  private constructor(url: URL, serviceAccount: string) {
    this.url = url;
    this.serviceAccount = serviceAccount;
  }

  static async start(test: TestContext): Promise<FakeApiServer> {
    const folder = temporaryFolder(test);
    const { ca, certificate, key } = new Issuer(folder).issue();
    const holder: { answer: RequestListener } = { answer: () => {} };
    const server = createServer(
      { cert: readFileSync(certificate), key: readFileSync(key) },
      (request, response) => holder.answer(request, response),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUp(test, () => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as { port: number };
    const fake = new FakeApiServer(new URL(`https://127.0.0.1:${port}`), folder);
    writeFileSync(join(folder, 'ca.crt'), readFileSync(ca));
    writeFileSync(join(folder, 'namespace'), 'streams\n');
    fake.setToken('first');
    holder.answer = (request, response) => void fake.#serve(request, response);
    return fake;
  }

  /** Only this token is known from now on; it may do everything. */
  setToken(token: string, rights: readonly Right[] = everything): void {
    this.rights.clear();
    this.rights.set(token, rights);
    writeFileSync(join(this.serviceAccount, 'token'), `${token}\n`);
  }

  /** An object as it is stored. */
  object(resource: keyof typeof KINDS, name: string): Stored | undefined {
    return this.#objects.get(`${pathOf(resource)}/${name}`);
  }

  /** As `kubectl delete` does. */
  remove(resource: keyof typeof KINDS, name: string): void {
    const path = `${pathOf(resource)}/${name}`;
    const object = this.#objects.get(path);
    if (object === undefined) return;
    this.#objects.delete(path);
    this.#changed('DELETED', path, object);
  }

  /** So many changes of something else, that watches of before are too old. */
  grow(changes: number): void {
    for (let change = 0; change < changes; change++) {
      const object = { ...KINDS.configmaps, metadata: { name: 'something-else' } };
      this.#changed('MODIFIED', `${pathOf('configmaps')}/something-else`, object);
    }
  }

  /** Ends all watches, as it does now and then. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end();
    this.#watches.clear();
  }

  get watches(): number {
    return this.#watches.size;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const part of request) text += String(part);
    const url = new URL(request.url ?? '/', this.url);
    const method = request.method ?? '';
    this.requests.push(`${method} ${url.pathname}${url.search}`);
    const fate = this.losing(method, url.pathname);
    if (fate === 'request') return void request.socket.destroy();
    const refused = this.#refusal(request, method, url);
    if (refused === undefined && url.searchParams.get('watch') === 'true') return this.#watch(url, response);
    const answer = refused ?? this.#carryOut(method, url.pathname, text);
    if (fate === 'answer') return void request.socket.destroy();
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  }

  /** Who asks, and what it may. */
  #refusal(request: IncomingMessage, method: string, url: URL): Answer | undefined {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const rights = this.rights.get(token);
    if (rights === undefined) return failure(401, 'Unauthorized');
    const found =
      /^\/(?:api\/v1|apis\/coordination\.k8s\.io\/v1)\/namespaces\/streams\/(\w+)(?:\/(.+))?$/.exec(
        url.pathname,
      );
    const resource = found?.[1];
    if (resource === undefined || !(resource in KINDS)) return failure(404, `no ${url.pathname}`);
    if (
      pathOf(resource as Right['resource']) !==
      url.pathname
        .split('/')
        .slice(0, found?.[2] ? -1 : undefined)
        .join('/')
    )
      return failure(404, `no ${url.pathname}`);
    const isWatch = url.searchParams.get('watch') === 'true';
    const verb = isWatch ? 'watch' : VERBS[method];
    const selected = /^metadata\.name=(.+)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1];
    const name = found?.[2] ?? selected;
    const may = rights.some(
      (right) =>
        right.resource === resource &&
        verb !== undefined &&
        right.verbs.includes(verb) &&
        (right.names === undefined ||
          verb === 'create' ||
          (name !== undefined && right.names.includes(name))),
    );
    if (may) return undefined;
    this.refused.push(`${token} ${verb} ${resource} ${name ?? ''}`);
    return failure(403, `${resource} "${name ?? ''}" is forbidden: cannot ${verb} resource "${resource}"`);
  }

  #carryOut(method: string, path: string, text: string): Answer {
    const old = this.#objects.get(path);
    if (method === 'GET') return old === undefined ? failure(404, 'not found') : { status: 200, body: old };
    const object = parsed(text);
    if (object === undefined) return failure(400, 'the body is no object');
    const resource = path.includes('/leases') ? 'leases' : 'configmaps';
    const wrong = invalid(resource, object);
    if (wrong !== undefined) return failure(422, wrong);
    if (method === 'POST') {
      const made = `${path}/${object.metadata.name}`;
      if (object.metadata.resourceVersion !== undefined)
        return failure(422, 'resourceVersion must not be set');
      if (this.#objects.has(made)) return failure(409, 'already exists');
      return { status: 201, body: this.#store('ADDED', made, { ...object, uid: `uid-${++this.#uids}` }) };
    }
    if (method !== 'PUT') return failure(405, method);
    if (old === undefined) return failure(404, 'not found');
    const { name, uid, resourceVersion } = object.metadata;
    if (!path.endsWith(`/${name}`)) return failure(400, 'the name of the object is another one');
    if (uid !== undefined && uid !== old.metadata.uid) return failure(409, 'Precondition failed: UID');
    // The real server takes an update without one for unconditional; nobody may ask for that here.
    if (resourceVersion === undefined)
      return failure(422, 'resourceVersion: must be specified for an update');
    if (resourceVersion !== old.metadata.resourceVersion) return failure(409, 'the object has been modified');
    return { status: 200, body: this.#store('MODIFIED', path, { ...object, uid: old.metadata.uid! }) };
  }

  #store(type: string, path: string, { uid, ...object }: Stored & { uid: string }): Stored {
    const resourceVersion = String(this.#revision + 1);
    const stored = {
      ...object,
      metadata: { ...object.metadata, namespace: 'streams', uid, resourceVersion },
    };
    this.#objects.set(path, stored);
    this.#changed(type, path, stored);
    return stored;
  }

  #changed(type: string, path: string, object: Stored): void {
    const event = { type, object };
    this.#history.push({ revision: ++this.#revision, path, event });
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
    for (const watch of this.#watches) {
      if (watch.path === path) watch.response.write(`${JSON.stringify(event)}\n`);
    }
  }

  #watch(url: URL, response: ServerResponse): void {
    const name = /^metadata\.name=(.+)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1] ?? '';
    const path = `${url.pathname}/${name}`;
    const since = url.searchParams.get('resourceVersion') ?? '';
    const oldest = this.#history[0]?.revision ?? 0;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (since === '') {
      const object = this.#objects.get(path);
      if (object !== undefined) response.write(`${JSON.stringify({ type: 'ADDED', object })}\n`);
    } else if (this.#history.length === HISTORY_MAX && Number(since) < oldest - 1) {
      this.tooOld++;
      // As the real one does it: within a stream that has begun.
      const object = failure(410, `too old resource version: ${since} (${oldest})`).body;
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    } else {
      for (const past of this.#history) {
        if (past.path === path && past.revision > Number(since))
          response.write(`${JSON.stringify(past.event)}\n`);
      }
    }
    const watch = { path, response };
    this.#watches.add(watch);
    response.once('close', () => this.#watches.delete(watch));
  }
}

const VERBS: Readonly<Record<string, Verb | undefined>> = {
  GET: 'get',
  POST: 'create',
  PUT: 'update',
  DELETE: 'delete',
};
const everything: readonly Right[] = [
  { resource: 'configmaps', verbs: ['get', 'watch', 'create', 'update'] },
  { resource: 'leases', verbs: ['get', 'create', 'update'] },
];

function pathOf(resource: keyof typeof KINDS): string {
  const { apiVersion } = KINDS[resource];
  return `/${apiVersion === 'v1' ? 'api' : 'apis'}/${apiVersion}/namespaces/streams/${resource}`;
}

function failure(code: number, message: string): Answer {
  const body = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code };
  return { status: code, body };
}

function parsed(text: string): Stored | undefined {
  try {
    const object = JSON.parse(text) as Stored;
    return typeof object.metadata?.name === 'string' ? object : undefined;
  } catch {
    return undefined;
  }
}

/** What validation says. */
function invalid(resource: keyof typeof KINDS, object: Stored): string | undefined {
  const { apiVersion, kind, metadata } = object;
  if (apiVersion !== KINDS[resource].apiVersion || kind !== KINDS[resource].kind) return 'another kind';
  if (!/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(metadata.name))
    return 'metadata.name: a DNS-1123 subdomain';
  for (const [key, value] of Object.entries((metadata['labels'] ?? {}) as Record<string, string>)) {
    if (!/^(?:[\w.-]+\/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/.test(key)) return `label ${key}`;
    if (!/^(?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?)?$/.test(value)) return `label ${key}: ${value}`;
  }
  for (const [key, value] of Object.entries((metadata['annotations'] ?? {}) as Record<string, unknown>)) {
    if (!/^(?:[a-z0-9.-]+\/)?[A-Za-z0-9][\w.-]{0,62}$/.test(key) || typeof value !== 'string')
      return `annotation ${key}`;
  }
  return resource === 'leases' ? invalidLease(object) : invalidConfigMap(object);
}

function invalidLease({ spec }: Stored): string | undefined {
  const lease = spec as Record<string, unknown>;
  for (const time of [lease['acquireTime'], lease['renewTime']]) {
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(String(time)))
      return `${String(time)} is no MicroTime`;
  }
  const seconds = lease['leaseDurationSeconds'];
  if (!Number.isSafeInteger(seconds) || Number(seconds) < 1)
    return 'leaseDurationSeconds must be greater than 0';
  if (!Number.isSafeInteger(lease['leaseTransitions'])) return 'leaseTransitions';
  return typeof lease['holderIdentity'] === 'string' ? undefined : 'holderIdentity';
}

function invalidConfigMap({ data = {}, binaryData = {} }: Stored): string | undefined {
  let bytes = 0;
  for (const [key, value] of Object.entries(data as Record<string, string>)) {
    if (!/^[-._a-zA-Z0-9]+$/.test(key)) return `data.${key}`;
    bytes += Buffer.byteLength(value);
  }
  for (const value of Object.values(binaryData as Record<string, string>))
    bytes += Buffer.from(value, 'base64').length;
  return bytes > CONFIG_MAP_BYTES_MAX
    ? `Too long: must have at most ${CONFIG_MAP_BYTES_MAX} bytes`
    : undefined;
}
