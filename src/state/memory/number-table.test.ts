/** The typed tables against a `Map`, with keys whose hashes are chosen to be equal. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MillraceError } from '../../base/errors.ts';
import { decodeKeyAt, type Key, keyHash } from '../../base/key-groups.ts';
import { BinaryReader } from '../../codecs/binary.ts';
import { MemoryBudget } from '../memory-budget.ts';
import * as state from '../state.ts';
import { MemoryStateBackend } from './backend.ts';
import { layoutOf } from './declared-layout.ts';
import type { Cell } from './key-group-state.ts';
import { KeptPlaces } from './kept-places.ts';
import { NumberColumns, PLACE_WORDS } from './number-columns.ts';
import { type NumberTable, NumbersByNumber, NumbersByText, PAGE_WORDS, PROBES_MAX } from './number-table.ts';
import { TableMemory } from './table-memory.ts';
import { PackedNumbers } from './packed-numbers.ts';
import type { StateLayout } from './state-layout.ts';
import { TableColumns } from './table-columns.ts';
import { encodeWrittenKeyGroup, plainColumns } from '../written-key-group.ts';

const RUNS = 600;
const COPY_RUNS = 30;
const SEED = 31;

/** Strings of 2 × `pairs` units that all have one hash: 'Aa' and 'BB' have. */
function textsOfOneHash(pairs: number): string[] {
  let texts = [''];
  for (let pair = 0; pair < pairs; pair++) texts = texts.flatMap((text) => [`${text}Aa`, `${text}BB`]);
  return texts;
}

/** Doubles whose halves cancel out: all have the hash 0. */
function numbersOfOneHash(count: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  return Array.from({ length: count }, (_, index) => {
    view.setInt32(0, 0x3ff00001 + index);
    view.setInt32(4, 0x3ff00001 + index);
    return view.getFloat64(0);
  });
}

const texts = ['', ...textsOfOneHash(6), ...textsOfOneHash(3), 'é', 'x'.repeat(19)];
const numbers = [0, 1, -1, 0.5, Infinity, 2 ** 53, ...numbersOfOneHash(90)];

type Step = { readonly kind: 'put' | 'remove'; readonly key: number; readonly value: number };

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom('put', 'put', 'put', 'remove'),
    key: fc.nat({ max: 999 }),
    value: fc.double(),
  }),
  { maxLength: 400, size: 'max' },
);

function check(table: NumberTable, keys: readonly Key[], all: readonly Step[]): void {
  const model = new Map<Key, number>();
  for (const { kind, key: index, value } of all) {
    const key = keys[index % keys.length]!;
    const hash = keyHash(key);
    const place = table.find(key, hash);
    assert.equal(place >= 0, model.has(key));
    if (kind === 'remove') {
      if (place >= 0) table.remove(place);
      model.delete(key);
    } else if (place >= 0) {
      table.set(place, value);
      model.set(key, value);
    } else if (table.add(key, hash, value) >= 0) model.set(key, value);
    else assert.ok(model.size >= PROBES_MAX / 2, 'a key is refused only among many of one hash');
  }
  const held = new Map<Key, number>();
  table.visit((key, value) => held.set(key, value));
  assert.deepEqual(held, model);
  assert.equal(table.size, model.size);
  for (const [key, value] of model) assert.ok(Object.is(table.at(table.find(key, keyHash(key))), value));
}

test('a typed table holds what a map holds', () => {
  fc.assert(
    fc.property(steps, (all) => {
      check(new NumbersByText(new TableMemory(new MemoryBudget())), texts, all);
      check(new NumbersByNumber(new TableMemory(new MemoryBudget())), numbers, all);
    }),
    { seed: SEED, numRuns: RUNS },
  );
  console.log(`cases: typed tables against a map ${2 * RUNS} (minimum ${2 * RUNS})`);
});

test('a table with more keys of one hash than a lookup looks at refuses the rest and loses none', () => {
  const cases: [NumberTable, Key[]][] = [
    [new NumbersByText(new TableMemory(new MemoryBudget())), textsOfOneHash(8)],
    [new NumbersByNumber(new TableMemory(new MemoryBudget())), numbersOfOneHash(256)],
  ];
  for (const [table, keys] of cases) {
    const places = keys.map((key) => table.add(key, keyHash(key), 7));
    assert.ok(places.some((place) => place < 0));
    assert.equal(table.size, places.filter((place) => place >= 0).length);
    assert.ok(table.size >= PROBES_MAX / 2);
    keys.forEach((key, index) => {
      assert.equal(table.find(key, keyHash(key)) >= 0, places[index]! >= 0);
    });
  }
});

test('what a table cannot hold is refused: long strings, and units above U+00FF', () => {
  const table = new NumbersByText(new TableMemory(new MemoryBudget()));
  for (const key of ['x'.repeat(20), '\u0100', '漢字']) {
    assert.equal(table.add(key, keyHash(key), 1), -1);
    assert.equal(table.find(key, keyHash(key)), -1);
  }
  assert.equal(table.size, 0);
});

test('a table that becomes crowded grows before it refuses a key whose hash is its own', () => {
  const byNumber = new NumbersByNumber(new TableMemory(new MemoryBudget()));
  const byText = new NumbersByText(new TableMemory(new MemoryBudget()));
  let key = 1;
  for (let count = 0; count < 200_000; count++) {
    key = Math.imul(key, 1_664_525) + 1_013_904_223;
    if (byNumber.find(key, keyHash(key)) < 0) assert.ok(byNumber.add(key, keyHash(key), 1) >= 0);
    const text = String(key);
    if (byText.find(text, keyHash(text)) < 0) assert.ok(byText.add(text, keyHash(text), 1) >= 0);
  }
});

test('a hundred thousand keys are found, and found gone', () => {
  const table = new NumbersByText(new TableMemory(new MemoryBudget()));
  const keys = Array.from({ length: 100_000 }, (_, index) => `user-${index}`);
  for (const [index, key] of keys.entries()) assert.ok(table.add(key, keyHash(key), index) >= 0);
  for (const [index, key] of keys.entries()) assert.equal(table.at(table.find(key, keyHash(key))), index);
  const most = table.places;
  for (const [index, key] of keys.entries()) {
    table.remove(table.find(key, keyHash(key)));
    const next = keys[index + 1];
    if (next !== undefined) assert.equal(table.at(table.find(next, keyHash(next))), index + 1);
  }
  assert.equal(table.size, 0);
  assert.ok(table.places * 1_000 < most, 'memory goes with the keys');
});

interface Change {
  readonly kind: 'put' | 'remove' | 'copy';
  readonly key: number;
  readonly times: number;
}

/** Copies a table page by page. */
function copied(table: NumberTable, into: NumberColumns): void {
  const page = new Int32Array(PAGE_WORDS);
  table.beginCopy(new KeptPlaces(table.places, PLACE_WORDS[table.form]), 0, () => {});
  while (!table.isCopied) into.add(page, 0, { form: table.form, places: table.copyPage(page, 0) });
}

function columnsOf(layout: StateLayout, cells: readonly [unknown, Cell][], first = 0): TableColumns {
  const columns = new TableColumns(layout, first);
  for (const [, { key, value }] of cells) columns.add(key, value);
  return columns;
}

test('a copy that is made page by page is what the table was when it began, whatever happens meanwhile', () => {
  const manyTexts = Array.from({ length: 12_000 }, (_, index) => `key-${index}`);
  const manyNumbers = Array.from({ length: 12_000 }, (_, index) => index * 1.5);
  const change = fc.record<Change>({
    kind: fc.constantFrom('put', 'remove', 'copy'),
    key: fc.nat({ max: 11_999 }),
    times: fc.nat({ max: 600 }),
  });
  const run = (table: NumberTable, keys: readonly Key[], all: readonly Change[]): void => {
    for (const key of keys.slice(0, 4_000)) table.add(key, keyHash(key), 1);
    const expected = new Map<Key, number>();
    table.visit((key, value) => expected.set(key, value));
    const columns = new NumberColumns((value, out) => out.f64(value));
    const page = new Int32Array(PAGE_WORDS);
    const copyPage = (): void => columns.add(page, 0, { form: table.form, places: table.copyPage(page, 0) });
    table.beginCopy(new KeptPlaces(table.places, PLACE_WORDS[table.form]), 0, () => {
      while (!table.isCopied) copyPage();
    });
    for (const { kind, key: first, times } of all) {
      if (kind === 'copy') {
        if (!table.isCopied) copyPage();
        continue;
      }
      for (let index = first; index < first + times; index++) {
        const key = keys[index % keys.length]!;
        const place = table.find(key, keyHash(key));
        if (kind === 'remove') {
          if (place >= 0) table.remove(place);
        } else if (place >= 0) table.set(place, table.at(place) + index);
        else table.add(key, keyHash(key), -index);
      }
    }
    while (!table.isCopied) copyPage();
    const written = plainColumns(columns);
    const values = new BinaryReader(written.values);
    const found = new Map<Key, number>();
    for (let at = 0; at < written.keys.length; ) {
      const { key, end } = decodeKeyAt(written.keys, at);
      assert.ok(!found.has(key), 'each key once');
      found.set(key, values.f64());
      at = end;
    }
    assert.deepEqual(found, expected);
    assert.equal(columns.count, expected.size);
  };
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (all) => {
      run(new NumbersByText(new TableMemory(new MemoryBudget())), manyTexts, all);
      run(new NumbersByNumber(new TableMemory(new MemoryBudget())), manyNumbers, all);
    }),
    { seed: SEED, numRuns: COPY_RUNS },
  );
  console.log(`cases: copies of typed tables ${2 * COPY_RUNS} (minimum ${2 * COPY_RUNS})`);
});

test('typed tables become the bytes that cells become', () => {
  const layout = layoutOf('count', { kind: 'value', initial: 0 });
  const value = fc.oneof(
    fc.nat(),
    fc.integer(),
    fc.double(),
    fc.constantFrom(-0, 127, 128, 2 ** 31, 2 ** 53, Infinity),
  );
  const key = fc.oneof(
    fc.integer(),
    fc.double({ noNaN: true }).map((number) => (number === 0 ? 0 : number)),
    fc.string({ maxLength: 19 }),
    fc.string({ maxLength: 19, unit: fc.constantFrom('\0', '\x01', 'a', '\x7f', '\x80', '\xff') }),
  );
  const numbersIn = (table: NumberTable, all: readonly (readonly [Key, number])[]) => {
    for (const [each, number] of all) {
      if (table.find(each, keyHash(each)) < 0) table.add(each, keyHash(each), number);
    }
  };
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value), { maxLength: 60, size: 'max' }), (all) => {
      const numbers = new PackedNumbers(new TableMemory(new MemoryBudget()));
      for (const pair of all) numbersIn(numbers.tableOf(pair[0])!, [pair]);
      // What no typed table holds, behind what they do.
      const rest: [unknown, Cell][] = [['text', { key: true, value: { text: 'not a number' } }]];
      const cells: [unknown, Cell][] = [];
      numbers.visit((each, number) => cells.push([each, { key: each, value: number }]));
      const columns = new NumberColumns();
      for (const table of numbers.tables()) copied(table, columns);
      const behind = columnsOf(layout, rest, columns.count);
      const section = {
        name: 'count',
        kind: 0,
        codecId: layout.codec.id,
        keyCodecId: '',
        table: {
          kind: 'numbers',
          columns: 0,
          count: numbers.size,
          isGeneric: true,
          cells: { count: behind.count, keys: behind.keys.peek(), values: behind.plainValues() },
        },
      } as const;
      const bytes = columnsOf(layout, [...cells, ...rest]).body();
      const plain = { ...section, table: { kind: 'bytes', bytes, isOwn: true } } as const;
      const [packed, expected] = [section, plain].map((each) =>
        encodeWrittenKeyGroup(
          { keyGroup: 1, sections: [each], timers: new Uint8Array([0, 0]) },
          () => columns,
        ),
      );
      assert.deepEqual(packed, expected);
    }),
    { seed: SEED, numRuns: RUNS },
  );
  console.log(`cases: bytes of typed tables ${RUNS} (minimum ${RUNS})`);
});

test('a table takes its memory from the budget and gives it back, and one that may not grow keeps what it has', () => {
  const memory = new MemoryBudget(100_000);
  const table = new NumbersByNumber(new TableMemory(memory));
  const least = memory.taken;
  let held = 0;
  assert.throws(
    () => {
      for (; held < 100_000; held++) table.add(held, keyHash(held), held);
    },
    (error: MillraceError) =>
      error.code === 'STATE_MEMORY_EXCEEDED' && /100000 are allowed/.test(error.message),
  );
  assert.ok(held > 1_000 && table.size === held, `${held} keys`);
  for (let key = 0; key < held; key++) assert.equal(table.at(table.find(key, keyHash(key))), key);
  assert.equal(memory.taken, table.places * 16);
  for (let key = 0; key < held; key++) table.remove(table.find(key, keyHash(key)));
  assert.equal(memory.taken, least);
});

test('whoever is at the end of the budget can forget, and no record is to blame', () => {
  const memory = new MemoryBudget(100_000);
  const table = new NumbersByNumber(new TableMemory(memory));
  for (let key = 0; key < 2_000; key++) table.add(key, keyHash(key), key);
  memory.take(memory.max - memory.taken);
  for (let key = 0; key < 2_000; key++) table.remove(table.find(key, keyHash(key)));
  assert.equal(table.size, 0);
  assert.throws(
    () => memory.take(1),
    // One of a user would be given up as poison.
    (error: MillraceError) => error.code === 'STATE_MEMORY_EXCEEDED' && error.owner === 'external',
  );
});

test('memory that the machine has not is told as such, and no record is to blame for it', () => {
  const memory = new MemoryBudget();
  const table = new NumbersByNumber(new TableMemory(memory));
  const { SharedArrayBuffer: real } = globalThis;
  globalThis.SharedArrayBuffer = class {
    constructor() {
      throw new RangeError('Array buffer allocation failed');
    }
  } as never;
  let held = 0;
  try {
    assert.throws(
      () => {
        for (; held < 10_000; held++) table.add(held, keyHash(held), held);
      },
      (error: MillraceError) =>
        error.code === 'STATE_MEMORY_EXCEEDED' &&
        error.owner === 'external' &&
        /the machine did not give/.test(error.message),
    );
  } finally {
    globalThis.SharedArrayBuffer = real;
  }
  assert.equal(memory.taken, table.places * 16);
  for (; held < 10_000; held++) table.add(held, keyHash(held), held);
  for (let key = 0; key < held; key++) assert.equal(table.at(table.find(key, keyHash(key))), key);
});

function backendWith(memory: MemoryBudget): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: { start: 0, end: 0 },
    maxParallelism: 1,
    freezeValues: false,
    operatorUid: 'counts',
    memory,
    now: () => 0,
  });
}

test('restored numbers for which there is no memory stay restored, also when a function catches the error', () => {
  const keys = Array.from({ length: 1_000 }, (_, index) => `user-${index}`);
  const fill = (backend: MemoryStateBackend): void => {
    for (const [index, key] of keys.entries()) {
      backend.setCurrentKey(key);
      backend.state('count', state.value(0)).update(index + 1);
    }
  };
  const bytesOf = (backend: MemoryStateBackend): Uint8Array => {
    const frozen = backend.freeze();
    const bytes = frozen.encode(0);
    frozen.release();
    return bytes;
  };
  const before = backendWith(new MemoryBudget());
  fill(before);
  const memory = new MemoryBudget();
  memory.take(memory.max - 10_000);
  const after = backendWith(memory);
  after.restore(0, bytesOf(before));
  const count = after.state('count', state.value(0));
  for (const key of keys.slice(0, 3)) {
    after.setCurrentKey(key);
    assert.throws(() => count.value(), { code: 'STATE_MEMORY_EXCEEDED' });
  }
  assert.equal(memory.taken, memory.max - 10_000);
  const again = backendWith(new MemoryBudget());
  again.restore(0, bytesOf(after));
  for (const [index, key] of keys.entries()) {
    again.setCurrentKey(key);
    assert.equal(again.state('count', state.value(0)).value(), index + 1);
  }
});

test('what a record forgot comes back at the end of the budget, too', () => {
  const memory = new MemoryBudget();
  const backend = backendWith(memory);
  const count = backend.state('count', state.value(0));
  const keys: number[] = [];
  // Spread as if by chance; some rows of taken places are as long as a lookup.
  const add = (): void => {
    const key = Math.sqrt(keys.length + 600_002);
    backend.setCurrentKey(key);
    count.update(keys.length);
    keys.push(key);
  };
  while (keys.length < 4_000) add();
  memory.take(memory.max - memory.taken);
  assert.throws(
    () => {
      for (;;) add();
    },
    { code: 'STATE_MEMORY_EXCEEDED' },
  );
  // Keys that move into the hole leave none that is near enough for the one that comes back.
  for (const key of keys) {
    backend.setCurrentKey(key);
    backend.beginUndo();
    count.clear();
    backend.rollback();
  }
  for (const [index, key] of keys.entries()) {
    backend.setCurrentKey(key);
    assert.equal(count.value(), index);
  }
  assert.ok(keys.length > 6_000, `${keys.length} keys in 2^13 places`);
});
