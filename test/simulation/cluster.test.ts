// A whole cluster on many seeds, with crashes, partitions and stalls at any moment: committed output is a part of what it
// should be at every look, all of it in the end, and then nothing is left behind.
import assert from 'node:assert/strict';
import process from 'node:process';
import { it } from 'node:test';
import { Kernel } from '../../src/testing/kernel.ts';
import { SimulatedCluster } from '../cluster/simulated-cluster.ts';
import { committed } from '../property/simulated-job.ts';
import { expectedLines, INPUT } from './fixed-job.ts';
import { assertWithin } from './fixed-run.ts';
import { writeInput } from './simulated-input.ts';

const seeds = process.env['MILLRACE_SEED'] === undefined ? Number(process.env['MILLRACE_SEEDS'] ?? 40) : 1;
const first = Number(process.env['MILLRACE_SEED'] ?? 1);
const EXPECTED = expectedLines();

async function begin(
  seed: number,
  options?: ConstructorParameters<typeof SimulatedCluster>[1],
): Promise<SimulatedCluster> {
  const kernel = new Kernel({ seed, shuffle: true, replay: `MILLRACE_SEED=${seed}` });
  await writeInput(kernel, INPUT);
  const cluster = new SimulatedCluster(kernel, options);
  await kernel.settle(cluster.startJobManager());
  for (const name of ['tm1', 'tm2', 'tm3']) cluster.startTaskManager(name);
  return cluster;
}

/** One misfortune by chance; says what it was. */
async function misfortune(cluster: SimulatedCluster): Promise<string> {
  const { kernel, network } = cluster;
  const { random } = kernel;
  const pick = (names: readonly string[]): string | undefined => names[random.int(Math.max(1, names.length))];
  switch (random.int(10)) {
    case 0:
    case 1: {
      const name = pick(cluster.alive('tm'));
      if (name === undefined) return 'nothing';
      cluster.crash(name);
      await kernel.runFor(random.int(200));
      cluster.startTaskManager(name);
      return 'a TaskManager crashed';
    }
    case 2:
    case 3: {
      const name = pick(cluster.alive('job-process'));
      if (name !== undefined) cluster.crash(name);
      return 'a job process crashed';
    }
    case 4: {
      const name = pick(cluster.alive('job-master'));
      if (name !== undefined) cluster.crash(name);
      return 'a job master crashed';
    }
    case 5: {
      const name = pick([...cluster.alive('tm'), ...cluster.alive('job-process')])!;
      if (name === undefined) return 'nothing';
      network.cutOff(name);
      await kernel.runFor(random.int(1_500));
      network.heal();
      return 'a process was cut off';
    }
    case 6: {
      const name = pick([
        ...cluster.alive('tm'),
        ...cluster.alive('job-process'),
        ...cluster.alive('job-master'),
      ]);
      if (name === undefined) return 'nothing';
      kernel.pause(name, random.int(1_500));
      return 'a process stood still';
    }
    case 7:
    case 8: {
      cluster.rescale(1 + random.int(4));
      return 'the job was asked for another parallelism';
    }
    default: {
      cluster.crash('jm');
      await kernel.runFor(20 + random.int(300));
      await kernel.settle(cluster.startJobManager());
      await kernel.settle(cluster.submit('latest'));
      return 'the JobManager crashed';
    }
  }
}

it('whatever happens to the processes of a cluster, its job commits everything once', async () => {
  const happened = new Map<string, number>();
  let cases = 0;
  let rescales = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const cluster = await begin(seed);
    const { kernel } = cluster;
    await kernel.settle(cluster.submit(undefined));
    for (let round = 0; round < 6; round++) {
      await kernel.runFor(kernel.random.int(400));
      if (cluster.listing()?.outcome !== undefined) break;
      const what = await misfortune(cluster);
      happened.set(what, (happened.get(what) ?? 0) + 1);
      assertWithin(committed(cluster.kernel, '/output'));
      cases++;
    }
    const isOver = (): boolean => cluster.listing()?.outcome !== undefined;
    if (!isOver()) await kernel.run({ until: isOver, maxVirtualMs: 120_000 });
    const { outcome } = cluster.listing()!;
    assert.match(outcome!.status, /FINISHED/, `seed ${seed}: ${JSON.stringify(outcome)}`);
    assert.deepEqual(
      committed(cluster.kernel, '/output').sort(),
      EXPECTED,
      `seed ${seed}: the committed output`,
    );
    rescales += cluster.rescales;
    // Everything is given back, and no process of the job is left.
    await kernel.runFor(3_000);
    const { slotsTotal, slotsFree } = cluster.overview();
    assert.deepEqual([slotsTotal, slotsFree], [6, 6], `seed ${seed}`);
    assert.deepEqual([...cluster.alive('job-process'), ...cluster.alive('job-master')], [], `seed ${seed}`);
  }
  console.log(`cases: misfortunes of a simulated cluster ${cases} (minimum ${2 * seeds})`);
  console.log([...happened].map(([what, count]) => `${what} ${count}`).join(', '));
  console.log(`cases: rescales that were carried out ${rescales} (minimum ${Math.floor(seeds / 8)})`);
  assert.ok(cases >= 2 * seeds);
  assert.ok(rescales >= Math.floor(seeds / 8), `${rescales} rescales were carried out`);
});

it('a job runs with the slots there are, whatever happens to its cluster, and commits everything once', async () => {
  let cases = 0;
  const runs = new Map<number, number>();
  for (let seed = first; seed < first + seeds; seed++) {
    const cluster = await begin(seed, { adaptive: true, slots: 1 });
    const { kernel } = cluster;
    await kernel.settle(cluster.submit(undefined));
    cluster.rescale(3);
    const away: string[] = [];
    for (let round = 0; round < 8; round++) {
      await kernel.runFor(kernel.random.int(600));
      if (cluster.listing()?.outcome !== undefined) break;
      // A TaskManager that goes stays away for some rounds: the job does not wait for it.
      const lost = cluster.alive('tm');
      const chance = kernel.random.int(4);
      if (chance === 0 && lost.length > 1) {
        const name = lost[kernel.random.int(lost.length)]!;
        cluster.crash(name);
        away.push(name);
      } else if (chance === 1 && away.length > 0) cluster.startTaskManager(away.shift()!);
      else await misfortune(cluster);
      const parallelism = cluster.listing()?.state === 'RUNNING' ? cluster.parallelism() : undefined;
      if (parallelism !== undefined) runs.set(parallelism, (runs.get(parallelism) ?? 0) + 1);
      assertWithin(committed(cluster.kernel, '/output'));
      cases++;
    }
    const isOver = (): boolean => cluster.listing()?.outcome !== undefined;
    if (!isOver()) await kernel.run({ until: isOver, maxVirtualMs: 120_000 });
    const { outcome } = cluster.listing()!;
    assert.match(outcome!.status, /FINISHED/, `seed ${seed}: ${JSON.stringify(outcome)}`);
    assert.ok(cluster.listing()!.attempt < 200, `seed ${seed}: it does not try in vain`);
    assert.deepEqual(
      committed(cluster.kernel, '/output').sort(),
      EXPECTED,
      `seed ${seed}: the committed output`,
    );
  }
  console.log(`cases: misfortunes of an adaptive job ${cases} (minimum ${2 * seeds})`);
  console.log(
    `seen running: ${[...runs].map(([subtasks, times]) => `${times} times with ${subtasks}`).join(', ')}`,
  );
  assert.ok(cases >= 2 * seeds);
  assert.ok(runs.size > 1 || seeds < 5, 'it ran with several parallelisms');
});

it('a second TaskManager of the same name waits until the first one is gone, and then takes its place', async () => {
  const kernel = new Kernel({ seed: first, shuffle: true, replay: `MILLRACE_SEED=${first}` });
  const cluster = new SimulatedCluster(kernel);
  await kernel.settle(cluster.startJobManager());
  cluster.startTaskManager('tm1');
  await kernel.runFor(200);
  const startedAt = (): number[] => cluster.overview().taskManagers.map((each) => each.startedAt);
  const [original] = startedAt();
  cluster.startTaskManager('tm9', 'tm1');
  await kernel.runFor(3_000);
  assert.deepEqual(startedAt(), [original], 'the first one stays');
  assert.ok(cluster.isAlive('tm9'), 'the second one waits');
  cluster.crash('tm1');
  await kernel.runFor(3_000);
  assert.equal(startedAt().length, 1);
  assert.notEqual(startedAt()[0], original);
});
