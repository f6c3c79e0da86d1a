/**
 * Named steps of starts, checkpoints, commits and restores at which a chaos run ends the process that comes by.
 *
 * A step asks one variable, which is `undefined`. Only code that was loaded into the process before this file sets it
 * (`node --import`, as chaos/process.mjs is): no message, no option and no variable of Millrace does, so that whoever could
 * turn a step into a crash can run code in the process already.
 */

/** Each step, once in the code. */
export const FAILPOINTS = [
  // A process begins on the folder of a job.
  'start.claimed',
  'start.surveyed',
  'start.loaded',
  'start.base-recorded',
  // A deployment begins with a checkpoint.
  'restore.chosen',
  'restore.read',
  'restore.deployed',
  'sink.restored',
  'sink.restored-committed',
  // The job master begins a checkpoint.
  'checkpoint.triggered',
  'directory.claimed',
  'checkpoint.claimed',
  'savepoint.claimed',
  'checkpoint.barrier-sent',
  // A task takes its part.
  'task.barrier-reached',
  'task.snapshot-taken',
  'task.snapshot-encoded',
  'state.durable',
  'task.state-stored',
  'task.acknowledged',
  // A sink prepares its commit.
  'part.opened',
  'part.written',
  'part.synced',
  'parts.durable',
  'sink.prepared',
  // The job master publishes.
  'checkpoint.acknowledged',
  'checkpoint.all-acknowledged',
  'file.created',
  'file.written',
  'file.synced',
  'publication.written',
  'publication.linked',
  'publication.durable',
  'savepoint.published',
  'checkpoint.published',
  'checkpoint.fence-checked',
  'checkpoint.complete',
  'checkpoint.complete-sent',
  // A sink commits.
  'task.completion-heard',
  'sink.commit-begins',
  'sink.fence-checked',
  'part.renamed',
  'parts.renamed',
  'sink.committed',
  'task.committed',
  // What is not needed any more goes.
  'checkpoint.discarding',
  'checkpoint.metadata-removed',
  'checkpoint.discarded',
] as const;

/** The name of a step. */
export type Failpoint = (typeof FAILPOINTS)[number];

/** What a chaos run puts here, under `Symbol.for`, before anything of Millrace is loaded. */
type Reached = (point: Failpoint) => void;

const reached = (globalThis as { readonly [name: symbol]: Reached | undefined })[
  Symbol.for('millrace.failpoint')
];

/** This step is reached. */
export function failpoint(point: Failpoint): void {
  reached?.(point);
}
