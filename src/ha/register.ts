/**
 * A metadata store in one document that is replaced as a whole, for services that change one thing at a time: a file system,
 * a ConfigMap of Kubernetes.
 *
 * Owns: nothing but its watchers. Partner: a `Register`, which several processes have in common.
 *
 * RG-1 Every change is one replacement of the whole document, so that the guard and the expected revision are checked at the
 *      moment of the change (MS-1, MS-2): whoever has not seen the latest document cannot replace it.
 * RG-2 Changes are counted in the document, and the count is the revision of what was changed (MS-3). Where somebody may remove
 *      the document, the register says which one it is (`identity`), and that is part of the revision.
 * RG-3 The document carries its format and its checksum (record.ts): what cannot be read is HA_UNAVAILABLE, and replaced by nobody.
 * RG-4 Watchers look at the document every `pollMs`, or when a register that is told of changes says so.
 */

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/env.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import {
  type Change,
  type ChangeOutcome,
  type Closeable,
  isKey,
  type MetadataStore,
  type StoredEntry,
} from './metadata-store.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { pausing, Watcher } from './watcher.ts';

/** What is in a register. */
export interface RegisterContent {
  readonly revision: string;
  readonly text: string;
  /** Of this document, and of none that is made in its place; without slash (RG-2). */
  readonly identity?: string | undefined;
}

/** One text that is read and replaced. */
export interface Register {
  read(): Promise<RegisterContent | undefined>;
  /**
   * Puts a text in the place of the one with the expected revision (`undefined`: of none); returns the new revision, or
   * `conflict` when another one is there. Throws HA_UNAVAILABLE: then it may have happened.
   */
  replace(expected: string | undefined, text: string): Promise<Replaced | 'conflict'>;
  /** Calls `again` once when the content may be another than that revision, or when it is time to look anyway. */
  readonly wait?: ((revision: string | undefined, again: () => void) => Closeable) | undefined;
}

/** A text is in its place. */
export type Replaced = Omit<RegisterContent, 'text'>;

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
    return entryOf(await this.#look(), key);
  }

  async list(prefix: string): Promise<string[]> {
    const { document } = await this.#look();
    return Object.keys(document.entries)
      .filter((key) => key.startsWith(prefix))
      .sort();
  }

  async change(change: Change): Promise<ChangeOutcome> {
    assert(isKey(change.key), `"${change.key}" is a key`);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const seen = await this.#look();
      const refused = refusalOf(seen, change);
      if (refused !== undefined) return refused;
      const next = changed(seen.document, change);
      const outcome = await this.#register.replace(seen.revision, encodeRecord(next));
      if (outcome !== 'conflict') return { kind: 'changed', revision: revisionOf(outcome, next.changes) };
    }
    throw new MillraceError(
      'HA_UNAVAILABLE',
      `the entry ${change.key} was not changed: ${TRIES_MAX} others were faster`,
    );
  }

  watch(key: string, changed: () => void): Closeable {
    const pause = pausing(this.#clock, this.#pollMs);
    const wait = this.#register.wait?.bind(this.#register);
    return new Watcher<{ readonly revision: string | undefined }>({
      look: async () => {
        const seen = await this.#look();
        return { revision: entryOf(seen, key)?.revision, position: { revision: seen.revision } };
      },
      wait: (position, again) =>
        wait === undefined || position === undefined
          ? pause(position, again)
          : wait(position.revision, again),
      changed,
    });
  }

  async #look(): Promise<Seen> {
    const content = await this.#register.read();
    if (content === undefined) return { document: EMPTY, revision: undefined, identity: undefined };
    return { document: parsed(content), revision: content.revision, identity: content.identity };
  }
}

interface Seen {
  readonly document: RegisterDocument;
  readonly revision: string | undefined;
  readonly identity: string | undefined;
}

function refusalOf(seen: Seen, { key, expected, guard }: Change): ChangeOutcome | undefined {
  if (guard !== undefined && entryOf(seen, guard.key)?.revision !== guard.revision)
    return { kind: 'guarded' };
  return entryOf(seen, key)?.revision === expected ? undefined : { kind: 'conflict' };
}

function changed({ changes, entries }: RegisterDocument, { key, value }: Change): RegisterDocument {
  const revision = changes + 1; // RG-2
  const others = Object.entries(entries).filter(([name]) => name !== key);
  const all = value === undefined ? others : [...others, [key, { value, revision }] as const];
  return { changes: revision, entries: Object.fromEntries(all) };
}

function entryOf({ document: { entries }, identity }: Seen, key: string): StoredEntry | undefined {
  const entry = Object.hasOwn(entries, key) ? entries[key] : undefined;
  return entry && { value: entry.value, revision: revisionOf({ identity }, entry.revision) };
}

/** RG-2. */
function revisionOf({ identity }: Pick<RegisterContent, 'identity'>, count: number): string {
  return identity === undefined ? String(count) : `${identity}/${count}`;
}

/** RG-3. */
function parsed({ text, revision }: RegisterContent): RegisterDocument {
  const document = decodeRecord<RegisterDocument>(text, `revision ${revision} of the metadata`);
  if (Number.isSafeInteger(document.changes) && typeof document.entries === 'object') return document;
  throw new MillraceError('HA_UNAVAILABLE', `revision ${revision} of the metadata is something else`);
}

/** True for a failure of the service: its outcome is not known. */
export function isUnavailable(error: unknown): error is MillraceError {
  return isMillraceError(error, 'HA_UNAVAILABLE');
}
