import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from '../base/errors.ts';
import { numberCodec, stringCodec } from '../codecs/primitives.ts';
import { BroadcastStates } from './broadcast-state.ts';
import { map } from './state.ts';

const declaration = { rules: map<unknown, unknown>(), other: map<string, number>() };

function open(restored: readonly Uint8Array[] = []): BroadcastStates<typeof declaration> {
  const states = new BroadcastStates(declaration, restored);
  states.begin(true);
  return states;
}

describe('broadcast state', () => {
  it('can be changed only while a broadcast record is processed', () => {
    const states = open();
    states.handles.rules.set('a', 1);
    states.begin(false);
    assert.equal(states.handles.rules.get('a'), 1);
    for (const change of [
      () => states.handles.rules.set('a', 2),
      () => states.handles.rules.delete('a'),
      () => states.handles.rules.clear(),
    ]) {
      assert.throws(change, (error) => isMillraceError(error, 'STATE_READ_ONLY'));
    }
    assert.deepEqual([...states.handles.rules.entries()], [['a', 1]]);
  });

  it('freezes what it holds, also what it restored', () => {
    const states = open();
    states.handles.rules.set('a', { limits: [1] });
    for (const each of [states, open(states.encode())]) {
      const rule = each.handles.rules.get('a') as { limits: number[] };
      assert.throws(() => rule.limits.push(2), TypeError);
    }
  });

  it('finds keys by what is in them, after a restore too', () => {
    const states = open();
    for (const [index, key] of ['', '__proto__', Number.NaN, -0, [1, 'a'], { x: 1 }, '1', 1].entries())
      states.handles.rules.set(key, index);
    for (const each of [states, open(states.encode())]) {
      const { rules } = each.handles;
      const found = ['', '__proto__', Number.NaN, 0, [1, 'a'], { x: 1 }, '1', 1].map((key) => rules.get(key));
      assert.deepEqual(found, [0, 1, 2, 3, 4, 5, 6, 7]);
      assert.equal(rules.isEmpty(), false);
      assert.equal(each.handles.other.isEmpty(), true);
    }
  });

  it('takes back what a call did, and only that', () => {
    let cases = 0;
    const change = fc.oneof(
      fc.record({ kind: fc.constant('set'), key: fc.nat(3), value: fc.nat(9) }),
      fc.record({ kind: fc.constant('delete'), key: fc.nat(3), value: fc.constant(0) }),
      fc.record({ kind: fc.constant('clear'), key: fc.constant(0), value: fc.constant(0) }),
    );
    const calls = fc.array(fc.record({ changes: fc.array(change, { maxLength: 6 }), fails: fc.boolean() }), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(calls, (all) => {
        const states = open();
        const model = new Map<number, number>();
        for (const { changes, fails } of all) {
          states.begin(true);
          const before = [...model];
          for (const { kind, key, value } of changes) {
            if (kind === 'set') states.handles.rules.set(key, value);
            else if (kind === 'delete') states.handles.rules.delete(key);
            else states.handles.rules.clear();
            if (kind === 'set') model.set(key, value);
            else if (kind === 'delete') model.delete(key);
            else model.clear();
          }
          if (!fails) continue;
          states.undo();
          model.clear();
          for (const [key, value] of before) model.set(key, value);
        }
        assert.deepEqual(new Map(states.handles.rules.entries()), model);
        assert.deepEqual(new Map(open(states.encode()).handles.rules.entries()), model);
        cases++;
      }),
      { seed: 11, numRuns: 1_000 },
    );
    console.log(`cases: broadcast state against a map ${cases} (minimum 1000)`);
  });

  it('keeps what was restored and is not declared any more', () => {
    const states = open();
    states.handles.rules.set('a', 1);
    const without = new BroadcastStates({ other: map<string, number>() }, states.encode());
    assert.equal(open(without.encode()).handles.rules.get('a'), 1);
  });

  it('reads bytes of the generic codec when a codec is declared later, and refuses another codec', () => {
    const states = open();
    states.handles.rules.set('a', 1);
    const declared = { rules: map<string, number>({ keyCodec: stringCodec, codec: numberCodec }) };
    const later = new BroadcastStates(declared, states.encode());
    assert.equal(later.handles.rules.get('a'), 1);
    assert.equal(new BroadcastStates(declared, later.encode()).handles.rules.get('a'), 1);
    assert.throws(
      () => new BroadcastStates({ rules: map<string, string>({ codec: stringCodec }) }, later.encode()),
      (error) => isMillraceError(error, 'STATE_CODEC_CHANGED'),
    );
  });

  it('refuses bytes that are cut', () => {
    const states = open();
    states.handles.rules.set('a', 1);
    const [bytes] = states.encode();
    assert.throws(
      () => open([bytes!.subarray(0, bytes!.length - 1)]),
      (error) => isMillraceError(error, 'CODEC_CORRUPT'),
    );
  });
});
