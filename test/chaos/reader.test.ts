// The reader of chaos runs: it finds what is there twice, what is missing and what has changed.

import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { isLivedThrough, KINDS, nameOfSteps, planOf, stepsOf } from '../../chaos/plan.ts';
import { Reader, Violation } from '../../chaos/reader.ts';
import { keyOf, SPLITS } from '../../chaos/records.ts';
import { FAILPOINTS } from '../../src/base/failpoints.ts';
import { root } from '../architecture/read.ts';

const PER_SPLIT = 700;
const EXPECTED = { perSplit: PER_SPLIT, sampled: 1, perWindow: 500 };

type Row = readonly (string | number)[];

describe('the reader of a chaos run', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-chaos-'));
    mkdirSync(join(folder, 'each'));
    mkdirSync(join(folder, 'windows'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const commit = (path: string, rows: readonly Row[]): void =>
    writeFileSync(join(folder, path), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

  /** All that the job gives. */
  function whole(): { readonly each: Row[]; readonly windows: Row[] } {
    const counts = new Map<string, number>();
    const windows = new Map<string, [string, number, number]>();
    const each: Row[] = [];
    for (let index = 0; index < PER_SPLIT; index++) {
      for (let split = 0; split < SPLITS; split++) {
        const key = keyOf(split, index);
        const count = (counts.get(key) ?? 0) + 1;
        counts.set(key, count);
        each.push([key, count, split, index]);
        const start = Math.floor(index / 500) * 5_000;
        const window = windows.get(`${key} ${start}`) ?? [key, start, 0];
        windows.set(`${key} ${start}`, window);
        window[2]++;
      }
    }
    return { each, windows: [...windows.values()] };
  }

  it('takes what is whole, in whatever files it comes', () => {
    const { each, windows } = whole();
    const reader = new Reader(folder, EXPECTED);
    reader.look();
    commit('each/part-1', each.slice(1_000));
    reader.look();
    commit('each/part-0', each.slice(0, 1_000));
    commit('windows/part-0', windows);
    reader.complete();
    assert.deepEqual([reader.records, reader.windows], [each.length, windows.length]);
  });

  const broken: readonly (readonly [string, RegExp, (rows: ReturnType<typeof whole>) => void])[] = [
    [
      'a record that is missing',
      /2799 of 2800 records; the first that is missing is record 3 of split 0/,
      ({ each }) => void each.splice(12, 1),
    ],
    [
      'a record that is there twice',
      /record 0 of split 0 .* second time/,
      ({ each }) => void each.push([...each[0]!]),
    ],
    [
      'a count that comes twice',
      /is counted to 1 a second time/,
      ({ each }) => void each.splice(1_000, 1, [each[1_000]![0]!, 1, ...each[1_000]!.slice(2)]),
    ],
    [
      'a key of another record',
      /has the key other/,
      ({ each }) => void each.splice(5, 1, ['other', ...each[5]!.slice(1)]),
    ],
    [
      'a record that nobody made',
      /holds a record that nobody made/,
      ({ each }) => void each.push(['k1', 1, SPLITS, 0]),
    ],
    ['a line that is none', /part-0 holds "k1"/, ({ each }) => void each.splice(7, 1, 'k1' as never)],
    ['a window that is missing', /window .* is missing/, ({ windows }) => void windows.pop()],
    [
      'a window that is there twice',
      /window .* second time/,
      ({ windows }) => void windows.push(windows[0]!),
    ],
    [
      'a window with a record too many',
      /holds \d+ records, not \d+/,
      ({ windows }) => void windows.splice(0, 1, [...windows[0]!.slice(0, 2), Number(windows[0]![2]) + 1]),
    ],
  ];
  for (const [what, message, damage] of broken) {
    it(`finds ${what}`, () => {
      const rows = whole();
      damage(rows);
      commit('each/part-0', rows.each);
      commit('windows/part-0', rows.windows);
      assert.throws(
        () => new Reader(folder, EXPECTED).complete(),
        (error) => error instanceof Violation && message.test(error.message),
      );
    });
  }

  it('finds a file that is gone, or has changed', () => {
    const { each, windows } = whole();
    commit('each/part-0', each);
    commit('windows/part-0', windows);
    const reader = new Reader(folder, EXPECTED);
    reader.complete();
    appendFileSync(join(folder, 'each/part-0'), '[]\n');
    assert.throws(() => reader.complete(), /part-0 has changed/);
    commit('each/part-0', [...each.slice(1), ...each.slice(0, 1)]);
    assert.throws(() => reader.complete(), /part-0 has changed/);
    rmSync(join(folder, 'each/part-0'));
    assert.throws(() => reader.look(), /part-0 was committed and is gone/);
  });

  it('takes what is whole up to the stop of a job, and finds what is missing before it', () => {
    const { each, windows } = whole();
    const until = (rows: readonly Row[], last: number): Row[] =>
      rows.filter(([, , , index]) => Number(index) <= last);
    const first = windows.filter(([, start]) => start === 0);
    commit('each/part-0', until(each, 600));
    commit('windows/part-0', first);
    new Reader(folder, EXPECTED).upToStop(0);
    commit('windows/part-0', first.slice(1));
    assert.throws(() => new Reader(folder, EXPECTED).upToStop(0), /window .* is missing/);
    commit('windows/part-0', []);
    commit('each/part-0', until(each, 400));
    new Reader(folder, EXPECTED).upToStop(0);
    commit('each/part-0', until(each, 400).toSpliced(12, 1));
    assert.throws(
      () => new Reader(folder, EXPECTED).upToStop(0),
      /record 3 of split 0 is missing, and later/,
    );
  });

  it('takes one of so many records, and all of them in windows', () => {
    const { each, windows } = whole();
    const sampled = { ...EXPECTED, sampled: 7 };
    const leaving = each.filter(([, , , index]) => Number(index) % 7 === 0);
    commit('each/part-0', leaving);
    commit('windows/part-0', windows);
    const reader = new Reader(folder, sampled);
    reader.complete();
    assert.equal(reader.records, leaving.length);
    commit('each/part-0', leaving.slice(1));
    assert.throws(() => new Reader(folder, sampled).complete(), /399 of 400 records; .* record 0 of split 0/);
  });
});

describe('what happens in a chaos run', () => {
  it('is the same by the same seed, and of the kinds that are asked for', () => {
    const [one, other] = [planOf(5, 1_000), planOf(5, 1_000)];
    const kinds = new Set<string>();
    for (let index = 0; index < 500; index++) {
      const planned = one.next().value;
      kinds.add(planned.action.kind);
      assert.deepEqual(other.next().value, planned);
    }
    assert.deepEqual([...kinds].sort(), [...KINDS].sort());
    const only = planOf(5, 1_000, ['clock']);
    for (let index = 0; index < 50; index++) assert.equal(only.next().value.action.kind, 'clock');
  });

  it('kills and halts leading JobManagers, alone and with a TaskManager', () => {
    const plan = planOf(5, 1_000, ['kill-jobmanager']);
    const met = new Set<string>();
    for (let index = 0; index < 100; index++) {
      const { action } = plan.next().value;
      assert.ok(action.kind === 'kill-jobmanager');
      met.add(`${action.how} ${action.withTaskManager}`);
    }
    assert.deepEqual([...met].sort(), ['kill false', 'kill true', 'pause false', 'pause true']);
  });

  it('is lived through by the threads of a job when nothing is killed or fails, and nobody is silent for long', () => {
    const plan = planOf(5, 1_000);
    const through = new Set<string>();
    for (let index = 0; index < 500; index++) {
      const { action } = plan.next().value;
      if (!isLivedThrough(action)) continue;
      through.add(action.kind);
      if (action.kind === 'pause') assert.ok(action.ms <= 5_000, 'half of the timeout of a heartbeat');
    }
    assert.deepEqual([...through].sort(), ['clock', 'pause', 'savepoint', 'slow']);
  });

  it('meets each step alone and after each other, those first that no run has met', () => {
    const met = new Set<string>();
    const all = FAILPOINTS.length * (FAILPOINTS.length + 1);
    const steps = stepsOf(5, new Set(['part.synced', 'part.synced > part.opened']));
    const from = steps.next().value;
    assert.equal(from.next, undefined);
    met.add(nameOfSteps(from));
    for (let count = 1; count < all - 2; count++) met.add(nameOfSteps(steps.next().value));
    assert.equal(met.size, all - 2);
    assert.ok(!met.has('part.synced') && !met.has('part.synced > part.opened'));
    // From then on all of them, again.
    for (let count = 0; count < all; count++) met.add(nameOfSteps(steps.next().value));
    assert.equal(met.size, all);
  });

  it('is named once in the code, step by step', () => {
    const code = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
      .map((path) => readFileSync(join(root, 'src', path), 'utf8'))
      .join('');
    for (const step of FAILPOINTS)
      assert.equal(code.split(`failpoint('${step}')`).length - 1, 1, `failpoint('${step}')`);
  });
});
