// Crashes inside every step of start, checkpoint, commit and end: before its effect, after it, and after its caller knows.
//
// Prints how often each point was hit; a point that was never hit fails the test.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Random } from '../../src/base/env.ts';
import { seededRandom } from '../../src/base/random.ts';
import { type FixedOptions, FixedRun } from './fixed-run.ts';
import { hit, type Point, POINTS, ProtocolPoints, type Stage, STAGES } from './protocol-points.ts';

/** Each point and stage is aimed at so often. */
const ROUNDS = Number(process.env['MILLRACE_ROUNDS'] ?? 8);
/** Of a point that comes again and again, one of the first so many occurrences. */
const OCCURRENCES = 5;
/** Some are aimed at in vain: the run ends before the wanted occurrence. */
const HITS_MIN = Math.max(1, ROUNDS / 2);

interface Target {
  readonly point: Point;
  readonly stage: Stage;
  /** From 1 on. */
  readonly occurrence: number;
}

test('crashes inside every step of start, checkpoint, commit and end lose and double nothing', async () => {
  const hits = new Map<string, number>();
  const targets = POINTS.flatMap((point) => STAGES.map((stage) => ({ point, stage })));
  let cases = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, target] of targets.entries()) {
      const seed = round * targets.length + index + 1;
      const random = seededRandom(seed);
      const other = targets[random.int(targets.length)]!;
      const plan = [
        { ...target, occurrence: round === 0 ? 1 : occurrenceOf(target.point, random) },
        { ...other, occurrence: occurrenceOf(other.point, random) },
      ];
      try {
        for (const reached of await crashAt(seed, plan)) hits.set(reached, (hits.get(reached) ?? 0) + 1);
      } catch (error) {
        assert.fail(
          `seed ${seed}, ${JSON.stringify(plan)}: ${error instanceof Error ? error.stack : String(error)}`,
        );
      }
      cases++;
    }
  }
  printTable(hits);
  const missed = targets
    .map(({ point, stage }) => hit(point, stage))
    .filter((name) => (hits.get(name) ?? 0) < HITS_MIN);
  assert.deepEqual(missed, [], 'points that were hit hardly or never');
  console.log(`cases: runs with crashes inside steps ${cases} (minimum ${ROUNDS * targets.length})`);
  const crashes = [...hits.values()].reduce((sum, count) => sum + count, 0);
  console.log(`cases: crashes inside steps ${crashes} (minimum ${ROUNDS * targets.length})`);
});

/** Runs the fixed job, with a crash at each target that it comes to; returns those. */
async function crashAt(seed: number, plan: readonly Target[]): Promise<string[]> {
  const random = seededRandom(seed).fork('options');
  let points = new ProtocolPoints();
  const run = await FixedRun.begin({
    seed,
    args: ['--rate', String([400, 800][random.int(2)]!)],
    checkpoints: { intervalMs: 10, unaligned: random.int(2) === 0, retained: 1 },
    onCall: (call) => points.onCall(call),
  });
  const reached: string[] = [];
  for (const target of plan) {
    const name = hit(target.point, target.stage);
    let left = target.occurrence;
    const isHere = (): boolean => {
      left -= points.onEvent(run.kernel.lastEvent).filter((each) => each === name).length;
      return left <= 0;
    };
    if (!(await run.until(isHere))) break;
    reached.push(name);
    run.crash(random.int(3) === 0 ? 'power' : 'kill', nextLife(random.int(4)));
    points = new ProtocolPoints();
  }
  await run.finish();
  return reached;
}

/** What happens at the start and at the end of a life happens once. */
function occurrenceOf(point: Point, random: Random): number {
  return /^(attempt|sink|end):/.test(point) ? 1 : 1 + random.int(OCCURRENCES);
}

/** What another start may change. Every file has a subtask to itself: otherwise the second file comes late, and rightly. */
function nextLife(draw: number): Partial<FixedOptions> {
  return { parallelism: Math.max(2, draw + 1) };
}

function printTable(hits: ReadonlyMap<string, number>): void {
  const width = Math.max(...POINTS.map((point) => point.length));
  console.log(`${'crash at'.padEnd(width)} ${STAGES.map((stage) => stage.padStart(6)).join('')}`);
  for (const point of POINTS) {
    const counts = STAGES.map((stage) => String(hits.get(hit(point, stage)) ?? 0).padStart(6));
    console.log(`${point.padEnd(width)} ${counts.join('')}`);
  }
}
