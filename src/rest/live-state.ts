/**
 * What a key of a running job holds now, and changes of it by hand: asked of the task that has it, between two records.
 *
 * LS-1 The key is the one of the latest checkpoint that is shown so: two keys that JSON does not tell apart are refused.
 * LS-2 A checkpoint is asked for behind a change: until one is complete, a failure takes the change back.
 */

import type { Env } from '../base/env.ts';
import { checkKey, type Key, keyGroupOf, subtaskOfKeyGroup } from '../base/key-groups.ts';
import type { KeyAnswer } from '../cluster/job-manager/inspections.ts';
import { askSubtask } from './ask-subtask.ts';
import { badRequest, field } from './context.ts';
import type { LiveState, LiveStateValue } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal } from './router.ts';
import { keysShownAs, placeOfUid } from './state-browser.ts';

/** What is asked. */
export interface LiveQuery {
  readonly uid: string;
  /** As JSON says it. */
  readonly key: unknown;
}

/** What a key holds now. */
export async function liveState(watch: JobWatch, env: Env, query: LiveQuery): Promise<LiveState> {
  const { answer, subtask } = await askTask(watch, env, query, undefined);
  return messageOf(query, { answer, subtask });
}

/** Changes what a key holds (LS-2). */
export async function changeState(
  watch: JobWatch,
  env: Env,
  { uid, body }: { readonly uid: string; readonly body: unknown },
): Promise<LiveState> {
  const query = { uid, key: field(body, 'key') };
  if (query.key === undefined) throw badRequest('"key" is missing');
  const { answer, subtask } = await askTask(watch, env, query, changeOf(body));
  // Where none can be taken now the next one has it.
  watch.job.source.triggerCheckpoint().catch(() => {});
  return messageOf(query, { answer, subtask });
}

type Change = { kind: 'remove'; state: string } | { kind: 'write'; state: string; value: unknown };

function changeOf(body: unknown): Change {
  const kind = field(body, 'kind');
  const state = field(body, 'state');
  if (typeof state !== 'string') throw badRequest('"state" is the name of a state');
  if (kind === 'remove') return { kind, state };
  const value = field(body, 'value');
  if (kind !== 'write') throw badRequest('"kind" is neither "write" nor "remove"');
  if (value === undefined) throw badRequest('"value" is missing');
  return { kind, state, value };
}

async function askTask(
  watch: JobWatch,
  env: Env,
  { uid, key: wanted }: LiveQuery,
  change: Change | undefined,
): Promise<{ readonly answer: KeyAnswer; readonly subtask: number }> {
  const { vertex, operator } = placeOfUid(watch, uid);
  const { parallelism, maxParallelism } = watch.job.source.compiled.graph.vertices[vertex]!;
  const key = await keyOf(watch, env, { uid, key: wanted });
  const subtask = subtaskOfKeyGroup(keyGroupOf(key, maxParallelism), parallelism, maxParallelism);
  const answer = await askSubtask(watch, { kind: 'key-state', vertex, subtask, operator, key, change });
  return { answer: answer as KeyAnswer, subtask };
}

/** LS-1; a key that no checkpoint has yet is what JSON says. */
async function keyOf(watch: JobWatch, env: Env, { uid, key }: LiveQuery): Promise<Key> {
  const known = await keysShownAs(watch, env, { uid, key });
  if (known.length > 1) {
    throw new Refusal(
      409,
      `${known.length} keys of "${uid}" are shown as ${JSON.stringify(key)}: which one is meant cannot be told.`,
    );
  }
  if (known[0] !== undefined) return known[0];
  try {
    return checkKey(key);
  } catch {
    throw badRequest(`${JSON.stringify(key)} is no key`);
  }
}

function messageOf(
  { uid, key }: LiveQuery,
  { answer, subtask }: { readonly answer: KeyAnswer; readonly subtask: number },
): LiveState {
  return {
    uid,
    keyText: JSON.stringify(key),
    subtask,
    at: answer.at,
    states: answer.states.filter(({ name }) => !name.startsWith('$')).map(valueMessage),
    before: answer.before === undefined ? null : valueMessage(answer.before),
  };
}

function valueMessage({ changedAt, expiresAt, fixed, ...held }: KeyAnswer['states'][number]): LiveStateValue {
  return { ...held, changedAt: changedAt ?? null, expiresAt: expiresAt ?? null, fixed: fixed ?? null };
}
