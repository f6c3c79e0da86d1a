/**
 * A register in a folder of this machine: a file for each revision, numbered, of which the highest counts.
 *
 * ```text
 *   <folder>/41        the names of the writers of the last revisions, and the text
 *            42        the register: JSON with its checksum
 *            43.<id>.tmp   on its way
 * ```
 *
 * Owns: nothing; several processes use the same folder at once. Partner: the files of the process.
 *
 * FR-1 Revision n + 1 appears by `link`, which never overwrites: of those who have read n, one replaces it.
 * FR-2 A revision is durable, file and name, before it is said to be there; what is built on it makes it durable, too.
 * FR-3 Old revisions are removed, KEPT stay. A writer that slept over the removal of its number may link it again; it looks at
 *      the folder afterwards, sees a higher one, and has replaced nothing unless that one names it among its writers. (What is
 *      removed is always lower than something that stays, so the look cannot miss it.)
 * FR-4 What is left behind by a crash is a temporary file or a number below the highest; the next replacement removes it.
 */

import { join } from 'node:path';
import { makeDirectoryDurably } from '../base/durable-directory.ts';
import type { Env } from '../base/env.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { decodeCheckedJson, encodeCheckedJson } from '../checkpoint/checked-json.ts';
import { isFilesError, listIfExists, publishFile, readIfExists } from '../checkpoint/durable-files.ts';
import type { Register, RegisterContent } from './register.ts';

/** Revisions that stay, for whoever is about to read one. */
const KEPT = 16;
/** Writers whose names stay in the register (FR-3). */
const WRITERS_KEPT = 64;
/** The highest revision may be removed so often between being listed and being read. */
const READS_MAX = 100;

interface RevisionFile {
  readonly writers: readonly string[];
  readonly text: string;
}

/** See the head of the file. */
export class FileRegister implements Register {
  readonly #env: Pick<Env, 'files' | 'random' | 'log'>;
  readonly #folder: string;

  constructor(env: Pick<Env, 'files' | 'random' | 'log'>, folder: string) {
    this.#env = env;
    this.#folder = folder;
  }

  read(): Promise<RegisterContent | undefined> {
    return this.#orUnavailable(async () => {
      const found = await this.#highest();
      return found && { revision: String(found.number), text: found.file.text };
    });
  }

  replace(expected: string | undefined, text: string): Promise<{ readonly revision: string } | 'conflict'> {
    return this.#orUnavailable(async () => {
      const former = expected === undefined ? undefined : await this.#file(Number(expected));
      // Replaced, and removed by now.
      if (expected !== undefined && former === undefined) return 'conflict';
      return this.#publish(Number(expected ?? 0) + 1, former?.writers ?? [], text);
    });
  }

  async #publish(
    number: number,
    writers: readonly string[],
    text: string,
  ): Promise<{ readonly revision: string } | 'conflict'> {
    const { files, random } = this.#env;
    if (number === 1) await makeDirectoryDurably(files, this.#folder);
    const writer = random.id();
    const file: RevisionFile = { writers: [...writers, writer].slice(-WRITERS_KEPT), text };
    const outcome = await publishFile(this.#env, {
      directory: this.#folder,
      name: String(number),
      temporary: `${number}.${writer}.tmp`,
      bytes: encodeCheckedJson(file),
    });
    if (outcome.kind === 'taken') return 'conflict';
    if (outcome.kind === 'failed') {
      // Somebody has tidied up meanwhile, because much higher revisions are there.
      if (outcome.outcomeKnown && isFilesError(outcome.error, 'absent')) return 'conflict';
      throw outcome.error;
    }
    const highest = await this.#highest(); // FR-3
    const isIt = highest?.number === number || highest?.file.writers.includes(writer) === true;
    await this.#tidy(highest?.number ?? number);
    return isIt ? { revision: String(number) } : 'conflict';
  }

  async #highest(): Promise<{ readonly number: number; readonly file: RevisionFile } | undefined> {
    for (let reads = 0; reads < READS_MAX; reads++) {
      const number = numbersIn(await listIfExists(this.#env.files, this.#folder)).at(-1);
      if (number === undefined) return undefined;
      const file = await this.#file(number);
      if (file !== undefined) return { number, file };
    }
    throw new MillraceError('HA_UNAVAILABLE', `${this.#folder} changes faster than it can be read`);
  }

  async #file(number: number): Promise<RevisionFile | undefined> {
    const path = join(this.#folder, String(number));
    const bytes = await readIfExists(this.#env.files, path);
    return bytes === undefined ? undefined : (decodeCheckedJson(bytes, path) as RevisionFile);
  }

  /** FR-4. */
  async #tidy(highest: number): Promise<void> {
    const { files, log } = this.#env;
    try {
      for (const name of await files.list(this.#folder)) {
        if (Number.parseInt(name, 10) <= highest - KEPT) await files.remove(join(this.#folder, name));
      }
    } catch (error) {
      log.warn('old revisions could not be removed', { folder: this.#folder, error: String(error) });
    }
  }

  async #orUnavailable<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isFilesError(error) && !isMillraceError(error, 'CHECKPOINT_CORRUPT')) throw error;
      throw new MillraceError('HA_UNAVAILABLE', `${this.#folder} could not be used: ${error.message}`, {
        cause: error,
      });
    }
  }
}

function numbersIn(names: readonly string[]): number[] {
  return names
    .filter((name) => /^[1-9]\d*$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}
