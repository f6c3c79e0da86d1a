/**
 * A value state that begins as a number, held in typed tables as long as key and value allow it.
 *
 * Hot path: nothing is allocated for a key that has a number. What a typed table does not take (another value, a key
 * that is a tuple, a long string, a key too many of one hash) is held in the entry of the key, as in every other state.
 *
 * N1 A key has a place in a typed table or a value in its entry, never both.
 * N2 The cached place is that of the current key: it is found again when the generation of the context grows.
 * N3 A change of an entry passes `change` of the table (S1 of state-table.ts); a typed table keeps what it must itself.
 */

import type { Key } from '../../base/key-groups.ts';
import type { ValueState } from '../descriptors.ts';
import { type KeysAhead, TablesAhead } from './keys-ahead.ts';
import type { KeyContext } from './key-context.ts';
import { ABSENT, isAbsent, type KeyGroupState } from './key-group-state.ts';
import type { NumberTable } from './number-table.ts';
import type { StateTable } from './state-table.ts';

/** Whose value a step of the journal gives back, and where it was held. */
interface Target {
  readonly key: Key;
  readonly hash: number;
  readonly numbers: NumberTable;
  readonly table: StateTable;
  readonly group: KeyGroupState;
}

/** One value, most often a number. */
export class MemoryNumberState<T> implements ValueState<T> {
  readonly #table: StateTable;
  readonly #context: KeyContext;
  readonly #initial: T;
  readonly #ahead = new TablesAhead();
  #generation = -1;
  #numbers: NumberTable | undefined = undefined;
  #place = -1;

  constructor(table: StateTable, context: KeyContext, initial: T) {
    this.#table = table;
    this.#context = context;
    this.#initial = initial;
  }

  value(): T {
    if (this.#generation !== this.#context.generation) this.#find();
    if (this.#place >= 0) return this.#numbers!.at(this.#place) as T;
    const held = this.#table.held();
    return isAbsent(held) ? this.#initial : (held as T);
  }

  /** Whether the current key holds a value of its own. */
  isHeld(): boolean {
    if (this.#generation !== this.#context.generation) this.#find();
    return this.#place >= 0 || !isAbsent(this.#table.held());
  }

  update(value: T): void {
    if (this.#generation !== this.#context.generation) this.#find();
    if (typeof value === 'number' && this.#updateNumber(value)) return;
    if (value === undefined || value === null) return this.clear();
    this.#takeNumber();
    this.#table.store(value);
  }

  clear(): void {
    if (this.#generation !== this.#context.generation) this.#find();
    this.#takeNumber();
    this.#table.remove();
  }

  /** Asks for the memory of keys that follow. */
  prepare(keys: KeysAhead): void {
    this.#ahead.touch(keys, this.#table);
  }

  #find(): void {
    const group = this.#context.requireGroup();
    const { key, hash, generation, ahead } = this.#context;
    const known = ahead < 0 ? undefined : this.#ahead.tables[ahead];
    this.#numbers = known ?? this.#table.numbersOf(group)!.tableOf(key!);
    this.#place = this.#numbers === undefined ? -1 : this.#numbers.find(key!, hash);
    this.#generation = generation;
  }

  /** False when the number must go into the entry. */
  #updateNumber(value: number): boolean {
    const numbers = this.#numbers;
    const place = this.#place;
    if (numbers === undefined) return false;
    if (place >= 0) {
      const { journal } = this.#table;
      if (journal !== undefined) {
        const before = numbers.at(place);
        const target = this.#target(numbers);
        journal.add(() => giveBack(target, before));
      }
      numbers.set(place, value);
      return true;
    }
    if (!isAbsent(this.#table.held())) return false;
    const { journal } = this.#table;
    this.#place = numbers.add(this.#context.key!, this.#context.hash, value);
    if (this.#place < 0) return false;
    if (journal !== undefined) {
      const target = this.#target(numbers);
      journal.add(() => takeBack(target));
    }
    return true;
  }

  /** N1: makes way for a value in the entry, or for nothing. */
  #takeNumber(): void {
    if (this.#place < 0) return;
    const numbers = this.#numbers!;
    const { journal } = this.#table;
    if (journal !== undefined) {
      const before = numbers.at(this.#place);
      const target = this.#target(numbers);
      journal.add(() => giveBack(target, before));
    }
    numbers.remove(this.#place);
    this.#place = -1;
  }

  #target(numbers: NumberTable): Target {
    const { key, hash } = this.#context;
    return { key: key!, hash, numbers, table: this.#table, group: this.#context.requireGroup() };
  }
}

// A place that was given away may be too far off now: then the entry holds what it held.
function giveBack({ key, hash, numbers, table, group }: Target, value: number): void {
  const place = numbers.find(key, hash);
  if (place >= 0) return numbers.set(place, value);
  const entry = group.knownEntryOf(key);
  const isHeld = entry !== undefined && !isAbsent(table.heldBy(entry));
  if (!isHeld && numbers.add(key, hash, value) >= 0) return;
  table.giveBack(group, { key, value });
}

function takeBack({ key, hash, numbers, table, group }: Target): void {
  const place = numbers.find(key, hash);
  if (place >= 0) return numbers.remove(place);
  const entry = group.knownEntryOf(key);
  if (entry !== undefined) table.giveBack(group, { key, value: ABSENT });
}
