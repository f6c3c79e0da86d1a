/**
 * The files of a savepoint or checkpoint: its metadata, and the state of each subtask when it is asked for.
 *
 * Owner: the savepoint that was opened. Nothing is kept but the metadata (SV-1 in savepoint.ts).
 */

import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import { loadSubtask } from '../checkpoint/load.ts';
import { storesOf } from '../checkpoint/stores.ts';
import type { CheckpointMetadata, VertexMetadata } from '../checkpoint/metadata.ts';
import type { OperatorSnapshot, SubtaskSnapshot } from '../checkpoint/state-handle.ts';

/** An operator of a savepoint. */
export interface SavepointOperator {
  readonly uid: string;
  /** False: the uid was derived from the shape of the job. */
  readonly explicitUid: boolean;
  readonly name: string;
  readonly keyed: boolean;
  readonly parallelism: number;
  readonly maxParallelism: number;
}

/** See the head of the file. */
export class StoredSnapshot {
  readonly env: Env;
  readonly directory: string;
  readonly metadata: CheckpointMetadata;

  constructor(env: Env, directory: string, metadata: CheckpointMetadata) {
    this.env = env;
    this.directory = directory;
    this.metadata = metadata;
  }

  /** Its operators, in the order of the job. */
  operators(): SavepointOperator[] {
    return this.metadata.vertices.flatMap(({ parallelism, maxParallelism, operators }) =>
      operators.map(({ uid, explicitUid, name, keyed }) => {
        return { uid, explicitUid, name, keyed, parallelism, maxParallelism };
      }),
    );
  }

  /** The operator of a uid; throws SAVEPOINT_OPERATOR_UNKNOWN. */
  operator(uid: string): SavepointOperator {
    const operators = this.operators();
    const found = operators.find((operator) => operator.uid === uid);
    if (found !== undefined) return found;
    const uids = operators.map((operator) => operator.uid);
    const message = `${this.directory} holds no operator with the uid "${uid}".${didYouMean(uid, uids)}`;
    throw new MillraceError('SAVEPOINT_OPERATOR_UNKNOWN', message, { where: { uid } });
  }

  /** The vertex that an operator is in. */
  vertexOf(uid: string): VertexMetadata {
    return this.metadata.vertices[this.#vertexOf(uid)]!;
  }

  /** What all operators of one subtask hold; verified. */
  subtask(vertex: number, subtask: number): Promise<SubtaskSnapshot> {
    return loadSubtask(storesOf(this.env), this, vertex, subtask);
  }

  /** What the subtasks of an operator hold, one after the other. */
  async *snapshotsOf(uid: string): AsyncGenerator<OperatorSnapshot, void> {
    const vertex = this.#vertexOf(uid);
    const { parallelism } = this.metadata.vertices[vertex]!;
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const { operators } = await this.subtask(vertex, subtask);
      const snapshot = operators.find((operator) => operator.uid === uid);
      if (snapshot !== undefined) yield snapshot;
    }
  }

  /** The key groups of an operator, ascending. */
  async *keyGroupsOf(uid: string): AsyncGenerator<OperatorSnapshot['keyGroups'][number], void> {
    for await (const { keyGroups } of this.snapshotsOf(uid)) yield* keyGroups;
  }

  /** The items of a section of operator state; of `first`, those of the first subtask that has it. */
  async sectionOf(uid: string, name: string, of: 'all' | 'first'): Promise<Uint8Array[]> {
    const items: Uint8Array[] = [];
    for await (const { sections } of this.snapshotsOf(uid)) {
      const section = sections.find((candidate) => candidate.name === name);
      if (section === undefined) continue;
      items.push(...section.items);
      if (of === 'first') break;
    }
    return items;
  }

  #vertexOf(uid: string): number {
    this.operator(uid);
    return this.metadata.vertices.findIndex(({ operators }) =>
      operators.some((operator) => operator.uid === uid),
    );
  }
}
