/**
 * A metadata store in one document that is replaced as a whole, for services that change one thing at a time: a file system,
 * a ConfigMap of Kubernetes.
 *
 * Owns: nothing but its watchers. Partner: a `Register`, which several processes have in common.
 *
 * RG-1 Every change is one replacement of the whole document, so that the guard and the expected revision are checked at the
 *      moment of the change (MS-1, MS-2): whoever has not seen the latest document cannot replace it.
 * RG-2 Changes are counted in the document, and the count is the revision of what was changed (MS-3).
 * RG-3 Watchers look at the document every `pollMs`.
 */

import { assert } from '../base/assert.ts';
import type { Clock, Timer } from '../base/env.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import {
  type Change,
  type ChangeOutcome,
  type Closeable,
  isKey,
  type MetadataStore,
  type StoredEntry,
} from './metadata-store.ts';

/** What is in a register. */
export interface RegisterContent {
  readonly revision: string;
  readonly text: string;
}

/** One text that is read and replaced. */
export interface Register {
  read(): Promise<RegisterContent | undefined>;
  /**
   * Puts a text in the place of the one with the expected revision (`undefined`: of none); returns the new revision, or
   * `conflict` when another one is there. Throws HA_UNAVAILABLE: then it may have happened.
   */
  replace(expected: string | undefined, text: string): Promise<{ readonly revision: string } | 'conflict'>;
}

interface RegisterDocument {
  readonly changes: number;
  readonly entries: Readonly<Record<string, { readonly value: string; readonly revision: number }>>;
}

const EMPTY: RegisterDocument = { changes: 0, entries: {} };
/** Others may change the document so often while one change is tried. */
const TRIES_MAX = 100;

/** See the head of the file. */
export class RegisterStore implements MetadataStore {
  readonly #register: Register;
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #pollMs: number;

  constructor(register: Register, clock: Pick<Clock, 'timer'>, pollMs: number) {
    this.#register = register;
    this.#clock = clock;
    this.#pollMs = pollMs;
  }

  async read(key: string): Promise<StoredEntry | undefined> {
    const { document } = await this.#document();
    return entryOf(document, key);
  }

  async list(prefix: string): Promise<string[]> {
    const { document } = await this.#document();
    return Object.keys(document.entries)
      .filter((key) => key.startsWith(prefix))
      .sort();
  }

  async change(change: Change): Promise<ChangeOutcome> {
    assert(isKey(change.key), `"${change.key}" is a key`);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const { document, revision } = await this.#document();
      const refused = refusalOf(document, change);
      if (refused !== undefined) return refused;
      const next = changed(document, change);
      const outcome = await this.#register.replace(revision, JSON.stringify(next));
      if (outcome !== 'conflict') return { kind: 'changed', revision: String(next.changes) };
    }
    throw new MillraceError(
      'HA_UNAVAILABLE',
      `the entry ${change.key} was not changed: ${TRIES_MAX} others were faster`,
    );
  }

  watch(key: string, changed: () => void): Closeable {
    return new Watcher({ clock: this.#clock, pollMs: this.#pollMs, look: () => this.read(key), changed });
  }

  async #document(): Promise<{ document: RegisterDocument; revision: string | undefined }> {
    const content = await this.#register.read();
    if (content === undefined) return { document: EMPTY, revision: undefined };
    return { document: parsed(content), revision: content.revision };
  }
}

/** What a watcher looks at. */
export interface WatcherParts {
  readonly clock: Pick<Clock, 'timer'>;
  readonly pollMs: number;
  readonly look: () => Promise<StoredEntry | undefined>;
  readonly changed: () => void;
}

/** Looks again and again, and tells what differs from the last look; the first look tells what is there. */
export class Watcher implements Closeable {
  readonly #parts: WatcherParts;
  #seen: { readonly revision: string | undefined } | undefined;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(parts: WatcherParts) {
    this.#parts = parts;
    this.#look();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #look(): void {
    const { look, changed, clock, pollMs } = this.#parts;
    const again = (): void => {
      if (!this.#isClosed) this.#timer = clock.timer(pollMs, () => this.#look(), 'look at an entry again');
    };
    look().then(
      (entry) => {
        const isNews = this.#seen === undefined || this.#seen.revision !== entry?.revision;
        this.#seen = { revision: entry?.revision };
        if (isNews && !this.#isClosed) changed();
        again();
      },
      // A service that does not answer now may answer later; who depends on it has a deadline of its own.
      again,
    );
  }
}

function refusalOf(document: RegisterDocument, { key, expected, guard }: Change): ChangeOutcome | undefined {
  if (guard !== undefined && entryOf(document, guard.key)?.revision !== guard.revision)
    return { kind: 'guarded' };
  return entryOf(document, key)?.revision === expected ? undefined : { kind: 'conflict' };
}

function changed({ changes, entries }: RegisterDocument, { key, value }: Change): RegisterDocument {
  const revision = changes + 1; // RG-2
  const others = Object.entries(entries).filter(([name]) => name !== key);
  const all = value === undefined ? others : [...others, [key, { value, revision }] as const];
  return { changes: revision, entries: Object.fromEntries(all) };
}

function entryOf({ entries }: RegisterDocument, key: string): StoredEntry | undefined {
  const entry = Object.hasOwn(entries, key) ? entries[key] : undefined;
  return entry && { value: entry.value, revision: String(entry.revision) };
}

function parsed({ text, revision }: RegisterContent): RegisterDocument {
  try {
    const document = JSON.parse(text) as RegisterDocument;
    if (Number.isSafeInteger(document.changes) && typeof document.entries === 'object') return document;
  } catch (cause) {
    throw new MillraceError('HA_UNAVAILABLE', `revision ${revision} of the metadata cannot be read`, {
      cause,
    });
  }
  throw new MillraceError('HA_UNAVAILABLE', `revision ${revision} of the metadata is something else`);
}

/** True for a failure of the service: its outcome is not known. */
export function isUnavailable(error: unknown): error is MillraceError {
  return isMillraceError(error, 'HA_UNAVAILABLE');
}
