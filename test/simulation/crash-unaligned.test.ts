// A crash after every single event of a small job whose checkpoints are unaligned.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sweepOnce, sweepTwice } from './crash-sweep.ts';

const OPTIONS = {
  seed: 2,
  args: ['--rate', '500'],
  checkpoints: { unaligned: true, intervalMs: 10 },
  powerEvery: 4,
};
const STEPS_MIN = 600;
const TWICE = 400;

test('a job with unaligned checkpoints survives a crash after every event, and loses and doubles nothing', async () => {
  const { steps, checkpoints, powerLosses, continued } = await sweepOnce(OPTIONS);
  assert.ok(checkpoints >= 4, 'the job takes several checkpoints');
  console.log(`cases: crashes after an event, unaligned ${steps} (minimum ${STEPS_MIN})`);
  console.log(`cases: of them losses of power, unaligned ${powerLosses} (minimum ${STEPS_MIN / 4})`);
  console.log(
    `cases: of them continued from a checkpoint, unaligned ${continued} (minimum ${STEPS_MIN / 2})`,
  );
});

test('a job with unaligned checkpoints survives two crashes, the second also in the recovery from the first', async () => {
  const { both } = await sweepTwice({ ...OPTIONS, seed: OPTIONS.seed + 100 }, TWICE);
  console.log(`cases: two crashes, unaligned ${both} (minimum ${TWICE / 2})`);
});
