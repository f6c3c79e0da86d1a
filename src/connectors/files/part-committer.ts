/**
 * Commits part files: renames them to the name under which readers find them.
 *
 * M1  Renaming again is harmless: when the file has its committed name already, nothing is to be done.
 * M2  A file that has neither name is lost output, and that is fatal (I-C5).
 * M3  The names survive a loss of power before the commit counts as done.
 */

import { basename, join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { FilesError } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoints.ts';
import type { OperatorContext } from '../../operators/operator.ts';
import type { SinkCommitter } from '../../operators/sink.ts';
import { checkpointOfName, isInProgressName } from './part-names.ts';
import { sinkDirectoryError } from './sink-directory.ts';

/** A commit handle: names inside the directory, so that the directory may move. */
export interface PreparedPart {
  readonly from: string;
  readonly to: string;
}

/** The handle as bytes: UTF-8 JSON. */
export function encodePart({ from, to }: PreparedPart): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ from, to }));
}

/** The committer of the exactly-once file sink. */
export class PartCommitter implements SinkCommitter {
  readonly #context: OperatorContext;
  readonly #directory: string;

  constructor(context: OperatorContext, directory: string) {
    this.#context = context;
    this.#directory = directory;
  }

  async commit(checkpointId: number, handles: readonly Uint8Array[]): Promise<void> {
    try {
      for (const handle of handles) await this.#commitPart(decodePart(handle), checkpointId);
      await this.#context.files.syncDirectory(this.#directory);
      failpoint('parts.renamed');
    } catch (error) {
      throw sinkDirectoryError(this.#directory, error);
    }
  }

  async #commitPart({ from, to }: PreparedPart, checkpointId: number): Promise<void> {
    const { files } = this.#context;
    try {
      await files.rename(join(this.#directory, from), join(this.#directory, to));
      failpoint('part.renamed');
    } catch (error) {
      if (!(error instanceof FilesError && error.kind === 'absent')) throw error;
      if ((await files.stat(join(this.#directory, to))) === undefined)
        throw this.#lost(from, to, checkpointId, error);
    }
  }

  #lost(from: string, to: string, checkpointId: number, cause: unknown): MillraceError {
    const { name, uid, subtask } = this.#context.info;
    return new MillraceError(
      'SINK_COMMIT_LOST',
      `output of checkpoint ${checkpointId} is gone: ${this.#directory} holds neither ${from} nor ${to}`,
      { where: { operator: name, uid, subtask }, cause },
    );
  }
}

/** Names come from a checkpoint; they must not lead out of the directory. */
function decodePart(handle: Uint8Array): PreparedPart {
  const { from, to } = JSON.parse(new TextDecoder().decode(handle)) as PreparedPart;
  assert(basename(from) === from && isInProgressName(from), 'a handle names a part in progress');
  assert(basename(to) === to && checkpointOfName(to) !== undefined, 'a handle names a committed part');
  return { from, to };
}
