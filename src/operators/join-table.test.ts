import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_TIMESTAMP } from '../base/time.ts';
import { type Forgetting, JoinTable } from './join-table.ts';

const CASES = 600;
const SEED = 31;

interface Waiting {
  readonly time: number;
  readonly value: number;
  readonly since: number;
}

/** The same by lists: what waits of each key and side, in order, with the time at which it came. */
class NaiveTable {
  readonly keepMs: readonly [number, number];
  readonly lists = new Map<string, Waiting[]>();
  now = Number.NEGATIVE_INFINITY;

  constructor(keepMs: readonly [number, number]) {
    this.keepMs = keepMs;
  }

  #of(name: string, side: number): Waiting[] {
    const of = `${name}${side}`;
    const list = this.lists.get(of) ?? [];
    this.lists.set(of, list);
    return list;
  }

  add(name: string, side: number, time: number, value: number): void {
    const list = this.#of(name, side);
    const behind = list.findIndex((each) => each.time > time);
    list.splice(behind < 0 ? list.length : behind, 0, { time, value, since: this.now });
  }

  undo(name: string, side: number, value: number): void {
    const list = this.#of(name, side);
    list.splice(
      list.findIndex((each) => each.value === value),
      1,
    );
  }

  waiting(name: string, side: number): Waiting[] {
    const keep = this.now === MAX_TIMESTAMP ? 0 : this.keepMs[side]!;
    return this.#of(name, side).filter(
      ({ time, since }) => time > this.now - keep || (time === this.now - keep && since === this.now),
    );
  }
}

/** A table whose keys have names. */
class NamedTable {
  readonly table: JoinTable<string>;
  readonly numbers = new Map<string, number>();
  readonly names = new Map<number, string>();
  readonly #forgetting: Forgetting = {
    before: (number) => assert.ok(this.names.has(number), 'the key of a record is there'),
    emptied: (number) => this.#remove(number),
    renumbered: (from, to) => {
      const name = this.names.get(from)!;
      this.names.delete(from);
      this.names.set(to, name);
      this.numbers.set(name, to);
    },
  };

  constructor(keepMs: readonly [number, number]) {
    this.table = new JoinTable(keepMs);
  }

  #remove(number: number): void {
    this.table.removeKey(number);
    this.numbers.delete(this.names.get(number)!);
    this.names.delete(number);
  }

  add(name: string, side: number, time: number, value: number): void {
    let number = this.numbers.get(name);
    if (number === undefined) {
      number = this.table.addKey();
      this.numbers.set(name, number);
      this.names.set(number, name);
    }
    this.table.add(number, side, time, value, name);
  }

  undo(name: string, side: number, time: number): void {
    const number = this.numbers.get(name)!;
    this.table.undo(number, side, time);
    if (this.table.isEmpty(number)) this.#remove(number);
  }

  find(name: string, side: number, low: number, high: number): { time: number; value: unknown }[] {
    const number = this.numbers.get(name);
    if (number === undefined) return [];
    const count = this.table.find(number, side, low, high);
    return Array.from({ length: count }, (_, index) => ({
      time: this.table.timeAt(index),
      value: this.table.valueAt(index),
    }));
  }

  visited(name: string, side: number): { time: number; value: unknown }[] {
    const number = this.numbers.get(name);
    const visited: { time: number; value: unknown }[] = [];
    if (number === undefined) return visited;
    this.table.visit(number, side, this.table.moment, (time, value) => visited.push({ time, value }));
    return visited;
  }

  /** Time goes on; at most so many pieces are forgotten of what is due. */
  moveTo(now: number, pieces: number): void {
    this.table.moveTo(now);
    for (let piece = 0; piece < pieces && (this.table.nextDue() ?? Number.POSITIVE_INFINITY) <= now; piece++)
      this.table.forgetSome(this.#forgetting);
  }
}

const key = fc.oneof(fc.nat(4), fc.nat(3_000));
const side = fc.nat(1);
/** How far after the present a record is, most often little. */
const ahead = fc.oneof(fc.nat(3), fc.nat(40), fc.nat(900));
const script = fc.array(
  fc.oneof(
    {
      weight: 8,
      // Many at once: blocks and tables grow.
      arbitrary: fc.record({
        kind: fc.constant('add' as const),
        key,
        side,
        ahead,
        count: fc.oneof(
          { weight: 8, arbitrary: fc.constant(1) },
          { weight: 2, arbitrary: fc.nat(60) },
          { weight: 1, arbitrary: fc.nat(3_000) },
        ),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('undone' as const), key, side, ahead }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('time' as const),
        by: fc.oneof(fc.nat(2), fc.nat(80), fc.nat(2_000)),
        pieces: fc.oneof(fc.constant(100), fc.nat(2)),
      }),
    },
  ),
  { maxLength: 40 },
);

describe('the table of an interval join', () => {
  it('holds what lists by key and side hold, while it grows, forgets, shrinks and takes back', () => {
    const most = { records: 0, forgotten: 0 };
    fc.assert(
      fc.property(
        script,
        fc.constantFrom(0, 1, 7, 300),
        fc.constantFrom(0, 5, 1_000),
        (steps, left, right) => {
          const named = new NamedTable([left, right]);
          const naive = new NaiveTable([left, right]);
          let now = -500;
          let value = 0;
          const used = new Set<string>();
          named.moveTo(now, 0);
          naive.now = now;
          for (const step of steps) {
            if (step.kind === 'time') {
              now += step.by;
              const { size } = named.table;
              named.moveTo(now, step.pieces);
              naive.now = now;
              most.forgotten = Math.max(most.forgotten, size - named.table.size);
            } else if (step.kind === 'undone') {
              const name = `k${step.key}`;
              named.add(name, step.side, now + step.ahead, -1);
              named.undo(name, step.side, now + step.ahead);
            } else {
              // A run of one key, or of many keys.
              for (let each = 0; each < step.count; each++) {
                const name = `k${step.key < 5 ? step.key : (step.key * 7 + each) % 3_001}`;
                const time = now + ((step.ahead + each * 13) % (step.ahead + 1));
                used.add(name);
                named.add(name, step.side, time, value);
                naive.add(name, step.side, time, value++);
              }
            }
            most.records = Math.max(most.records, named.table.size);
            let checked = 0;
            for (const name of used) {
              if (checked++ > 40) break;
              for (const each of [0, 1]) {
                const waiting = naive
                  .waiting(name, each)
                  .map(({ time, value: what }) => ({ time, value: what }));
                assert.deepEqual(named.visited(name, each), waiting);
                for (const [low, high] of [
                  [now, now],
                  [now - 7, now + 20],
                  [now + 3, now + 900],
                  [now + 41, now + 44],
                ]) {
                  assert.deepEqual(
                    named.find(name, each, low!, high!),
                    waiting.filter(({ time }) => time >= low! && time <= high!),
                  );
                }
              }
            }
          }
          named.moveTo(MAX_TIMESTAMP, Number.POSITIVE_INFINITY);
          assert.equal(named.table.size, 0);
          assert.equal(named.numbers.size, 0);
        },
      ),
      { seed: SEED, numRuns: CASES },
    );
    // Tables of 1,024 places have grown, and spans of more than one piece were forgotten.
    assert.ok(most.records > 4_096 && most.forgotten > 2_048, JSON.stringify(most));
    console.log(`cases: table of an interval join against lists ${CASES} (minimum ${CASES})`);
  });

  it('gives back memory that only many keys needed', () => {
    const named = new NamedTable([10, 10]);
    named.moveTo(0, 0);
    for (let each = 0; each < 20_000; each++) named.add(`k${each}`, each % 2, each < 3 ? 1_000 : 5, each);
    named.moveTo(500, Number.POSITIVE_INFINITY);
    assert.deepEqual(
      [...named.numbers],
      [
        ['k0', 0],
        ['k1', 1],
        ['k2', 2],
      ],
    );
    assert.ok(named.table.placesBytes < 200_000, `${named.table.placesBytes} bytes`);
    assert.deepEqual(named.visited('k1', 1), [{ time: 1_000, value: 1 }]);
    named.add('k1', 1, 700, 7);
    assert.deepEqual(named.find('k1', 1, 0, 2_000), [
      { time: 700, value: 7 },
      { time: 1_000, value: 1 },
    ]);
  });
});
