/**
 * What becomes of a savepoint in another version of its job: which operators stay, come and go, and whether a start from it
 * would be refused. Pure but for reading the savepoint; the verdict is that of a start, because it is the same code.
 */

import { MillraceError, serializeError, type SerializedError } from '../base/errors.ts';
import type { DeclaredState } from '../checkpoint/declared-state.ts';
import type { LoadedCheckpoint } from '../checkpoint/load.ts';
import type { CheckpointedOperator, CheckpointedPlan, CheckpointedVertex } from '../checkpoint/plan.ts';
import { restoreProblems } from '../checkpoint/restore.ts';
import type { SubtaskSnapshot } from '../checkpoint/state-handle.ts';
import { type OperatorContents, type Savepoint, storedSnapshotOf } from './savepoint.ts';

/** The new version. */
export interface UpgradeTarget {
  readonly plan: CheckpointedPlan;
  /** What its operators declare, by uid. */
  readonly declaredState: DeclaredState;
  /** State that no operator takes is left behind. */
  readonly allowNonRestored: boolean;
}

/** One operator before and after. */
export interface OperatorChange {
  readonly uid: string;
  readonly name: string;
  readonly change: 'kept' | 'new' | 'gone';
  /** Subtasks; `undefined` on the side where it is not. */
  readonly parallelismBefore: number | undefined;
  readonly parallelismAfter: number | undefined;
  /** The operators that it shares its thread with are others now. */
  readonly isRechained: boolean;
  /** What it holds; `undefined` of a new operator. */
  readonly contents: OperatorContents | undefined;
  /** Its uid follows from the shape of the job, and it holds state. */
  readonly isAtRisk: boolean;
}

/** The whole of it. */
export interface UpgradeComparison {
  readonly operators: readonly OperatorChange[];
  /** Why a start would be refused; none = it would not. */
  readonly problems: readonly SerializedError[];
}

/** Compares a savepoint with the job that is to continue from it. */
export async function compareUpgrade(
  savepoint: Savepoint,
  { plan, declaredState, allowNonRestored }: UpgradeTarget,
): Promise<UpgradeComparison> {
  const contents = new Map((await savepoint.contents()).map((each) => [each.uid, each]));
  const before = placesOf(storedSnapshotOf(savepoint).metadata.vertices);
  const after = placesOf(plan.vertices);
  const uids = new Set([...after.keys(), ...before.keys()]);
  const checkpoint = await wholeOf(savepoint);
  const problems = restoreProblems({ checkpoint, plan, allowNonRestored, declaredState });
  return {
    operators: [...uids].map((uid) => changeOf(uid, before.get(uid), after.get(uid), contents.get(uid))),
    problems: problems.map((problem) => serializeError(asMillraceError(problem))),
  };
}

interface Place {
  readonly operator: CheckpointedOperator;
  readonly vertex: CheckpointedVertex;
}

function placesOf(vertices: readonly CheckpointedVertex[]): Map<string, Place> {
  return new Map(
    vertices.flatMap((vertex) => vertex.operators.map((operator) => [operator.uid, { operator, vertex }])),
  );
}

function changeOf(
  uid: string,
  before: Place | undefined,
  after: Place | undefined,
  contents: OperatorContents | undefined,
): OperatorChange {
  const { operator } = (after ?? before)!;
  const isBoth = before !== undefined && after !== undefined;
  return {
    uid,
    name: operator.name,
    change: isBoth ? 'kept' : after === undefined ? 'gone' : 'new',
    parallelismBefore: before?.vertex.parallelism,
    parallelismAfter: after?.vertex.parallelism,
    isRechained: isBoth && chainOf(before.vertex) !== chainOf(after.vertex),
    contents,
    isAtRisk: isBoth && !after.operator.explicitUid && contents !== undefined && holdsAnything(contents),
  };
}

function chainOf({ operators }: CheckpointedVertex): string {
  return JSON.stringify(operators.map(({ uid }) => uid));
}

/** It holds state; of sections only those with items count. */
export function holdsAnything({
  states,
  eventTimers,
  processingTimers,
  sections,
}: OperatorContents): boolean {
  return states.length > 0 || eventTimers + processingTimers > 0 || sections.some(({ items }) => items > 0);
}

/** All of it in memory, as a start has it. */
async function wholeOf(savepoint: Savepoint): Promise<Pick<LoadedCheckpoint, 'metadata' | 'snapshots'>> {
  const stored = storedSnapshotOf(savepoint);
  const snapshots: SubtaskSnapshot[][] = [];
  for (const [vertex, { parallelism }] of stored.metadata.vertices.entries()) {
    const ofVertex: SubtaskSnapshot[] = [];
    for (let subtask = 0; subtask < parallelism; subtask++)
      ofVertex.push(await stored.subtask(vertex, subtask));
    snapshots.push(ofVertex);
  }
  return { metadata: stored.metadata, snapshots };
}

function asMillraceError(problem: unknown): MillraceError {
  if (problem instanceof MillraceError) return problem;
  const message = problem instanceof Error ? problem.message : String(problem);
  return new MillraceError('SAVEPOINT_EDIT_INVALID', message, { cause: problem });
}
