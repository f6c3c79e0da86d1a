/**
 * The keyed state of a job as of its latest complete checkpoint: what operators hold, and what lies under a key.
 *
 * Read from the files of the checkpoint, so that no task is asked and nothing of the job waits. A checkpoint may be
 * removed while it is read: then the newest is read instead.
 *
 * SB-1 State of an operator that has more than STATE_BYTES_MAX is not read: this process coordinates the job, and must
 *      not be held up. `millrace state` reads it of any size.
 */

import { isMillraceError } from '../base/errors.ts';
import { compareKeys } from '../base/key.ts';
import { type Key, keyGroupOf, subtaskOfKeyGroup } from '../base/key-groups.ts';
import { shownValue } from '../base/shown-value.ts';
import { type KeyGroupContents, keyGroupContents } from '../savepoints/key-group-contents.ts';
import { openSavepoint, type Savepoint, type StateEntry as Stored } from '../savepoints/savepoint.ts';
import type { Env } from '../base/env.ts';
import type { CheckpointMessage, StateAnswer, StateEntry, StateOverview } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal } from './router.ts';
import { type KeyWeight, keyWeights } from './state-weights.ts';

/** SB-1. */
export const STATE_BYTES_MAX = 32 << 20;
/** Keys of one answer at most. */
export const KEYS_MAX = 200;
/** Keys that are told because of their size. */
const LARGEST_KEYS = 5;
/** How often a checkpoint that has gone is followed by the next newest. */
const TRIES_MAX = 3;

type OperatorPlace = { readonly vertex: number; readonly operator: number };

/** All operators with keyed state, in figures. */
export async function stateOverview(watch: JobWatch, env: Env): Promise<StateOverview> {
  return withCheckpoint(watch, env, async (savepoint, checkpoint) => {
    const { vertices } = watch.job.source.compiled.graph;
    const operators: StateOverview['operators'][number][] = [];
    for (const [vertex, { operators: planned, parallelism, maxParallelism }] of vertices.entries()) {
      const stateBytes = bytesOf(checkpoint, vertex);
      for (const [operator, { uid, name, keyed }] of planned.entries()) {
        if (!keyed) continue;
        const counted = new OperatorCounts(parallelism, maxParallelism);
        if (stateBytes <= STATE_BYTES_MAX) {
          for await (const group of readable(() => keyGroupContents(savepoint, uid))) counted.add(group);
        }
        operators.push({ ...{ vertex, operator, uid, name, stateBytes }, ...counted.told() });
      }
    }
    return { checkpointId: checkpoint.checkpointId, checkpointAt: checkpoint.triggeredAt, operators };
  });
}

/** What some keys, or one key, of an operator hold. */
export interface StateQuery {
  readonly uid: string;
  /** As JSON says it; `undefined`: some keys. */
  readonly key: unknown;
  readonly hasKey: boolean;
  readonly subtask: number | undefined;
  readonly limit: number | undefined;
}

/** The answer to a query. */
export async function stateOfKeys(watch: JobWatch, env: Env, query: StateQuery): Promise<StateAnswer> {
  const { vertex } = placeOfUid(watch, query.uid);
  const { parallelism, maxParallelism } = watch.job.source.compiled.graph.vertices[vertex]!;
  return withCheckpoint(watch, env, async (savepoint, checkpoint) => {
    const bytes = bytesOf(checkpoint, vertex);
    if (bytes > STATE_BYTES_MAX) {
      throw new Refusal(
        409,
        `The state of "${query.uid}" has ${bytes} bytes in checkpoint ${checkpoint.checkpointId}, too many to look at here: read it with millrace state.`,
      );
    }
    const limit = Math.min(KEYS_MAX, query.limit ?? KEYS_MAX);
    const wanted = query.hasKey ? textOfKey(query.key) : undefined;
    const found = new Map<string, Mutable>();
    let hasMore = false;
    const entryFor = (key: Key): Mutable | undefined => {
      const keyText = textOfKey(shownValue(key).value);
      if (wanted !== undefined && keyText !== wanted) return undefined;
      const keyGroup = keyGroupOf(key, maxParallelism);
      const subtask = subtaskOfKeyGroup(keyGroup, parallelism, maxParallelism);
      if (query.subtask !== undefined && subtask !== query.subtask) return undefined;
      const known = found.get(keyText);
      if (known !== undefined) return known;
      if (found.size >= limit) {
        hasMore = true;
        return undefined;
      }
      const made = { key: shownValue(key).value, keyText, keyGroup, subtask, values: {}, timers: [] };
      found.set(keyText, made);
      return made;
    };
    for await (const stored of entriesOf(savepoint, query.uid)) {
      const entry = entryFor(stored.key);
      if (entry !== undefined) entry.values[nameOf(stored)] = shownValue(stored.value).value;
    }
    for await (const { key, timers } of savepoint.keyedState(query.uid, {})) {
      const entry = entryFor(key);
      for (const at of timers.eventTime) entry?.timers.push({ domain: 'event', at });
      for (const at of timers.processingTime) entry?.timers.push({ domain: 'processing', at });
    }
    return { uid: query.uid, entries: [...found.values()], hasMore };
  });
}

/** The keys of an operator, as of the latest checkpoint, that are shown as `key`: more than one where JSON does not tell them apart. */
export async function keysShownAs(
  watch: JobWatch,
  env: Env,
  { uid, key }: { readonly uid: string; readonly key: unknown },
): Promise<readonly Key[]> {
  const { vertex } = placeOfUid(watch, uid);
  const wanted = textOfKey(key);
  return withCheckpoint(watch, env, async (savepoint, checkpoint) => {
    const found: Key[] = [];
    if (bytesOf(checkpoint, vertex) > STATE_BYTES_MAX) return found;
    for await (const stored of entriesOf(savepoint, uid)) {
      if (textOfKey(shownValue(stored.key).value) !== wanted) continue;
      if (!found.some((known) => compareKeys(known, stored.key) === 0)) found.push(stored.key);
    }
    return found;
  });
}

interface Mutable extends StateEntry {
  readonly values: Record<string, unknown>;
  readonly timers: StateEntry['timers'][number][];
}

/** Of a window the state is shown with its namespace. */
function nameOf({ state, namespace }: Stored): string {
  return namespace === undefined ? state : `${state} ${textOfKey(shownValue(namespace).value)}`;
}

function entriesOf(savepoint: Savepoint, uid: string): AsyncGenerator<Stored, void> {
  return readable(() => savepoint.entries(uid));
}

/** A key of a state that only the job's own codec can read is no reason to show none of the others. */
async function* readable<T>(read: () => AsyncGenerator<T, void>): AsyncGenerator<T, void> {
  try {
    yield* read();
  } catch (error) {
    if (isMillraceError(error, 'STATE_CODEC_CHANGED')) throw new Refusal(409, error.message);
    // An operator that holds nothing is not in the checkpoint.
    if (!isMillraceError(error, 'SAVEPOINT_OPERATOR_UNKNOWN')) throw error;
  }
}

/** Keys and bytes of the states of one operator, and its largest keys. */
class OperatorCounts {
  readonly #parallelism: number;
  readonly #maxParallelism: number;
  readonly #states = new Map<string, { kind: string; keys: number[]; bytes: number[] }>();
  #largest: KeyWeight<Key>[] = [];

  constructor(parallelism: number, maxParallelism: number) {
    this.#parallelism = parallelism;
    this.#maxParallelism = maxParallelism;
  }

  add(group: KeyGroupContents): void {
    const subtask = this.#subtaskOf(group.keyGroup);
    for (const { name, kind, bytes, entries } of group.states) {
      const none = (): number[] => Array<number>(this.#parallelism).fill(0);
      const known = this.#states.get(name) ?? { kind, keys: none(), bytes: none() };
      this.#states.set(name, known);
      known.keys[subtask]! += entries.length;
      known.bytes[subtask]! += bytes;
    }
    // All of a key lies in one group.
    const weights = keyWeights(group, (key) => textOfKey(shownValue(key).value));
    this.#largest = [...this.#largest, ...weights]
      .sort((left, right) => right.bytes - left.bytes)
      .slice(0, LARGEST_KEYS);
  }

  told(): Pick<StateOverview['operators'][number], 'states' | 'largestKeys'> {
    return {
      states: [...this.#states].map(([name, { kind, keys, bytes }]) => ({
        ...{ name, kind, keys: keys.reduce((sum, count) => sum + count, 0) },
        ...{ keysBySubtask: keys, bytesBySubtask: bytes },
      })),
      largestKeys: this.#largest.map(({ key, bytes }) => ({
        keyText: textOfKey(shownValue(key).value),
        subtask: this.#subtaskOf(keyGroupOf(key, this.#maxParallelism)),
        bytes: Math.round(bytes),
      })),
    };
  }

  #subtaskOf(keyGroup: number): number {
    return subtaskOfKeyGroup(keyGroup, this.#parallelism, this.#maxParallelism);
  }
}

async function withCheckpoint<T>(
  watch: JobWatch,
  env: Env,
  read: (savepoint: Savepoint, checkpoint: CheckpointMessage) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const checkpoint = watch.checkpoints.latest('COMPLETED', ({ path }) => path !== null);
    if (checkpoint === undefined || checkpoint.path === null) {
      throw new Refusal(409, 'There is no complete checkpoint yet: state is shown as of the latest one.');
    }
    try {
      return await read(await openSavepoint(checkpoint.path, { env }), checkpoint);
    } catch (error) {
      const isGone = isMillraceError(error) && GONE.has(error.code);
      if (!isGone || tries >= TRIES_MAX) throw error;
    }
  }
}

const GONE: ReadonlySet<string> = new Set(['CHECKPOINT_NOT_FOUND', 'CHECKPOINT_CORRUPT']);

/** Which operator has a uid; 404 for none. */
export function placeOfUid(watch: JobWatch, uid: string): OperatorPlace {
  for (const [vertex, { operators }] of watch.job.source.compiled.graph.vertices.entries()) {
    const operator = operators.findIndex((each) => each.uid === uid);
    if (operator >= 0) return { vertex, operator };
  }
  throw new Refusal(404, `NotFoundException: operator "${uid}" not found`);
}

function bytesOf({ subtasks }: CheckpointMessage, vertex: number): number {
  return subtasks.reduce((sum, part) => sum + (part.vertex === vertex ? part.stateBytes : 0), 0);
}

function textOfKey(key: unknown): string {
  return JSON.stringify(key);
}
