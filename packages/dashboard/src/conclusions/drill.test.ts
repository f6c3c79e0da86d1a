// What the scorecards of drills conclude.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CheckpointScorecard, LoadScorecard } from '../../../../src/rest/contract.ts';
import { droppedConclusion, loadConclusion } from './drill.ts';

const dropped: CheckpointScorecard = {
  checkpointId: 9,
  failure: 'dropped',
  isRestarted: false,
  nextCheckpointId: 10,
  exposedMs: 2700,
};

const slow: LoadScorecard = {
  recordMs: 50,
  forMs: 20_000,
  readPerSecondBefore: 1000,
  readPerSecondLeast: 40,
  namedAfterMs: 1500,
  namedAs: 'slow-sink',
  relievedAfterMs: 3000,
  isRestarted: false,
};

describe('the conclusion of a drill', () => {
  it('tells a checkpoint whose loss was borne from one that restarted the job', () => {
    assert.equal(droppedConclusion(dropped).key, 'drill.dropped.borne');
    const restarted = droppedConclusion({ ...dropped, isRestarted: true });
    assert.deepEqual(
      [restarted.key, restarted.tone, restarted.more.map(({ key }) => key)],
      ['drill.dropped.restarted', 'warn', ['drill.dropped.tolerate']],
    );
    const waits = droppedConclusion({ ...dropped, nextCheckpointId: null, exposedMs: null });
    assert.equal(waits.key, 'drill.dropped.waits');
  });

  it('says of a slow task whether it was felt by the sources, only before them, or not at all', () => {
    const felt = loadConclusion(slow, 'database');
    assert.equal(felt.key, 'drill.load.slowed');
    assert.deepEqual(felt.values['share'], { kind: 'share', value: 0.96 });
    assert.deepEqual(
      felt.more.map(({ key }) => key),
      ['drill.load.relieved'],
    );
    assert.equal(loadConclusion({ ...slow, readPerSecondLeast: 950 }, 'database').key, 'drill.load.buffered');
    const unnoticed = { ...slow, namedAfterMs: null, namedAs: null, relievedAfterMs: 0 };
    assert.equal(loadConclusion(unnoticed, 'database').key, 'drill.load.unnoticed');
  });

  it('warns of a task that stays slow, and of a restart in the middle', () => {
    const lasting = loadConclusion({ ...slow, relievedAfterMs: null }, 'database');
    assert.deepEqual([lasting.tone, lasting.more[0]?.key], ['bad', 'drill.load.lasting']);
    assert.equal(loadConclusion({ ...slow, isRestarted: true }, 'database').key, 'drill.load.restarted');
  });
});
