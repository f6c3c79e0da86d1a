/**
 * Lists of an operator that belong to no key: each subtask has its part, and at another parallelism the items are dealt
 * anew, evenly (list) or all of them to everyone (union list). Flink's ListState of the OperatorStateStore.
 *
 * Owner: the operator, from its thread.
 *
 * ```
 * section = "list/" or "union/", then the name of the list; one item for each item of the list
 * item    = string id of the codec, the value
 * ```
 *
 * O1  A list is found again by its name; one of the other kind under the same name is refused.
 * O2  What was restored and nobody declares is written again, a union list by subtask 0 only: all subtasks got all of it.
 * O3  Between `beginUndo` and `undo` every change can be taken back.
 */

import { MillraceError } from '../base/errors.ts';
import { BinaryReader, BinaryWriter } from '../codecs/binary.ts';
import type { Codec } from '../codecs/codec.ts';
import { genericCodec } from '../codecs/generic.ts';
import type { ListDescriptor, ListState } from './descriptors.ts';
import { ListBuffer } from './memory/list-buffer.ts';
import { storedCodec } from './memory/stored-codec.ts';
import { UndoJournal } from './memory/undo-journal.ts';

/** How the items of a list become bytes; the generic codec when nothing is said. */
export interface OperatorListOptions<T> {
  readonly codec?: Codec<T>;
}

/** Gives the lists of this subtask; the same name gives the same list. Throws STATE_TYPE_CHANGED and STATE_CODEC_CHANGED. */
export interface OperatorStateStore {
  /** At another parallelism the items of all subtasks are dealt evenly, each to one subtask. */
  readonly list: <T>(name: string, options?: OperatorListOptions<T>) => ListState<T>;
  /** At every restore each subtask gets the items of all subtasks, and chooses. */
  readonly unionList: <T>(name: string, options?: OperatorListOptions<T>) => ListState<T>;
}

/**
 * Lists of operator state that are declared before a function begins, by name: `{ lists: { waiting: state.list<Order>() } }`.
 * A checkpoint whose items cannot be read as they are declared is refused before the job starts.
 */
export interface DeclaredLists {
  readonly lists?: Readonly<Record<string, ListDescriptor<unknown>>> | undefined;
  readonly unionLists?: Readonly<Record<string, ListDescriptor<unknown>>> | undefined;
}

/** How the items of a list are dealt. */
export type ListRedistribution = 'split' | 'union';

/** A section of a snapshot. */
export interface ListSection {
  readonly name: string;
  readonly redistribution: ListRedistribution;
  readonly items: readonly Uint8Array[];
}

/** What the lists of a subtask are made of. */
export interface OperatorListsParts {
  readonly subtask: number;
  /** Names of the restored sections of the operator. */
  readonly restoredNames: readonly string[];
  /** The items of a restored section for this subtask. */
  restored(this: void, section: string): readonly Uint8Array[];
  readonly declared?: DeclaredLists | undefined;
}

const PREFIXES = { split: 'list/', union: 'union/' } as const;

/**
 * Throws unless the lists of a checkpoint can be read as they are declared: STATE_TYPE_CHANGED, STATE_CODEC_CHANGED, or
 * STATE_SCHEMA_CHANGED with every difference.
 */
export function checkLists(
  declared: DeclaredLists,
  sections: readonly { readonly name: string; readonly items: readonly Uint8Array[] }[],
  operatorUid: string,
): void {
  const seen = new Set<string>();
  for (const { name: section, items } of sections) {
    const redistribution = redistributionOf(section);
    if (redistribution === undefined || items.length === 0) continue;
    const name = section.slice(PREFIXES[redistribution].length);
    const other = redistribution === 'split' ? 'union' : 'split';
    if (descriptorOf(declared, name, other) !== undefined)
      throw otherKind(name, other, redistribution, operatorUid);
    const descriptor = descriptorOf(declared, name, redistribution);
    if (descriptor === undefined) continue;
    for (const item of items) {
      const codecId = new BinaryReader(item).string();
      const written = JSON.stringify([section, codecId]);
      if (seen.has(written)) continue;
      seen.add(written);
      storedCodec(codecId, codecOf(descriptor), { state: `operator state "${name}"`, operatorUid });
    }
  }
}

function descriptorOf(
  { lists = {}, unionLists = {} }: DeclaredLists,
  name: string,
  redistribution: ListRedistribution,
): ListDescriptor<unknown> | undefined {
  const declared = redistribution === 'split' ? lists : unionLists;
  return Object.hasOwn(declared, name) ? declared[name] : undefined;
}

function codecOf({ codec }: ListDescriptor<unknown>): Codec<unknown> {
  return (codec ?? genericCodec) as Codec<unknown>;
}

function otherKind(
  name: string,
  declared: ListRedistribution,
  found: ListRedistribution,
  uid?: string,
): MillraceError {
  const message = `operator state "${name}" is declared as ${KIND[declared]}, but is ${KIND[found]} already`;
  return uid === undefined
    ? new MillraceError('STATE_TYPE_CHANGED', message)
    : new MillraceError('STATE_TYPE_CHANGED', `${message} (operator ${uid})`, { where: { uid } });
}

/** The lists of one operator of one subtask. */
export class OperatorLists implements OperatorStateStore {
  readonly list: OperatorStateStore['list'];
  readonly unionList: OperatorStateStore['unionList'];
  readonly #parts: OperatorListsParts;
  /** By section. */
  readonly #lists = new Map<string, OperatorList<unknown>>();
  readonly #changes: Changes = { journal: undefined };

  constructor(parts: OperatorListsParts) {
    this.#parts = parts;
    this.list = (name, options) => this.#declare(name, 'split', options);
    this.unionList = (name, options) => this.#declare(name, 'union', options);
  }

  /** What a snapshot holds, as of now. */
  encode(): ListSection[] {
    const sections: ListSection[] = [];
    for (const [name, list] of this.#lists) {
      sections.push({ name, redistribution: list.redistribution, items: list.encode() });
    }
    return [...sections, ...this.#undeclared()];
  }

  beginUndo(): void {
    this.#changes.journal = new UndoJournal();
  }

  undo(): void {
    this.#changes.journal?.rollback();
    this.#changes.journal = undefined;
  }

  #declare<T>(
    name: string,
    redistribution: ListRedistribution,
    options: OperatorListOptions<T> = {},
  ): ListState<T> {
    const section = PREFIXES[redistribution] + name;
    const declared = this.#lists.get(section);
    if (declared !== undefined) return declared as ListState<unknown> as ListState<T>;
    this.#checkKind(name, redistribution);
    const before = descriptorOf(this.#parts.declared ?? {}, name, redistribution);
    const codec = (options.codec ?? before?.codec ?? genericCodec) as Codec<unknown>;
    const items = decodeItems(name, codec, this.#parts.restored(section));
    const list = new OperatorList<unknown>({ redistribution, codec, items, changes: this.#changes });
    this.#lists.set(section, list);
    return list as ListState<unknown> as ListState<T>;
  }

  // O1.
  #checkKind(name: string, redistribution: ListRedistribution): void {
    const other = redistribution === 'split' ? 'union' : 'split';
    const section = PREFIXES[other] + name;
    const isOther =
      this.#lists.has(section) ||
      this.#parts.restoredNames.includes(section) ||
      descriptorOf(this.#parts.declared ?? {}, name, other) !== undefined;
    if (isOther) throw otherKind(name, redistribution, other);
  }

  // O2.
  #undeclared(): ListSection[] {
    return this.#parts.restoredNames.flatMap((name) => {
      const redistribution = redistributionOf(name);
      if (redistribution === undefined || this.#lists.has(name)) return [];
      const isWritten = redistribution === 'split' || this.#parts.subtask === 0;
      return [{ name, redistribution, items: isWritten ? this.#parts.restored(name) : [] }];
    });
  }
}

const KIND = { split: 'a list', union: 'a union list' } as const;

interface Changes {
  /** O3. */
  journal: UndoJournal | undefined;
}

interface OperatorListParts<T> {
  readonly redistribution: ListRedistribution;
  readonly codec: Codec<T>;
  readonly items: T[];
  readonly changes: Changes;
}

class OperatorList<T> implements ListState<T> {
  readonly redistribution: ListRedistribution;
  readonly #codec: Codec<T>;
  readonly #changes: Changes;
  #buffer: ListBuffer;

  constructor({ redistribution, codec, items, changes }: OperatorListParts<T>) {
    this.redistribution = redistribution;
    this.#codec = codec;
    this.#changes = changes;
    this.#buffer = new ListBuffer(items);
  }

  get(): readonly T[] {
    return this.#buffer.read(false) as readonly T[];
  }

  add(value: T): void {
    this.addAll([value]);
  }

  addAll(values: Iterable<T>): void {
    const added = [...values];
    const buffer = this.#buffer;
    const { journal } = this.#changes;
    if (journal !== undefined) {
      const mark = buffer.mark();
      journal.add(() => buffer.backTo(mark));
    }
    for (const value of added) buffer.push(value);
  }

  update(values: Iterable<T>): void {
    const before = this.#buffer;
    this.#changes.journal?.add(() => {
      this.#buffer = before;
    });
    this.#buffer = new ListBuffer([...values]);
  }

  clear(): void {
    this.update([]);
  }

  encode(): Uint8Array[] {
    return this.#buffer.peek().map((value) => {
      const out = new BinaryWriter();
      out.string(this.#codec.id);
      this.#codec.encode(value as T, out);
      return out.finish();
    });
  }
}

function redistributionOf(section: string): ListRedistribution | undefined {
  if (section.startsWith(PREFIXES.split)) return 'split';
  return section.startsWith(PREFIXES.union) ? 'union' : undefined;
}

function decodeItems(name: string, declared: Codec<unknown>, items: readonly Uint8Array[]): unknown[] {
  const codecs = new Map<string, Codec<unknown>>();
  return items.map((item) => {
    const from = new BinaryReader(item);
    const id = from.string();
    const codec = codecs.get(id) ?? storedCodec(id, declared, { state: `operator state "${name}"` });
    codecs.set(id, codec);
    const value = codec.decode(from);
    from.end();
    return value;
  });
}
