// A crash after every single event of a small job whose checkpoints are aligned.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sweepOnce, sweepTwice } from './crash-sweep.ts';

const OPTIONS = {
  seed: 1,
  args: ['--rate', '500'],
  checkpoints: { unaligned: false, intervalMs: 10 },
  powerEvery: 4,
};
const STEPS_MIN = 600;
const TWICE = 400;

test('a job with aligned checkpoints survives a crash after every event, and loses and doubles nothing', async () => {
  const { steps, checkpoints, powerLosses, continued } = await sweepOnce(OPTIONS);
  assert.ok(checkpoints >= 4, 'the job takes several checkpoints');
  console.log(`cases: crashes after an event, aligned ${steps} (minimum ${STEPS_MIN})`);
  console.log(`cases: of them losses of power, aligned ${powerLosses} (minimum ${STEPS_MIN / 4})`);
  console.log(`cases: of them continued from a checkpoint, aligned ${continued} (minimum ${STEPS_MIN / 2})`);
});

test('a job with aligned checkpoints survives two crashes, the second also in the recovery from the first', async () => {
  const { both } = await sweepTwice({ ...OPTIONS, seed: OPTIONS.seed + 100 }, TWICE);
  console.log(`cases: two crashes, aligned ${both} (minimum ${TWICE / 2})`);
});
