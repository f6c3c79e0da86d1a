/**
 * Looks at the directory of a file sink before the job starts: is it ours, and does it hold nothing from the future?
 *
 * D1  One directory belongs to one sink of one job; the marker is written before anything else.
 * D2  What was committed after the restored checkpoint would come a second time: it stops the start, or is moved aside.
 *     Only what was there before the fence was asked: output of a start that came later is not ours to judge (I-C7).
 * D3  Nothing is deleted here: files in progress may be named by a checkpoint that somebody restores later.
 *     What killed attempts leave behind is bounded: the open parts of one checkpoint interval per kill.
 */

import { makeDirectoryDurably } from '../../base/durable-directory.ts';
import { join } from 'node:path';
import { type Files, FilesError } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { SinkPrepareContext } from '../../operators/sink.ts';
import { checkpointOfName, discardedName, MARKER_NAME } from './part-names.ts';

/** The content of the marker. */
interface Marker {
  readonly jobId: string;
  readonly jobName: string;
  readonly uid: string;
  readonly format: string;
}

/** Names in an error message. */
const LISTED_MAX = 10;

/** Claims the directory for this sink, or throws. */
export async function prepareSinkDirectory(
  context: SinkPrepareContext,
  directory: string,
  format: string,
): Promise<void> {
  try {
    await makeDirectoryDurably(context.files, directory);
    await claim(context, directory, format);
    await settleLaterOutput(context, directory);
  } catch (error) {
    throw sinkDirectoryError(directory, error);
  }
}

/** What went wrong with the directory of a sink; errors with a code stay what they are. */
export function sinkDirectoryError(directory: string, error: unknown): unknown {
  if (!(error instanceof FilesError)) return error;
  return new MillraceError('SINK_WRITE_FAILED', `the output directory ${directory}: ${reasonOf(error)}`, {
    cause: error,
  });
}

function reasonOf(error: FilesError): string {
  switch (error.kind) {
    case 'no-space':
      return 'the disk is full';
    case 'denied':
      return `this user may not write ${error.path}, or it is read-only`;
    case 'exists':
    case 'not-a-directory':
      return `${error.path} is not a directory`;
    default:
      return error.message;
  }
}

/** D1. A name without a marker that does not start with a dot is somebody else's. */
async function claim(context: SinkPrepareContext, directory: string, format: string): Promise<void> {
  const { files, jobId, jobName, uid, attempt } = context;
  const path = join(directory, MARKER_NAME);
  if ((await files.stat(path)) === undefined) {
    const others = (await files.list(directory)).filter((name) => !name.startsWith('.'));
    // Another start of this job may have claimed the directory since: then the marker tells whose the files are.
    if (others.length > 0 && (await files.stat(path)) === undefined)
      throw foreignDirectory(directory, `it holds files of somebody else: ${listed(others)}`);
    await writeMarker(files, directory, attempt, { jobId, jobName, uid, format });
  }
  const owner = parseMarker(await files.read(path));
  if (owner === undefined) throw foreignDirectory(directory, `its ${MARKER_NAME} cannot be read`);
  if (owner.jobId !== jobId) {
    throw foreignDirectory(directory, `it belongs to the job ${owner.jobName} (${owner.jobId})`);
  }
  if (owner.uid !== uid)
    throw foreignDirectory(directory, `it belongs to another sink of this job, ${owner.uid}`);
}

/** Written aside and published under its name in one step, never over another one. */
async function writeMarker(files: Files, directory: string, attempt: string, marker: Marker): Promise<void> {
  const aside = join(directory, `.${MARKER_NAME}.${attempt}`);
  await files.remove(aside);
  const file = await files.open(aside, 'create');
  try {
    await file.write(new TextEncoder().encode(`${JSON.stringify(marker, undefined, 2)}\n`));
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await files.link(aside, join(directory, MARKER_NAME));
  } catch (error) {
    // Somebody was faster; the caller reads who.
    if (!(error instanceof FilesError && error.kind === 'exists')) throw error;
  }
  await files.remove(aside);
  await files.syncDirectory(directory);
}

function parseMarker(bytes: Uint8Array): Marker | undefined {
  try {
    const marker = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(bytes),
    ) as Partial<Marker> | null;
    const { jobId, jobName, uid, format } = marker ?? {};
    const whole = [jobId, jobName, uid, format].every((field) => typeof field === 'string');
    return whole ? (marker as Marker) : undefined;
  } catch {
    return undefined;
  }
}

/** D2. */
async function settleLaterOutput(context: SinkPrepareContext, directory: string): Promise<void> {
  const { files, restoredCheckpointId, discardLaterOutput, attempt, log } = context;
  const restored = restoredCheckpointId ?? -1;
  const names = await files.list(directory);
  const later = names.filter((name) => (checkpointOfName(name) ?? -1) > restored);
  if (later.length === 0) return;
  await context.checkFence();
  if (!discardLaterOutput) throw laterOutput(directory, restoredCheckpointId, later);
  const aside = join(directory, discardedName(attempt));
  await files.makeDirectory(aside);
  for (const name of later) await files.rename(join(directory, name), join(aside, name));
  await files.syncDirectory(aside);
  await files.syncDirectory(directory);
  log.warn('later output was moved aside', { directory: aside, files: later.length });
}

function laterOutput(
  directory: string,
  restoredCheckpointId: number | undefined,
  later: readonly string[],
): MillraceError {
  const start = restoredCheckpointId === undefined ? 'the beginning' : `checkpoint ${restoredCheckpointId}`;
  return new MillraceError(
    'SINK_LATER_OUTPUT',
    `the job starts from ${start}, but ${directory} holds output that was committed later and would come again: ${listed(later)}`,
  );
}

function foreignDirectory(directory: string, why: string): MillraceError {
  return new MillraceError(
    'SINK_DIRECTORY_FOREIGN',
    `the output directory ${directory} cannot be used: ${why}`,
  );
}

function listed(names: readonly string[]): string {
  const more = names.length - LISTED_MAX;
  return `${names.slice(0, LISTED_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
