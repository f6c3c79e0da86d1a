import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EntryList } from './entry-list.ts';

const RUNS = 300;

class Entry {
  position = -1;
}

const steps = fc.array(fc.constantFrom('add', 'add', 'add', 'remove', 'remove', 'look', 'begin'), {
  minLength: 10,
  maxLength: 400,
  size: 'max',
});

test('a cursor comes across all that was there and stayed, once, while entries come and go', () => {
  let looked = 0;
  fc.assert(
    fc.property(steps, fc.infiniteStream(fc.nat({ max: 999 })), (made, chance) => {
      const list = new EntryList<Entry>();
      const here = new Set<Entry>();
      let cursor = list.cursor();
      // What the cursor has to come across, and what it may not any more.
      let due = new Set<Entry>();
      const seen = new Set<Entry>();
      const look = (): boolean => {
        const next = cursor.next();
        if (next === undefined) {
          assert.equal(due.size, 0);
          return false;
        }
        looked++;
        assert.ok(here.has(next) && !seen.has(next));
        seen.add(next);
        due.delete(next);
        return true;
      };
      for (const step of made) {
        if (step === 'add') {
          const entry = new Entry();
          list.add(entry);
          here.add(entry);
        } else if (step === 'remove' && here.size > 0) {
          const entry = [...here][chance.next().value % here.size]!;
          list.remove(entry);
          here.delete(entry);
          due.delete(entry);
        } else if (step === 'look') look();
        else if (step === 'begin') {
          cursor = list.cursor();
          due = new Set(here);
          seen.clear();
        }
        assert.deepEqual(new Set(list.values()), here);
      }
      while (look());
    }),
    { seed: 5, numRuns: RUNS },
  );
  assert.ok(looked > RUNS * 5, `${looked}`);
  console.log(`cases: cursors over entries ${RUNS} (minimum ${RUNS})`);
});

test('a cursor ends where the entries ended, however many come meanwhile', () => {
  const list = new EntryList<Entry>();
  for (let count = 0; count < 3; count++) list.add(new Entry());
  const cursor = list.cursor();
  let found = 0;
  for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) {
    found++;
    list.add(new Entry());
  }
  assert.equal(found, 3);
});
