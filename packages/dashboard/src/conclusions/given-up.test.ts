// What the page says of records that were given up.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JobDescription, OperatorDescription } from '../../../../src/rest/contract.ts';
import { description } from '../../test/scripted-job.ts';
import { givenUpConclusion, givingUp } from './given-up.ts';

function withPolicy(onError: OperatorDescription['onError'], edgeTag: string | null): JobDescription {
  const [source, process] = description.vertices;
  const operators = source!.operators.map((operator) => ({ ...operator, onError }));
  const edges = description.edges.map((edge) => ({
    ...edge,
    tag: edgeTag,
    fromOperator: operators.length - 1,
  }));
  return { ...description, vertices: [{ ...source!, operators }, process!], edges };
}

describe('records that are given up', () => {
  it('are no matter where every failure fails the job', () => {
    assert.equal(givenUpConclusion(description, { counters: { recordsGivenUp: 0 } }), undefined);
  });

  it('are lost where an operator skips them, or nobody reads its dead letters', () => {
    for (const plan of [withPolicy('skip', null), withPolicy('dead-letter', null)]) {
      assert.equal(givenUpConclusion(plan, { counters: {} })?.key, 'given-up.none');
      const told = givenUpConclusion(plan, { counters: { recordsGivenUp: 3 } });
      assert.deepEqual([told?.key, told?.tone], ['given-up.lost', 'warn']);
    }
  });

  it('are kept where somebody reads the dead letters, whose name is told', () => {
    const plan = withPolicy('dead-letter', 'dead-letter');
    assert.deepEqual(givingUp(plan).at(-1)?.readers, ['abnormal-in-a-row']);
    assert.equal(givenUpConclusion(plan, { counters: { recordsGivenUp: 3 } })?.key, 'given-up.kept');
  });
});
