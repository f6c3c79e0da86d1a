/**
 * High availability on etcd: `high-availability.type: etcd`.
 *
 * ```text
 *   <root>/<cluster>/entries/<key>       a key for each entry
 *   <root>/<cluster>/seat/<contender>    with a lease: who came first has the seat
 * ```
 *
 * Owns: the candidacies, each with a lease. Partner: the client of etcd.
 *
 * ED-1 A change is one transaction that compares the revisions of the guard and of the entry (MS-1, MS-2). Revisions are those of
 *      the whole store, and never come again (MS-3).
 * ED-2 A contender gives up by itself when its lease could be over: `TTL` after it SENT the last sign of life that was answered.
 *      etcd has counted from later on, so that nobody else has the seat before, with clocks that run alike.
 * ED-3 A contender's key has a name of its own, and is made only where it is not there: making it may be tried again. Its lease
 *      is what holds it; a lease whose making had no answer holds nothing, and runs out.
 */

import type { Env, Timer } from '../../base/env.ts';
import type { HttpClient } from '../../base/http-client.ts';
import type {
  Candidacy,
  Change,
  ChangeOutcome,
  Closeable,
  Contender,
  HighAvailabilityServices,
  MetadataStore,
  StoredEntry,
} from '../metadata-store.ts';
import { pausing, Watcher } from '../watcher.ts';
import { EtcdClient, type EtcdConnection, type EtcdEntry, type EtcdRange } from './etcd-client.ts';

/** Where etcd is, and how it is used. */
export interface EtcdOptions extends EtcdConnection {
  /** Of this cluster; begins with a slash. */
  readonly root: string;
  /** A leader that gave no sign of life for so long is followed; etcd counts in seconds, and has a least. */
  readonly leaseMs: number;
}

type ServicesEnv = Pick<Env, 'clock' | 'random' | 'log'>;

/** Entries and the seat. */
export function etcdServices(
  env: ServicesEnv,
  http: HttpClient,
  options: EtcdOptions,
): HighAvailabilityServices {
  const client = new EtcdClient(env, http, options);
  return {
    store: new EtcdStore(client, env, options),
    seat: { contend: (candidacy) => new EtcdContender(client, env, { ...options, candidacy }) },
    close: () => client.close(),
  };
}

// ---- entries ----

class EtcdStore implements MetadataStore {
  readonly #client: EtcdClient;
  readonly #env: Pick<Env, 'clock'>;
  readonly #prefix: string;
  readonly #retryWaitMs: number;

  constructor(client: EtcdClient, env: Pick<Env, 'clock'>, { root, retryWaitMs }: EtcdOptions) {
    this.#client = client;
    this.#env = env;
    this.#prefix = `${root}/entries/`;
    this.#retryWaitMs = retryWaitMs;
  }

  async read(key: string): Promise<StoredEntry | undefined> {
    const { kvs } = await this.#range(key);
    return kvs?.[0] && storedOf(kvs[0]);
  }

  async list(prefix: string): Promise<string[]> {
    const from = this.#prefix + prefix;
    const words = { key: base64(from), range_end: base64(afterPrefix(from)), keys_only: true };
    const { kvs = [] } = await this.#client.ask<EtcdRange>('/v3/kv/range', words);
    return kvs.map(({ key }) => textOf(key).slice(this.#prefix.length)).sort();
  }

  /** ED-1. */
  async change({ key, value, expected, guard }: Change): Promise<ChangeOutcome> {
    const name = this.#nameOf(key);
    const guarding = guard === undefined ? [] : [compare(this.#nameOf(guard.key), guard.revision)];
    const made =
      value === undefined
        ? expected === undefined
          ? []
          : [{ request_delete_range: { key: name } }]
        : [{ request_put: { key: name, value: base64(value) } }];
    const { header, succeeded, responses } = await this.#client.change<Transaction>('/v3/kv/txn', {
      compare: [...guarding, compare(name, expected ?? '0')],
      success: made,
      failure: guard === undefined ? [] : [{ request_range: { key: this.#nameOf(guard.key) } }],
    });
    if (succeeded === true) return { kind: 'changed', revision: value === undefined ? '' : header.revision };
    if (guard === undefined) return { kind: 'conflict' };
    const found = responses?.[0]?.response_range?.kvs?.[0];
    return { kind: found?.mod_revision === guard.revision ? 'conflict' : 'guarded' };
  }

  watch(key: string, changed: () => void): Closeable {
    const pause = pausing(this.#env.clock, this.#retryWaitMs);
    const nothing: Closeable = { close: () => {} };
    return new Watcher<bigint>({
      look: async () => {
        const { header, kvs } = await this.#range(key);
        return { revision: kvs?.[0]?.mod_revision, position: BigInt(header.revision) };
      },
      wait: (position, again) => {
        if (this.#client.isClosed) return nothing;
        if (position === undefined) return pause(position, again);
        return this.#client.watch(this.#nameOf(key), position + 1n, again);
      },
      changed,
    });
  }

  #range(key: string): Promise<EtcdRange> {
    return this.#client.ask('/v3/kv/range', { key: this.#nameOf(key) });
  }

  /** As etcd's interface has it. */
  #nameOf(key: string): string {
    return base64(this.#prefix + key);
  }
}

interface Transaction {
  readonly header: { readonly revision: string };
  /** Missing: no. */
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: { readonly kvs?: readonly EtcdEntry[] } }[];
}

function compare(key: string, revision: string): object {
  return { key, target: 'MOD', result: 'EQUAL', mod_revision: revision };
}

function storedOf({ value, mod_revision }: EtcdEntry): StoredEntry {
  return { value: textOf(value ?? ''), revision: mod_revision };
}

/** The first text behind all that begin with `prefix`, which ends with a character of ASCII. */
function afterPrefix(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

function textOf(encoded: string): string {
  return Buffer.from(encoded, 'base64').toString('utf8');
}

// ---- the seat ----

interface Lease {
  readonly id: string;
  readonly ttlMs: number;
}

type ContenderOptions = Pick<EtcdOptions, 'root' | 'leaseMs' | 'retryWaitMs'> & {
  readonly candidacy: Candidacy;
};

/** Of a lease's time; how often a sign of life is given, and how soon it is tried again. */
const SIGN_PART = 3;
const RETRY_PART = 8;

class EtcdContender implements Contender {
  readonly #client: EtcdClient;
  readonly #clock: Env['clock'];
  readonly #options: ContenderOptions;
  readonly #folder: string;
  readonly #key: string;
  #state: 'waiting' | 'seated' | 'over' = 'waiting';
  #lease: Lease | undefined;
  /** When the lease could be over (ED-2). */
  #deadlineMs = 0;
  #deadline: Timer | undefined;
  #sign: Timer | undefined;
  /** The next look at the seat. */
  #next: Closeable | undefined;

  constructor(client: EtcdClient, env: ServicesEnv, options: ContenderOptions) {
    this.#client = client;
    this.#clock = env.clock;
    this.#options = options;
    this.#folder = `${options.root}/seat/`;
    this.#key = base64(this.#folder + env.random.id()); // ED-3
    this.#begin();
  }

  async close(): Promise<void> {
    this.#over();
    const lease = this.#lease;
    if (lease !== undefined) await this.#revoke(lease);
  }

  #begin(): void {
    this.#grant().catch(() => this.#later(() => this.#begin()));
  }

  async #grant(): Promise<void> {
    const sentMs = this.#clock.monotonic();
    const seconds = Math.max(1, Math.ceil(this.#options.leaseMs / 1_000));
    const { ID, TTL } = await this.#client.change<{ ID: string; TTL: string }>('/v3/lease/grant', {
      TTL: String(seconds),
    });
    const lease = { id: ID, ttlMs: Number(TTL) * 1_000 };
    if (this.#state === 'over') return this.#revoke(lease);
    this.#lease = lease;
    this.#alive(sentMs, lease);
    this.#signLater(lease.ttlMs / SIGN_PART, lease);
    this.#look();
  }

  // ---- signs of life (ED-2) ----

  #alive(sentMs: number, { ttlMs }: Lease): void {
    this.#deadlineMs = sentMs + ttlMs;
    this.#deadline?.cancel();
    const leftMs = Math.max(0, this.#deadlineMs - this.#clock.monotonic());
    this.#deadline = this.#clock.timer(leftMs, () => this.#lose('its lease ran out'), 'a lease runs out');
  }

  #signLater(afterMs: number, lease: Lease): void {
    if (this.#state === 'over') return;
    this.#sign = this.#clock.timer(
      afterMs,
      () => {
        const sentMs = this.#clock.monotonic();
        this.#client.ask<{ result?: { TTL?: string } }>('/v3/lease/keepalive', { ID: lease.id }).then(
          ({ result }) => {
            if (this.#state === 'over') return;
            if (!(Number(result?.TTL) > 0)) return this.#lose('its lease is over');
            this.#alive(sentMs, lease);
            this.#signLater(lease.ttlMs / SIGN_PART, lease);
          },
          () => this.#signLater(lease.ttlMs / RETRY_PART, lease),
        );
      },
      'give etcd a sign of life',
    );
  }

  // ---- the seat ----

  #look(): void {
    if (this.#state !== 'waiting') return;
    this.#once().catch(() => this.#later(() => this.#look()));
  }

  async #once(): Promise<void> {
    const { header, kvs = [] } = await this.#client.ask<EtcdRange>('/v3/kv/range', {
      key: base64(this.#folder),
      range_end: base64(afterPrefix(this.#folder)),
      sort_target: 'CREATE',
      sort_order: 'ASCEND',
    });
    if (this.#state !== 'waiting') return;
    const at = kvs.findIndex(({ key }) => key === this.#key);
    if (at < 0) {
      await this.#sitDown();
      return this.#look();
    }
    if (at === 0) {
      this.#state = 'seated';
      return this.#options.candidacy.seated();
    }
    this.#next = this.#client.watch(kvs[at - 1]!.key, BigInt(header.revision) + 1n, () => this.#look());
  }

  /** ED-3. */
  async #sitDown(): Promise<void> {
    const value = base64(this.#options.candidacy.candidate);
    await this.#client.change('/v3/kv/txn', {
      compare: [{ key: this.#key, target: 'CREATE', result: 'EQUAL', create_revision: '0' }],
      success: [{ request_put: { key: this.#key, value, lease: this.#lease!.id } }],
    });
  }

  /** Until it is gone, or could be gone by itself. Never rejected. */
  async #revoke({ id, ttlMs }: Lease): Promise<void> {
    const untilMs = Math.max(this.#deadlineMs, this.#clock.monotonic() + ttlMs / SIGN_PART);
    while (!this.#client.isClosed && this.#clock.monotonic() < untilMs) {
      try {
        await this.#client.ask('/v3/lease/revoke', { ID: id });
        return;
      } catch (error) {
        if (/not found/.test(String(error))) return;
      }
      await new Promise<void>((resolve) => {
        this.#clock.timer(this.#options.retryWaitMs, resolve, 'leave the seat');
      });
    }
  }

  #later(work: () => void): void {
    if (this.#state === 'over') return;
    const timer = this.#clock.timer(this.#options.retryWaitMs, work, 'ask etcd again');
    this.#next = { close: () => timer.cancel() };
  }

  #lose(why: string): void {
    if (this.#state === 'over') return;
    this.#over();
    this.#options.candidacy.unseated(why);
  }

  #over(): void {
    this.#state = 'over';
    this.#deadline?.cancel();
    this.#sign?.cancel();
    this.#next?.close();
  }
}
