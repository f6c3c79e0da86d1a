/**
 * The `_metadata` of a checkpoint: all that a restore needs besides the files that it names.
 *
 * A checked JSON document (checked-json.ts): `head -1 _metadata | jq`.
 *
 * 1. It states every participant of the plan: as many subtasks as each vertex's parallelism (I-X3).
 * 2. What is cut or changed is CHECKPOINT_CORRUPT with the name of the file.
 */

import { basename } from 'node:path';
import { assert } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { corrupt, decodeCheckedJson, encodeCheckedJson } from './checked-json.ts';
import type { CheckpointKind } from './coordinator-messages.ts';
import type { CheckpointedOperator, CheckpointedPlan } from './plan.ts';
import type { StateHandle } from './state-handle.ts';

const FORMAT = 'millrace-checkpoint';
const VERSION = 1;

/** A chain at the time of the checkpoint, with the state of its subtasks. */
export interface VertexMetadata {
  readonly id: string;
  readonly name: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly operators: readonly CheckpointedOperator[];
  readonly subtasks: readonly StateHandle[];
}

/** An edge at the time of the checkpoint; found again by its operators' uids, whatever its index is by then. */
export interface EdgeMetadata {
  readonly index: number;
  readonly from: string;
  readonly tag: string | undefined;
  readonly to: string;
  readonly input: number;
  readonly partitioner: string;
  readonly producers: number;
  readonly consumers: number;
}

/** The document. Plain JSON data. */
export interface CheckpointMetadata {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly jobId: string;
  readonly jobName: string;
  readonly checkpointId: number;
  readonly kind: CheckpointKind;
  /** It belongs to people: any job may continue from it. Absent = it belongs to its job. */
  readonly savepoint?: boolean;
  /** ms since the epoch. */
  readonly timestamp: number;
  /** The process attempt that published it. */
  readonly attempt: number;
  /** Fingerprint of the plan. */
  readonly fingerprint: string;
  readonly vertices: readonly VertexMetadata[];
  readonly edges: readonly EdgeMetadata[];
  /** By uid of the source: what its enumerator had not handed out. */
  readonly enumerators: Readonly<Record<string, unknown>>;
}

/** What {@link describeCheckpoint} puts together. */
export interface CheckpointDescription {
  readonly jobId: string;
  readonly jobName: string;
  readonly attempt: number;
  readonly barrier: { readonly id: number; readonly timestamp: number; readonly kind: CheckpointKind };
  readonly plan: CheckpointedPlan;
  readonly stateOf: (vertex: number, subtask: number) => StateHandle | undefined;
  readonly enumerators: ReadonlyMap<string, unknown>;
}

/** The metadata of a checkpoint that all tasks of `plan` have acknowledged. */
export function describeCheckpoint(description: CheckpointDescription): CheckpointMetadata {
  const { plan, barrier, stateOf } = description;
  return {
    format: FORMAT,
    version: VERSION,
    jobId: description.jobId,
    jobName: description.jobName,
    checkpointId: barrier.id,
    kind: barrier.kind,
    timestamp: barrier.timestamp,
    attempt: description.attempt,
    fingerprint: plan.fingerprint,
    vertices: plan.vertices.map(({ id, name, parallelism, maxParallelism, operators }, vertex) => ({
      id,
      name,
      parallelism,
      maxParallelism,
      operators: operators.map(describeOperator),
      subtasks: Array.from({ length: parallelism }, (_, subtask) => {
        const state = stateOf(vertex, subtask);
        assert(state !== undefined, 'a published checkpoint has the state of every subtask of the plan');
        return state;
      }),
    })),
    edges: describeEdges(plan),
    enumerators: Object.fromEntries(description.enumerators),
  };
}

/** How edges are named over restarts. */
export function describeEdges(plan: CheckpointedPlan): EdgeMetadata[] {
  return plan.edges.map(({ index, from, fromOperator, tag, to, input, partitioner }) => {
    const producer = plan.vertices[from];
    const consumer = plan.vertices[to];
    const emitter = producer?.operators[fromOperator];
    const head = consumer?.operators[0];
    assert(producer && consumer && emitter && head, 'an edge connects operators of the plan');
    const { parallelism: producers } = producer;
    const { parallelism: consumers } = consumer;
    return { index, from: emitter.uid, tag, to: head.uid, input, partitioner, producers, consumers };
  });
}

/** The bytes of a `_metadata` file. */
export function encodeMetadata(metadata: CheckpointMetadata): Uint8Array {
  return encodeCheckedJson(metadata);
}

/** Reads a `_metadata` file; `file` names it in errors. */
export function decodeMetadata(bytes: Uint8Array, file: string): CheckpointMetadata {
  return checkShape(decodeCheckedJson(bytes, file), file);
}

function describeOperator({ uid, explicitUid, id, name, keyed }: CheckpointedOperator): CheckpointedOperator {
  return { uid, explicitUid, id, name, keyed };
}

/** A name, never a path: metadata must not lead out of its directory. */
function isNamedInside({ file }: StateHandle): boolean {
  return file === undefined || (basename(file) === file && file !== '..' && file !== '.');
}

// The checksum was right, so this finds what another program wrote, not what was damaged.
function checkShape(document: Partial<CheckpointMetadata>, file: string): CheckpointMetadata {
  const { format, version, jobId, checkpointId, attempt, vertices, edges, enumerators } = document;
  if (format !== FORMAT) throw corrupt(file, `its format is not ${FORMAT}`);
  if (version !== VERSION) {
    const message = `${file} has version ${String(version)}; this program knows ${VERSION}`;
    throw new MillraceError('CHECKPOINT_VERSION_UNKNOWN', message);
  }
  const isWhole =
    typeof jobId === 'string' &&
    Number.isSafeInteger(checkpointId) &&
    Number.isSafeInteger(attempt) &&
    Array.isArray(vertices) &&
    vertices.every(({ subtasks }) => Array.isArray(subtasks) && subtasks.every(isNamedInside)) &&
    Array.isArray(edges) &&
    typeof enumerators === 'object';
  if (!isWhole) throw corrupt(file, 'fields are missing');
  for (const { name, parallelism, subtasks } of vertices) {
    if (subtasks.length !== parallelism)
      throw corrupt(file, `it holds ${subtasks.length} of ${parallelism} subtasks of ${name}`);
  }
  return document as CheckpointMetadata;
}
