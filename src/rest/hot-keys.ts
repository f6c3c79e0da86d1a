/**
 * Hot keys: counts the records that come to a keyed operator by their keys, for a while, when somebody asks.
 *
 * Owns: the last count of each operator. Talks to: the slots whose operators hand on to it, by the job's master.
 *
 * HK-1 Nothing is counted that nobody asked for, and of one operator one count at a time.
 * HK-2 The last COUNTS_KEPT counts are kept; one that is under way is not forgotten.
 */

import { subtaskOfKeyGroup } from '../base/key-groups.ts';
import type { KeyCounts } from '../cluster/job-manager/inspections.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { badRequest, field } from './context.ts';
import type { HotKeys, HotKeysAnswer } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal } from './router.ts';
import { placeOfUid } from './state-browser.ts';

/** HK-2. */
export const COUNTS_KEPT = 20;
const KEYS_MAX = 20;
const DURATION_MS = { min: 500, max: 60_000, default: 5_000 };
/** What a slot may take longer. */
const SLACK_MS = 15_000;

interface Entry {
  counted: HotKeys;
}

/** See the head of the file. */
export class HotKeyBook {
  readonly #watch: ClusterWatch;
  readonly #entries = new Map<string, Entry>();

  constructor(watch: ClusterWatch) {
    this.#watch = watch;
  }

  /** Begins to count, or refuses. */
  begin(watch: JobWatch, uid: string, body: unknown): HotKeys {
    const durationMs = field(body, 'durationMs') ?? DURATION_MS.default;
    const isFit =
      typeof durationMs === 'number' && durationMs >= DURATION_MS.min && durationMs <= DURATION_MS.max;
    if (!isFit) throw badRequest(`"durationMs" is not between ${DURATION_MS.min} and ${DURATION_MS.max}`);
    const { vertex } = placeOfUid(watch, uid);
    const key = `${watch.jobId}/${uid}`;
    if (this.#entries.get(key)?.counted.status === 'IN_PROGRESS') {
      throw new Refusal(409, `The keys of "${uid}" are being counted already.`);
    }
    const asked = askSlots(watch, vertex, durationMs);
    const entry: Entry = {
      counted: {
        ...{ uid, startedAt: this.#watch.cluster.env.clock.now(), durationMs },
        ...{ status: 'IN_PROGRESS', failure: null, records: 0, missedMax: 0, keys: [] },
      },
    };
    this.#keep(key, entry);
    asked.then(
      (counts) => {
        const { parallelism, maxParallelism } = watch.job.source.compiled.graph.vertices[vertex]!;
        const subtaskOf = (keyGroup: number): number =>
          subtaskOfKeyGroup(keyGroup, parallelism, maxParallelism);
        entry.counted = { ...entry.counted, status: 'COMPLETED', ...together(counts, subtaskOf) };
      },
      (error: unknown) => {
        const failure = error instanceof Error ? error.message : String(error);
        entry.counted = { ...entry.counted, status: 'FAILED', failure };
      },
    );
    return entry.counted;
  }

  /** The last count of an operator. */
  get(watch: JobWatch, uid: string): HotKeysAnswer {
    placeOfUid(watch, uid);
    return { counted: this.#entries.get(`${watch.jobId}/${uid}`)?.counted ?? null };
  }

  /** HK-2. */
  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    for (const [old, { counted }] of this.#entries) {
      if (this.#entries.size <= COUNTS_KEPT) break;
      if (counted.status !== 'IN_PROGRESS') this.#entries.delete(old);
    }
  }
}

/** Asks all slots that hand on to a vertex by key; refuses where there are none. */
function askSlots(watch: JobWatch, vertex: number, durationMs: number): Promise<KeyCounts[]> {
  const { source } = watch.job;
  const { vertices, edges } = source.compiled.graph;
  const { maxParallelism } = vertices[vertex]!;
  const before = edges.filter(
    ({ to, partitioner, tag }) => to === vertex && partitioner === 'key-group' && tag === undefined,
  );
  if (before.length === 0) {
    throw new Refusal(
      409,
      'Nothing is handed on to it by key: its records come from its own chain, or aside.',
    );
  }
  const executions = source.executions().filter(({ state }) => state === 'RUNNING');
  const asked = before.flatMap(({ from, fromOperator: operator }) => {
    const slots = new Set(executions.filter((each) => each.vertex === from).map(({ slot }) => slot));
    return [...slots].map((slot) => ({ slot, from, operator }));
  });
  if (asked.length === 0) throw new Refusal(409, `The job is ${source.state}.`);
  return Promise.all(
    asked.map(
      async ({ slot, from, operator }) =>
        (await source.inspect(
          slot,
          { kind: 'count-keys', vertex: from, operator, maxParallelism, durationMs, keysMax: KEYS_MAX * 5 },
          durationMs + SLACK_MS,
        )) as KeyCounts,
    ),
  );
}

/** Of several slots: sums, as far as each has told of a key. */
function together(
  counts: readonly KeyCounts[],
  subtaskOf: (keyGroup: number) => number,
): Pick<HotKeys, 'records' | 'missedMax' | 'keys'> {
  const keys = new Map<string, HotKeys['keys'][number]>();
  for (const { keyText, keyGroup, records } of counts.flatMap((each) => each.keys)) {
    const known = keys.get(keyText)?.records ?? 0;
    keys.set(keyText, { keyText, keyGroup, subtask: subtaskOf(keyGroup), records: known + records });
  }
  return {
    records: counts.reduce((sum, { records }) => sum + records, 0),
    missedMax: counts.reduce((sum, { missedMax }) => sum + missedMax, 0),
    keys: [...keys.values()].sort((left, right) => right.records - left.records).slice(0, KEYS_MAX),
  };
}
