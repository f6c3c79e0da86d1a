/**
 * Gives the state of a checkpoint to the operators of a plan, which may have other chains, edges and parallelism.
 *
 * 1. State is found by operator uid, never by vertex: chains may be others.
 * 2. State that nobody claims is refused, unless it may be dropped; empty leftovers are ignored. The error names each
 *    uid and the nearest one of the job.
 * 3. Keyed state keeps its max parallelism.
 * 4. What is assigned is a permutation of what was stored (I-K2): redistribution.ts, in-flight.ts.
 */

import { MillraceError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import { checkDeclaredState, type DeclaredState } from './declared-state.ts';
import { collectInFlight, dealInFlight, findEdge } from './in-flight.ts';
import type { LoadedCheckpoint } from './load.ts';
import type { CheckpointMetadata, EdgeMetadata } from './metadata.ts';
import type { CheckpointedOperator, CheckpointedPlan, CheckpointedVertex } from './plan.ts';
import { holdsKeyedState, holdsState, type OldSubtasks, redistribute } from './redistribution.ts';
import type { OperatorSnapshot, RestoredChannel, SubtaskRestore } from './state-handle.ts';

/** What is restored into what. */
export interface RestoreOptions {
  readonly checkpoint: Pick<LoadedCheckpoint, 'metadata' | 'snapshots'>;
  readonly plan: CheckpointedPlan;
  /** `-n`: drop state that no operator claims. */
  readonly allowNonRestored: boolean;
  readonly declaredState?: DeclaredState | undefined;
}

/** The state of a new job, dealt to its subtasks: itself, or where each of them finds it. */
export interface RestoreAssignment<Restore = SubtaskRestore> {
  readonly checkpointId: number;
  /** By vertex of the plan, then by subtask. */
  readonly vertices: readonly (readonly Restore[])[];
  /** By uid of the source. */
  readonly enumerators: ReadonlyMap<string, unknown>;
  /** To be shown to the user. */
  readonly warnings: readonly string[];
}

/** The state of an operator of the old job. */
interface OldOperator {
  readonly operator: CheckpointedOperator;
  readonly vertex: CheckpointedVertex;
  readonly subtasks: OldSubtasks;
}

/**
 * Deals a checkpoint to the subtasks of `plan`. Throws STATE_UNMATCHED, STATE_PARALLELISM, STATE_IN_FLIGHT, and for state
 * that cannot be read as it is declared STATE_TYPE_CHANGED, STATE_CODEC_CHANGED, STATE_SCHEMA_CHANGED.
 */
export function assignState(options: RestoreOptions): RestoreAssignment {
  const found = compare(options);
  for (const problem of problemsOf(found)) throw problem;
  const { matched, channels, lost, plan, metadata } = found;
  return {
    checkpointId: metadata.checkpointId,
    vertices: plan.vertices.map((vertex, index) =>
      assignVertex(vertex, matched, metadata.checkpointId, channels?.byVertex[index] ?? []),
    ),
    enumerators: enumeratorsOf(matched, metadata.enumerators),
    warnings: [...lost.map((text) => `dropped:${text}`), ...derivedUids(plan, matched)],
  };
}

/** Why a plan cannot continue from a checkpoint: all that {@link assignState} would throw, one after the other; none = it can. */
export function restoreProblems(options: RestoreOptions): unknown[] {
  return [...problemsOf(compare(options))];
}

/** A checkpoint beside a plan. */
interface Comparison extends RestoreOptions {
  readonly metadata: CheckpointMetadata;
  readonly matched: Map<string, OldOperator>;
  /** What the plan has no place for, as text. */
  readonly lost: readonly string[];
  /** `undefined`: they could not be dealt, and `channelProblem` says why. */
  readonly channels: { readonly byVertex: RestoredChannel[][][] } | undefined;
  readonly channelProblem: unknown;
}

function compare(options: RestoreOptions): Comparison {
  const { checkpoint, plan } = options;
  const { metadata } = checkpoint;
  const old = oldOperators(checkpoint);
  const matched = match(plan, old);
  let channels: ReturnType<typeof dealChannels> | undefined;
  let channelProblem: unknown;
  try {
    channels = dealChannels(checkpoint, plan);
  } catch (error) {
    channelProblem = error;
  }
  const unmatched = unmatchedOperators(plan, old, matched, metadata.enumerators);
  const lost = [...unmatched, ...(channels?.lost ?? [])];
  return { ...options, metadata, matched, lost, channels, channelProblem };
}

function* problemsOf(found: Comparison): Generator<unknown, void> {
  const { matched, declaredState, metadata, lost, allowNonRestored, plan } = found;
  if (declaredState !== undefined) {
    for (const [uid, { subtasks }] of matched) {
      if (holdsState(subtasks)) yield* thrownBy(() => checkDeclaredState(uid, subtasks, declaredState));
    }
  }
  if (found.channelProblem !== undefined) yield found.channelProblem;
  if (lost.length > 0 && !allowNonRestored) {
    const message = `checkpoint ${metadata.checkpointId} holds state that the job does not claim:\n${lost.join('\n')}`;
    yield new MillraceError('STATE_UNMATCHED', message);
  }
  for (const vertex of plan.vertices) yield* thrownBy(() => checkScale(vertex, matched));
}

function* thrownBy(check: () => void): Generator<unknown, void> {
  try {
    check();
  } catch (error) {
    yield error;
  }
}

function oldOperators({ metadata, snapshots }: RestoreOptions['checkpoint']): OldOperator[] {
  return metadata.vertices.flatMap((vertex, index) =>
    vertex.operators.map((operator) => ({
      operator,
      vertex,
      subtasks: snapshots[index]!.map(({ operators }) => operators.find(({ uid }) => uid === operator.uid)),
    })),
  );
}

/** Old operators by the uid of the new one that continues them. */
function match(plan: CheckpointedPlan, old: readonly OldOperator[]): Map<string, OldOperator> {
  const byUid = new Map(old.map((found) => [found.operator.uid, found]));
  const matched = new Map<string, OldOperator>();
  for (const { uid } of operatorsOf(plan)) {
    const found = byUid.get(uid);
    if (found !== undefined) matched.set(uid, found);
  }
  return matched;
}

function unmatchedOperators(
  plan: CheckpointedPlan,
  old: readonly OldOperator[],
  matched: ReadonlyMap<string, OldOperator>,
  enumerators: Readonly<Record<string, unknown>>,
): string[] {
  const claimed = new Set(matched.values());
  const uids = operatorsOf(plan).map(({ uid }) => uid);
  const keyedNow = new Map(operatorsOf(plan).map(({ uid, keyed }) => [uid, keyed]));
  const nobody = old
    .filter((found) => !claimed.has(found))
    .filter(({ operator, subtasks }) => holdsState(subtasks) || enumerators[operator.uid] !== undefined)
    .map(({ operator: { uid, name } }) => `  uid '${uid}' (${name}).${didYouMean(uid, uids)}`);
  const notKeyed = [...matched]
    .filter(([uid, { subtasks }]) => keyedNow.get(uid) === false && holdsKeyedState(subtasks))
    .map(([uid]) => `  keyed state of uid '${uid}', which is not keyed any more.`);
  return [...nobody, ...notKeyed];
}

function assignVertex(
  vertex: CheckpointedVertex,
  matched: ReadonlyMap<string, OldOperator>,
  checkpointId: number,
  channels: readonly (readonly RestoredChannel[])[],
): SubtaskRestore[] {
  const found = vertex.operators.flatMap((operator) => {
    const old = matched.get(operator.uid);
    return old === undefined ? [] : [{ operator, old }];
  });
  const dealt = found.map(({ operator, old }) => dealOperator(operator, old, vertex));
  return Array.from({ length: vertex.parallelism }, (_, subtask) => ({
    checkpointId,
    operators: dealt.map((subtasks) => subtasks[subtask]!),
    channels: channels[subtask]!,
  }));
}

function dealOperator(
  { uid, keyed }: CheckpointedOperator,
  { subtasks }: OldOperator,
  vertex: CheckpointedVertex,
): OperatorSnapshot[] {
  // Keyed state of an operator without keys was allowed to be dropped.
  const kept = keyed ? subtasks : subtasks.map((snapshot) => snapshot && { ...snapshot, keyGroups: [] });
  return redistribute(uid, kept, vertex);
}

function checkScale(vertex: CheckpointedVertex, matched: ReadonlyMap<string, OldOperator>): void {
  const { name, parallelism, maxParallelism } = vertex;
  if (parallelism > maxParallelism)
    throw new MillraceError(
      'STATE_PARALLELISM',
      `parallelism ${parallelism} of ${name} is above its max parallelism ${maxParallelism}`,
    );
  for (const { uid, keyed } of vertex.operators) {
    const old = matched.get(uid);
    if (old === undefined || !keyed || !holdsKeyedState(old.subtasks)) continue;
    const before = old.vertex.maxParallelism;
    if (before === maxParallelism) continue;
    throw new MillraceError(
      'STATE_PARALLELISM',
      `keyed state of '${uid}' was written with max parallelism ${before}, which is ${maxParallelism} now`,
      {
        remedy: `Keep it: setMaxParallelism(${before}) on '${uid}', with a parallelism of at most ${before}.`,
      },
    );
  }
}

function dealChannels(
  { metadata, snapshots }: RestoreOptions['checkpoint'],
  plan: CheckpointedPlan,
): { byVertex: RestoredChannel[][][]; lost: string[] } {
  const byVertex = plan.vertices.map(({ parallelism }) =>
    Array.from({ length: parallelism }, (): RestoredChannel[] => []),
  );
  const lost: string[] = [];
  for (const old of collectInFlight(metadata.edges, snapshots)) {
    const edge = findEdge(plan, metadata.edges, old.edge);
    if (edge === undefined) {
      checkNotChained(plan, old.edge);
      lost.push(`  records in flight from '${old.edge.from}' to '${old.edge.to}'.`);
      continue;
    }
    const consumer = byVertex[plan.edges.find(({ index }) => index === edge.index)!.to]!;
    dealInFlight(old, edge).forEach((sections, subtask) => {
      consumer[subtask]!.push(...sections);
    });
  }
  return { byVertex, lost };
}

/** A changed parallelism may chain two operators: then nobody dropped the edge, and no `-n` may drop its records. */
function checkNotChained(plan: CheckpointedPlan, { from, to }: EdgeMetadata): void {
  const isChain = plan.vertices.some(({ operators }) =>
    [from, to].every((uid) => operators.some((operator) => operator.uid === uid)),
  );
  if (!isChain) return;
  const message = `records in flight from '${from}' to '${to}' have no channel any more: the two are chained now`;
  throw new MillraceError('STATE_IN_FLIGHT', message);
}

function enumeratorsOf(
  matched: ReadonlyMap<string, OldOperator>,
  enumerators: Readonly<Record<string, unknown>>,
): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [uid, { operator }] of matched) {
    const state = enumerators[operator.uid];
    if (state !== undefined) found.set(uid, state);
  }
  return found;
}

function derivedUids(plan: CheckpointedPlan, matched: ReadonlyMap<string, OldOperator>): string[] {
  return operatorsOf(plan)
    .filter(({ uid, explicitUid }) => !explicitUid && holdsState(matched.get(uid)?.subtasks ?? []))
    .map(
      ({ uid, name }) =>
        `${name} has state and no uid of its own: it is found as '${uid}' only while the job keeps its shape`,
    );
}

function operatorsOf(plan: CheckpointedPlan): CheckpointedOperator[] {
  return plan.vertices.flatMap(({ operators }) => operators);
}
