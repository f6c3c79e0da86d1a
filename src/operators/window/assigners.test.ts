import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { globalWindow, session, sliding, tumbling, type WindowAssigner } from './assigners.ts';

function spans(assigner: WindowAssigner<unknown>, at: number): string[] {
  return assigner.assign(undefined, at).map(({ start, end }) => `[${start},${end})`);
}

describe('tumbling windows', () => {
  it('hold times from their start to before their end, below 0 too', () => {
    assert.deepEqual(spans(tumbling(10), -1), ['[-10,0)']);
    assert.deepEqual(spans(tumbling(10), 0), ['[0,10)']);
    assert.deepEqual(spans(tumbling(10), 9), ['[0,10)']);
    assert.deepEqual(spans(tumbling(10), -10), ['[-10,0)']);
  });

  it('start at their offset', () => {
    assert.deepEqual(spans(tumbling(10, { offset: 3 }), 2), ['[-7,3)']);
    const day = 86_400_000;
    const hour = 3_600_000;
    assert.deepEqual(spans(tumbling('1 d', { offset: '-8h' }), 0), [`[${-8 * hour},${day - 8 * hour})`]);
  });

  it('refuse a size of 0 and an offset as long as the size', () => {
    assert.throws(() => tumbling(0), { code: 'WINDOW_INVALID' });
    assert.throws(() => tumbling('10s', { offset: '10s' }), { code: 'WINDOW_INVALID' });
    assert.throws(() => tumbling('10s', { offset: -10_000 }), { code: 'WINDOW_INVALID' });
    assert.throws(() => tumbling('10 parsecs'), { code: 'CONFIG_INVALID' });
  });
});

describe('staggered windows', () => {
  const subtasks = Array.from({ length: 16 }, (_, subtask) => subtask);

  function startsOf(assigner: WindowAssigner<unknown>, uid: string, now = 0): number[] {
    return subtasks.map((subtask) => {
      const own = assigner.forSubtask!({ uid, subtask, now: () => now });
      const [window] = own.assign(undefined, 1_000_000);
      assert.equal(window!.end - window!.start, 1_000);
      assert.ok(window!.start <= 1_000_000 && window!.end > 1_000_000);
      return window!.start;
    });
  }

  it('lie alike in all subtasks unless something else is said', () => {
    assert.ok(!('forSubtask' in tumbling(10)));
    assert.ok(!('forSubtask' in tumbling(10, { stagger: 'aligned' })));
  });

  it('begin at other times in other subtasks, and at the same after a restart (random)', () => {
    const assigner = tumbling(1_000, { stagger: 'random' });
    const starts = startsOf(assigner, 'count');
    assert.ok(new Set(starts).size > 12, starts.join(' '));
    assert.ok(Math.max(...starts) - Math.min(...starts) > 700, starts.join(' '));
    assert.deepEqual(startsOf(tumbling(1_000, { stagger: 'random' }), 'count'), starts);
    assert.notDeepEqual(startsOf(assigner, 'sum'), starts);
  });

  it('begin at the time of the first record, which stays (natural)', () => {
    const assigner = tumbling(1_000, { stagger: 'natural', offset: 5 });
    assert.ok(startsOf(assigner, 'count', 7_400).every((start) => start === 999_405));
    let now = 300;
    const own = assigner.forSubtask!({ uid: 'count', subtask: 0, now: () => now });
    assert.deepEqual(
      [0, 304, 305, 1_305].map((at) => {
        const { start } = own.assign(undefined, at)[0]!;
        now += 111;
        return start;
      }),
      [-695, -695, 305, 1_305],
    );
    assert.equal(
      assigner.forSubtask!({ uid: 'x', subtask: 0, now: () => -1 }).assign(undefined, 0)[0]!.start,
      -996,
    );
  });

  it('have one of three staggers', () => {
    const stagger = 'RANDOM' as 'random';
    assert.throws(() => tumbling(10, { stagger }), { code: 'WINDOW_INVALID', message: /"RANDOM"/ });
    const inherited = 'toString' as 'random';
    assert.throws(() => tumbling(10, { stagger: inherited }), { code: 'WINDOW_INVALID' });
  });
});

describe('sliding windows', () => {
  it('overlap, the latest first', () => {
    assert.deepEqual(spans(sliding(10, 5), 12), ['[10,20)', '[5,15)']);
  });

  it('of size 10 and slide 3 hold a record up to four times', () => {
    assert.deepEqual(spans(sliding(10, 3), 9), ['[9,19)', '[6,16)', '[3,13)', '[0,10)']);
    assert.equal(spans(sliding(10, 3), 10).length, 3);
  });

  it('that slide farther than they are long leave gaps', () => {
    assert.deepEqual(spans(sliding(2, 5), 1), ['[0,2)']);
    assert.deepEqual(spans(sliding(2, 5), 2), []);
  });

  it('refuse an offset as long as the slide', () => {
    assert.throws(() => sliding(10, 5, { offset: 5 }), { code: 'WINDOW_INVALID' });
  });
});

describe('sessions and the global window', () => {
  it('a session begins with its record', () => {
    assert.deepEqual(spans(session(5) as WindowAssigner<unknown>, -3), ['[-3,2)']);
    assert.throws(() => session(0), { code: 'WINDOW_INVALID' });
  });

  it('the global window ends with time', () => {
    assert.equal(globalWindow().assign(undefined, 0)[0]!.maxTimestamp, Number.MAX_SAFE_INTEGER);
  });
});
