// An upgrade and its way back, with a failure at each step.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { upgrade, type UpgradeOutcome, type UpgradeSteps } from './upgrade-steps.ts';

/** Steps that write down what they do, and fail where they are told to. */
function steps(...failing: readonly (keyof UpgradeSteps)[]): { done: string[]; steps: UpgradeSteps } {
  const done: string[] = [];
  const step =
    (name: keyof UpgradeSteps) =>
    (savepoint?: string): Promise<void> => {
      done.push(savepoint === undefined ? name : `${name} ${savepoint}`);
      return failing.includes(name) ? Promise.reject(new Error(`${name} failed`)) : Promise.resolve();
    };
  return {
    done,
    steps: {
      stopOld: () => step('stopOld')().then(() => '/saved'),
      startNew: step('startNew'),
      proveNew: step('proveNew'),
      cancelNew: step('cancelNew'),
      startOld: step('startOld'),
    },
  };
}

async function outcomeOf(parts: UpgradeSteps): Promise<UpgradeOutcome> {
  return upgrade(parts, () => {});
}

describe('an upgrade', () => {
  it('ends with the first checkpoint of the new version', async () => {
    const { done, steps: parts } = steps();
    assert.deepEqual(await outcomeOf(parts), { kind: 'upgraded', savepoint: '/saved' });
    assert.deepEqual(done, ['stopOld', 'startNew /saved', 'proveNew']);
  });

  it('changes nothing when the old version does not stop', async () => {
    const { done, steps: parts } = steps('stopOld');
    await assert.rejects(outcomeOf(parts), /stopOld failed/);
    assert.deepEqual(done, ['stopOld']);
  });

  it('goes back when the new version is refused', async () => {
    const { done, steps: parts } = steps('startNew');
    assert.equal((await outcomeOf(parts)).kind, 'rolled-back');
    assert.deepEqual(done, ['stopOld', 'startNew /saved', 'startOld /saved']);
  });

  it('goes back when there is no first checkpoint, after the new version is gone', async () => {
    const { done, steps: parts } = steps('proveNew');
    const outcome = await outcomeOf(parts);
    assert.ok(outcome.kind === 'rolled-back' && /proveNew failed/.test(String(outcome.error)));
    assert.deepEqual(done, ['stopOld', 'startNew /saved', 'proveNew', 'cancelNew', 'startOld /saved']);
  });

  it('never starts the old version beside the new one', async () => {
    const { done, steps: parts } = steps('proveNew', 'cancelNew');
    await assert.rejects(outcomeOf(parts), {
      code: 'UPGRADE_STUCK',
      message: /state of the old version is in \/saved/,
    });
    assert.ok(!done.includes('startOld /saved'));
  });

  it('says where the state is when there is no way back', async () => {
    const { steps: parts } = steps('startNew', 'startOld');
    await assert.rejects(outcomeOf(parts), { code: 'UPGRADE_STUCK', message: /\/saved/ });
  });
});
