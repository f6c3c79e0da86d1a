/**
 * High availability on ZooKeeper: `high-availability.type: zookeeper`.
 *
 * ```text
 *   <root>/<cluster>/entries/jobs:<id>        a node for each entry; "/" of its key is ":"
 *   <root>/<cluster>/seat/<contender>-<n>     ephemeral and sequential: who has the lowest number has the seat
 * ```
 *
 * Owns: the session, which is replaced when it is over, and the candidacies. Partners: the quorum.
 *
 * ZK-1 A change with a guard is one multi: the version of the guard is checked in the same transaction (MS-2). The transaction
 *      that made a node is part of a revision, so that a node that was removed and made again is another one (MS-3).
 * ZK-2 The seat belongs to the session in which it was asked for. With tolerate-suspended-connections off, it is given up as soon
 *      as the connection breaks; else when the session is over.
 * ZK-3 A contender's node has a name of its own, so that it is found again when its making had no answer; it is removed before
 *      another one is made, for as long as the session lives.
 */

import type { Env } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Network, NetworkAddress } from '../../base/network.ts';
import type {
  Candidacy,
  Change,
  ChangeOutcome,
  Closeable,
  Contender,
  HighAvailabilityServices,
  MetadataStore,
  Seat,
  StoredEntry,
} from '../metadata-store.ts';
import { ERROR, JuteWriter, OP, type Stat } from './jute.ts';
import { type Reply, type SessionParts, ZooKeeperSession } from './session.ts';

/** Where ZooKeeper is, and how it is used. */
export interface ZooKeeperOptions extends Omit<SessionParts, 'clock' | 'network' | 'servers'> {
  /** `host:port,host:port`. */
  readonly quorum: string;
  /** Of this cluster; begins with a slash. */
  readonly root: string;
  /** ZK-2. */
  readonly toleratesSuspension: boolean;
}

const EPHEMERAL_SEQUENTIAL = 3;
const PERSISTENT = 0;
const LOOK_AGAIN_MS = 500;

/** Entries and the seat, on one session at a time. */
export function zooKeeperServices(
  env: Pick<Env, 'clock' | 'random'>,
  network: Network,
  options: ZooKeeperOptions,
): HighAvailabilityServices {
  const nodes = new ZooKeeperNodes({
    ...options,
    clock: env.clock,
    network,
    servers: serversOf(options.quorum),
  });
  return {
    store: new ZooKeeperStore(nodes, env, `${options.root}/entries`),
    seat: new ZooKeeperSeat(nodes, env, options),
    close: () => nodes.close(),
  };
}

function serversOf(quorum: string): NetworkAddress[] {
  const servers = quorum.split(',').map((server) => /^\s*\[?([^\]\s]+?)\]?:(\d{1,5})\s*$/.exec(server));
  return servers.map((match) => {
    if (match?.[1] !== undefined) return { host: match[1], port: Number(match[2]) };
    throw new MillraceError('CONFIG_INVALID', `high-availability.zookeeper.quorum is "${quorum}"`, {
      remedy: 'Write it as host:port,host:port.',
    });
  });
}

// ---- nodes ----

type NodeChange =
  | { readonly kind: 'create'; readonly path: string; readonly data: Uint8Array; readonly flags: number }
  | { readonly kind: 'set'; readonly path: string; readonly data: Uint8Array; readonly version: number }
  | { readonly kind: 'delete'; readonly path: string; readonly version: number }
  | { readonly kind: 'check'; readonly path: string; readonly version: number };

interface NodeResult {
  readonly error: number;
  readonly stat?: Stat;
}

/** What is asked of ZooKeeper, over the session of the moment. */
class ZooKeeperNodes {
  readonly #parts: SessionParts;
  #session: ZooKeeperSession | undefined;
  #isClosed = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** The session; another one when the last is over. */
  get session(): ZooKeeperSession {
    if (this.#isClosed) throw new MillraceError('HA_UNAVAILABLE', 'this process has left ZooKeeper');
    if (this.#session === undefined || this.#session.isOver)
      this.#session = new ZooKeeperSession(this.#parts);
    return this.#session;
  }

  close(): void {
    this.#isClosed = true;
    if (this.#session?.isOver === false) this.#session.close();
  }

  async get(path: string): Promise<{ readonly data: Uint8Array; readonly stat: Stat } | undefined> {
    const { error, body } = await this.session.request(
      OP.getData,
      new JuteWriter().string(path).boolean(false).finish(),
    );
    if (error === ERROR.noNode) return undefined;
    check(error, `read ${path}`);
    return { data: body.buffer(), stat: body.stat() };
  }

  async stat(path: string, session = this.session, isWatched = false): Promise<Stat | undefined> {
    const { error, body } = await session.request(
      OP.exists,
      new JuteWriter().string(path).boolean(isWatched).finish(),
    );
    if (error === ERROR.noNode) return undefined;
    check(error, `look at ${path}`);
    return body.stat();
  }

  async children(path: string, session = this.session): Promise<string[]> {
    const { error, body } = await session.request(
      OP.getChildren,
      new JuteWriter().string(path).boolean(false).finish(),
    );
    if (error === ERROR.noNode) return [];
    check(error, `list ${path}`);
    return body.strings();
  }

  async change(change: NodeChange, session = this.session): Promise<NodeResult> {
    return resultOf(change, await session.request(typeOf(change), bodyOf(change)));
  }

  /** All or nothing; the results are in the order of the changes. */
  async multi(changes: readonly NodeChange[]): Promise<NodeResult[]> {
    const out = new JuteWriter();
    for (const change of changes) out.int(typeOf(change)).boolean(false).int(-1).raw(bodyOf(change));
    const { body, zxid } = await this.session.request(OP.multi, out.int(-1).boolean(true).int(-1).finish());
    return changes.map((change) => {
      const type = body.int();
      body.boolean();
      const error = body.int();
      if (type === -1) return { error: body.int() };
      return resultOf(change, { zxid, error, body });
    });
  }

  /** Makes a node and those above it, where they are missing. */
  async make(path: string): Promise<void> {
    const names = path.split('/').slice(1);
    for (let depth = 1; depth <= names.length; depth++) {
      const above = `/${names.slice(0, depth).join('/')}`;
      const { error } = await this.change({ kind: 'create', path: above, data: NOTHING, flags: PERSISTENT });
      if (error !== ERROR.nodeExists) check(error, `make ${above}`);
    }
  }
}

const NOTHING = new Uint8Array(0);

function typeOf({ kind }: NodeChange): number {
  return { create: OP.create, set: OP.setData, delete: OP.delete, check: OP.check }[kind];
}

function bodyOf(change: NodeChange): Uint8Array {
  const out = new JuteWriter().string(change.path);
  if (change.kind === 'create') {
    // Everybody may do everything, as with Flink's default ACL.
    out.buffer(change.data).int(1).int(31).string('world').string('anyone').int(change.flags);
    return out.finish();
  }
  if (change.kind === 'set') out.buffer(change.data);
  return out.int(change.version).finish();
}

function resultOf({ kind }: NodeChange, { zxid, error, body }: Reply): NodeResult {
  if (error !== ERROR.none || kind === 'delete' || kind === 'check') return { error };
  if (kind === 'set') return { error, stat: body.stat() };
  body.string();
  return { error, stat: { czxid: zxid, version: 0 } };
}

function check(error: number, what: string): void {
  if (error === ERROR.none) return;
  throw new MillraceError('HA_UNAVAILABLE', `ZooKeeper could not ${what}: its error ${error}`);
}

// ---- entries ----

class ZooKeeperStore implements MetadataStore {
  readonly #nodes: ZooKeeperNodes;
  readonly #env: Pick<Env, 'clock'>;
  readonly #folder: string;

  constructor(nodes: ZooKeeperNodes, env: Pick<Env, 'clock'>, folder: string) {
    this.#nodes = nodes;
    this.#env = env;
    this.#folder = folder;
  }

  async read(key: string): Promise<StoredEntry | undefined> {
    const found = await this.#nodes.get(this.#pathOf(key));
    return found && { value: new TextDecoder().decode(found.data), revision: revisionOf(found.stat) };
  }

  async list(prefix: string): Promise<string[]> {
    const names = await this.#nodes.children(this.#folder);
    return names
      .map((name) => name.replaceAll(':', '/'))
      .filter((key) => key.startsWith(prefix))
      .sort();
  }

  /** ZK-1. */
  async change(change: Change): Promise<ChangeOutcome> {
    const { key, expected, guard } = change;
    const path = this.#pathOf(key);
    if (guard !== undefined && (await this.#revision(guard.key)) !== guard.revision)
      return { kind: 'guarded' };
    if ((await this.#revision(key)) !== expected) return { kind: 'conflict' };
    const node = nodeChange(path, change);
    if (node === undefined) return { kind: 'changed', revision: '' }; // Nothing is there, and nothing is to be.
    const guarding: NodeChange[] =
      guard === undefined
        ? []
        : [{ kind: 'check', path: this.#pathOf(guard.key), version: versionOf(guard.revision) }];
    const results = await this.#nodes.multi([...guarding, node]);
    if (guard !== undefined && (results[0]?.error === ERROR.badVersion || results[0]?.error === ERROR.noNode))
      return { kind: 'guarded' };
    const { error, stat } = results.at(-1)!;
    if (error === ERROR.none)
      return { kind: 'changed', revision: stat === undefined ? '' : revisionOf(stat) };
    if (error === ERROR.noNode && node.kind === 'create') {
      await this.#nodes.make(this.#folder);
      return this.change(change);
    }
    if (error !== ERROR.badVersion && error !== ERROR.noNode && error !== ERROR.nodeExists)
      check(error, `change ${path}`);
    return { kind: 'conflict' };
  }

  watch(key: string, changed: () => void): Closeable {
    const { clock } = this.#env;
    let isClosed = false;
    const again = (): void => void clock.timer(LOOK_AGAIN_MS, look, 'look at an entry again');
    const look = (): void => {
      if (isClosed) return;
      let session: ZooKeeperSession;
      try {
        session = this.#nodes.session;
      } catch {
        return; // This process has left.
      }
      const path = this.#pathOf(key);
      const stop = session.watch(path, look);
      this.#nodes.stat(path, session, true).then(
        () => isClosed || changed(),
        () => {
          stop();
          again();
        },
      );
    };
    look();
    return {
      close: () => {
        isClosed = true;
      },
    };
  }

  async #revision(key: string): Promise<string | undefined> {
    const stat = await this.#nodes.stat(this.#pathOf(key));
    return stat && revisionOf(stat);
  }

  #pathOf(key: string): string {
    return `${this.#folder}/${key.replaceAll('/', ':')}`;
  }
}

function nodeChange(path: string, { value, expected }: Change): NodeChange | undefined {
  if (value === undefined && expected === undefined) return undefined;
  if (value === undefined) return { kind: 'delete', path, version: versionOf(expected!) };
  const data = new TextEncoder().encode(value);
  if (expected === undefined) return { kind: 'create', path, data, flags: PERSISTENT };
  return { kind: 'set', path, data, version: versionOf(expected) };
}

function revisionOf({ czxid, version }: Stat): string {
  return `${czxid}.${version}`;
}

function versionOf(revision: string): number {
  return Number(revision.slice(revision.indexOf('.') + 1));
}

// ---- the seat ----

class ZooKeeperSeat implements Seat {
  readonly #nodes: ZooKeeperNodes;
  readonly #env: Pick<Env, 'clock' | 'random'>;
  readonly #options: Pick<ZooKeeperOptions, 'root' | 'toleratesSuspension'>;

  constructor(
    nodes: ZooKeeperNodes,
    env: Pick<Env, 'clock' | 'random'>,
    options: Pick<ZooKeeperOptions, 'root' | 'toleratesSuspension'>,
  ) {
    this.#nodes = nodes;
    this.#env = env;
    this.#options = options;
  }

  contend(candidacy: Candidacy): Contender {
    return new ZooKeeperContender(this.#nodes, this.#env, { ...this.#options, candidacy });
  }
}

class ZooKeeperContender implements Contender {
  readonly #nodes: ZooKeeperNodes;
  readonly #env: Pick<Env, 'clock'>;
  readonly #options: Pick<ZooKeeperOptions, 'toleratesSuspension'> & { readonly candidacy: Candidacy };
  readonly #folder: string;
  readonly #name: string;
  readonly #session: ZooKeeperSession;
  #state: 'waiting' | 'seated' | 'over' = 'waiting';
  readonly #stopListening: () => void;

  constructor(
    nodes: ZooKeeperNodes,
    env: Pick<Env, 'clock' | 'random'>,
    options: Pick<ZooKeeperOptions, 'root' | 'toleratesSuspension'> & { readonly candidacy: Candidacy },
  ) {
    this.#nodes = nodes;
    this.#env = env;
    this.#options = options;
    this.#folder = `${options.root}/seat`;
    this.#name = env.random.id(); // ZK-3
    this.#session = nodes.session;
    this.#stopListening = this.#session.listen({
      suspended: () => this.#suspended(),
      expired: (why) => this.#lose(why),
    });
    this.#look();
  }

  async close(): Promise<void> {
    this.#over();
    while (!this.#session.isOver) {
      try {
        const own = await this.#own();
        if (own === undefined) return;
        await this.#nodes.change(
          { kind: 'delete', path: `${this.#folder}/${own}`, version: -1 },
          this.#session,
        );
      } catch {
        await new Promise<void>((resolve) => this.#env.clock.timer(LOOK_AGAIN_MS, resolve, 'leave the seat'));
      }
    }
  }

  /** ZK-2. */
  #suspended(): void {
    if (this.#state === 'seated' && !this.#options.toleratesSuspension)
      this.#lose('the connection to ZooKeeper broke');
  }

  #look(): void {
    if (this.#state !== 'waiting') return;
    this.#once().catch(() => {
      this.#env.clock.timer(LOOK_AGAIN_MS, () => this.#look(), 'look at the seat again');
    });
  }

  async #once(): Promise<void> {
    if ((await this.#own()) === undefined) await this.#sitDown();
    const all = (await this.#nodes.children(this.#folder, this.#session)).sort(
      (a, b) => numberOf(a) - numberOf(b),
    );
    const at = all.findIndex((name) => name.startsWith(this.#name));
    if (this.#state !== 'waiting') return;
    if (at === 0) {
      this.#state = 'seated';
      return this.#options.candidacy.seated();
    }
    const before = all[at - 1];
    if (at < 0 || before === undefined)
      throw new MillraceError('HA_UNAVAILABLE', 'the node of a candidate is gone');
    const path = `${this.#folder}/${before}`;
    this.#session.watch(path, () => this.#look());
    // Gone between the list and this look.
    if ((await this.#nodes.stat(path, this.#session, true)) === undefined) this.#look();
  }

  async #sitDown(): Promise<void> {
    const path = `${this.#folder}/${this.#name}-`;
    const data = new TextEncoder().encode(this.#options.candidacy.candidate);
    const node: NodeChange = { kind: 'create', path, data, flags: EPHEMERAL_SEQUENTIAL };
    const { error } = await this.#nodes.change(node, this.#session);
    if (error === ERROR.noNode) {
      await this.#nodes.make(this.#folder);
      return this.#sitDown();
    }
    check(error, 'become a candidate');
  }

  /** ZK-3. */
  async #own(): Promise<string | undefined> {
    const all = await this.#nodes.children(this.#folder, this.#session);
    return all.find((name) => name.startsWith(this.#name));
  }

  #lose(why: string): void {
    if (this.#state === 'over') return;
    this.#over();
    this.#options.candidacy.unseated(why);
  }

  #over(): void {
    this.#state = 'over';
    this.#stopListening();
  }
}

function numberOf(name: string): number {
  return Number(name.slice(-10));
}
