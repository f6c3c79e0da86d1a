// State of a key, looked at and changed by a person: what a function reads afterwards, what a snapshot has, what is refused.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMillraceError } from '../../base/errors.ts';
import { codecOf } from '../../codecs/type-codec.ts';
import { t } from '../../codecs/types.ts';
import type { HeldState } from '../held-state.ts';
import { aggregating, list, map, reducing, value } from '../state.ts';
import { MemoryStateBackend } from './backend.ts';

const MAX_PARALLELISM = 4;

function backend(now: () => number = () => 0): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: { start: 0, end: MAX_PARALLELISM - 1 },
    maxParallelism: MAX_PARALLELISM,
    freezeValues: true,
    operatorUid: 'op',
    now,
  });
}

function heldOf(state: MemoryStateBackend, key: string, name: string): HeldState {
  return state.held(key).find((each) => each.name === name)!;
}

function refused(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isMillraceError(error, 'STATE_CHANGE_REFUSED'), String(error));
    assert.match(error.message, message);
    return true;
  };
}

describe('the state of a key by hand', () => {
  it('is shown with what a function would read, and whether anything is kept', () => {
    const state = backend();
    const count = state.state('count', value(7));
    state.state('names', list<string>());
    state.setCurrentKey('ada');
    assert.deepEqual(
      state.held('bob').map(({ name, isHeld, value: shown }) => [name, isHeld, shown]),
      [
        ['count', false, 7],
        ['names', false, []],
      ],
    );
    state.setCurrentKey('ada');
    count.update(3);
    assert.deepEqual([heldOf(state, 'ada', 'count').isHeld, heldOf(state, 'ada', 'count').value], [true, 3]);
  });

  it('is written as a function writes it, whatever the kind', () => {
    const state = backend();
    const handles = {
      count: state.state('count', value(0)),
      last: state.state('last', value<{ page: string; at: number } | undefined>(undefined)),
      names: state.state('names', list<string>()),
      byPage: state.state('byPage', map<string, number>()),
    };
    state.setCurrentKey('ada');
    handles.last.update({ page: '/', at: 1 });
    handles.byPage.set('/', 1);
    handles.byPage.set('/old', 1);
    state.change('ada', { kind: 'write', state: 'count', value: 41 });
    state.change('ada', { kind: 'write', state: 'last', value: { at: 2, page: '/help' } });
    state.change('ada', { kind: 'write', state: 'names', value: ['x', 'y'] });
    state.change('ada', { kind: 'write', state: 'byPage', value: { '/': 5, '/new': 6 } });
    state.setCurrentKey('ada');
    assert.equal(handles.count.value(), 41);
    assert.deepEqual(handles.last.value(), { page: '/help', at: 2 });
    assert.deepEqual(handles.names.get(), ['x', 'y']);
    assert.deepEqual(
      [...handles.byPage.entries()],
      [
        ['/', 5],
        ['/new', 6],
      ],
    );
  });

  it('is removed of any kind, and then a function begins anew', () => {
    const state = backend();
    const most = state.state(
      'most',
      reducing<number>((left, right) => Math.max(left, right)),
    );
    state.setCurrentKey('ada');
    most.add(9);
    assert.equal(heldOf(state, 'ada', 'most').fixed, 'accumulator');
    state.change('ada', { kind: 'remove', state: 'most' });
    assert.equal(heldOf(state, 'ada', 'most').isHeld, false);
    state.setCurrentKey('ada');
    most.add(2);
    assert.equal(most.get(), 2);
  });

  it('is of the checkpoint behind the change, and not of the one whose barrier was before', () => {
    const state = backend();
    const count = state.state('count', value(0));
    const note = state.state('note', value('none'));
    state.setCurrentKey('ada');
    count.update(1);
    note.update('before');
    const frozen = state.freeze();
    state.change('ada', { kind: 'write', state: 'count', value: 99 });
    state.change('ada', { kind: 'remove', state: 'note' });
    frozen.finish();
    const restored = backend();
    for (const group of frozen.keyGroups()) restored.restore(group, frozen.encode(group));
    frozen.release();
    const [old, oldNote] = [restored.state('count', value(0)), restored.state('note', value('none'))];
    restored.setCurrentKey('ada');
    assert.deepEqual([old.value(), oldNote.value()], [1, 'before']);
    const later = state.freeze();
    later.finish();
    const again = backend();
    for (const group of later.keyGroups()) again.restore(group, later.encode(group));
    const [fresh, freshNote] = [again.state('count', value(0)), again.state('note', value('none'))];
    again.setCurrentKey('ada');
    assert.deepEqual([fresh.value(), freshNote.value()], [99, 'none']);
  });

  it('tells of a time to live when it is over, and a look does not make it longer', () => {
    let now = 1_000;
    const state = backend(() => now);
    const seen = state.state(
      'seen',
      map<string, number>({ ttl: { after: 500, update: 'on-read-and-write' } }),
    );
    state.setCurrentKey('ada');
    seen.set('a', 1);
    now = 1_200;
    state.setCurrentKey('ada');
    seen.set('b', 1);
    for (const at of [1_300, 1_400]) {
      now = at;
      const { changedAt, expiresAt, value: shown } = heldOf(state, 'ada', 'seen');
      assert.deepEqual([changedAt, expiresAt, { ...(shown as object) }], [1_200, 1_500, { a: 1, b: 1 }]);
    }
    now = 1_450;
    state.change('ada', { kind: 'write', state: 'seen', value: { a: 2 } });
    const { changedAt, expiresAt } = heldOf(state, 'ada', 'seen');
    assert.deepEqual([changedAt, expiresAt], [1_450, 1_950]);
  });

  it('is refused where it would be of another type than what is there', () => {
    const state = backend();
    state.state('count', value(0));
    const typed = state.state('typed', value(1, { codec: codecOf(t.int32) }));
    state.state('names', list<string>());
    state.state(
      'mean',
      aggregating({
        createAccumulator: () => 0,
        add: (each: number, sum: number) => sum + each,
        result: (sum) => sum,
      }),
    );
    const odd = state.state('odd', value<unknown>(undefined));
    state.setCurrentKey('ada');
    odd.update(new Date(0));
    const write = (name: string, written: unknown) => () =>
      state.change('ada', { kind: 'write', state: name, value: written });
    assert.throws(write('count', '3'), refused(/it is a string, and was a number/));
    assert.throws(write('count', null), refused(/remove it instead/));
    for (const wrong of [1.5, 2 ** 40])
      assert.throws(write('typed', wrong), refused(/not of the declared type/));
    assert.throws(write('names', 'x'), refused(/a list is an array/));
    assert.throws(write('mean', 3), refused(/no value, but on the way to one/));
    assert.throws(write('odd', 'x'), refused(/JSON does not say all/));
    assert.throws(write('nothing', 1), refused(/declares no state "nothing"/));
    write('typed', 7)();
    state.setCurrentKey('ada');
    assert.equal(typed.value(), 7);
    assert.deepEqual(odd.value(), new Date(0));
  });

  it('is not of windows and other namespaces, whose state no key alone names', () => {
    const state = backend();
    state.state('sum', value(0), 'namespace');
    assert.deepEqual(state.held('ada'), []);
    assert.throws(() => state.change('ada', { kind: 'remove', state: 'sum' }), refused(/declares no state/));
  });

  it('leaves the record behind it its own key', () => {
    const state = backend();
    const count = state.state('count', value(0));
    state.prepareKeys(['ada', 'ada', 'bob']);
    state.setPreparedKey(0);
    count.update(count.value() + 1);
    state.change('ada', { kind: 'remove', state: 'count' });
    state.setPreparedKey(1);
    count.update(count.value() + 1);
    state.change('ada', { kind: 'write', state: 'count', value: 10 });
    state.setPreparedKey(2);
    count.update(count.value() + 1);
    assert.deepEqual([heldOf(state, 'ada', 'count').value, heldOf(state, 'bob', 'count').value], [10, 1]);
  });
});
