// What another thread copied is corrected by what is told, whenever that comes, and whoever else has copied it meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLACE_WORDS } from './number-columns.ts';
import { TableCopies } from './table-copies.ts';

const WORDS = PLACE_WORDS.number;

/** A table of so many places, whose words are all `value`. */
function memoryOf(places: number, value: number): Int32Array<ArrayBuffer> {
  return new Int32Array(places * WORDS).fill(value);
}

function keptAt(place: number, value: number): Int32Array<ArrayBuffer> {
  return Int32Array.from([place, ...new Array<number>(WORDS).fill(value)]);
}

test('what was copied after the rest was given, and changed before that, is not what was there at the barrier', () => {
  const memories = [memoryOf(2, 1), memoryOf(2, 1)];
  const tables = memories.map((memory, index) => ({
    columns: 0,
    form: 'number' as const,
    memory,
    first: index * 2,
  }));
  const complete: Int32Array[] = [];
  const copies = new TableCopies(tables, (_table, copy) => complete.push(copy));
  // Kept and changed; told before the table is copied, and after.
  memories[0]!.fill(2, 0, WORDS);
  copies.correct([{ form: 'number', entries: keptAt(0, 1) }]);
  memories[1]!.fill(2, WORDS);
  const rest = memories.map((memory) => memory.slice());
  // The owner keeps nothing any more, and the copying thread does not know it yet.
  memories[0]!.fill(3);
  memories[1]!.fill(3);
  copies.add(memories[0]!.slice());
  copies.correct([{ form: 'number', entries: keptAt(3, 1) }]);
  copies.settleRest(rest);
  assert.deepEqual(complete, [memoryOf(2, 1), memoryOf(2, 1)]);
  assert.equal(copies.bytes, 0);
});
