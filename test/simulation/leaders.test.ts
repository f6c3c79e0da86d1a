// A cluster whose JobManagers take turns, on many seeds: leaders crash, stand still, are cut off from the service, from the
// others or from both, clocks jump, the service is silent. Nothing that two leaders write takes effect, and the job commits
// everything once.
import assert from 'node:assert/strict';
import process from 'node:process';
import { it } from 'node:test';
import { Kernel } from '../../src/testing/kernel.ts';
import { SimulatedCluster } from '../cluster/simulated-cluster.ts';
import { watchRules } from '../cluster/simulated-register.ts';
import { committed } from '../property/simulated-job.ts';
import { expectedLines, INPUT } from './fixed-job.ts';
import { assertWithin } from './fixed-run.ts';
import { writeInput } from './simulated-input.ts';

const seeds = process.env['MILLRACE_SEED'] === undefined ? Number(process.env['MILLRACE_SEEDS'] ?? 30) : 1;
const first = Number(process.env['MILLRACE_SEED'] ?? 1);
const EXPECTED = expectedLines();
const JOB_MANAGERS = ['jm1', 'jm2', 'jm3'];

async function begin(seed: number): Promise<SimulatedCluster> {
  const kernel = new Kernel({ seed, shuffle: true, replay: `MILLRACE_SEED=${seed}` });
  await writeInput(kernel, INPUT);
  const cluster = new SimulatedCluster(kernel, { turns: true });
  cluster.metadata.lossPercent = seed % 3;
  cluster.seat.lossPercent = seed % 3;
  for (const name of JOB_MANAGERS) await kernel.settle(cluster.startJobManager(name));
  for (const name of ['tm1', 'tm2', 'tm3']) cluster.startTaskManager(name);
  return cluster;
}

/** One misfortune by chance, mostly of a leader; says what it was. */
async function misfortune(cluster: SimulatedCluster): Promise<string> {
  const { kernel, network, metadata, seat } = cluster;
  const { random } = kernel;
  const pick = (names: readonly string[]): string | undefined => names[random.int(Math.max(1, names.length))];
  const leader = cluster.leaders().at(-1)?.name;
  switch (random.int(9)) {
    case 0:
    case 1: {
      if (leader === undefined) return 'nothing';
      cluster.crash(leader);
      await kernel.runFor(random.int(1_500));
      await kernel.settle(cluster.startJobManager(leader));
      return 'the leader crashed';
    }
    case 2: {
      if (leader === undefined) return 'nothing';
      kernel.pause(leader, 100 + random.int(3_000));
      await kernel.runFor(random.int(3_000));
      return 'the leader stood still';
    }
    case 3: {
      if (leader === undefined) return 'nothing';
      network.cutOff(leader);
      await kernel.runFor(random.int(2_500));
      network.heal();
      return 'the leader was cut off';
    }
    case 4: {
      metadata.isDown = random.int(2) === 0;
      seat.isDown = !metadata.isDown || random.int(2) === 0;
      await kernel.runFor(random.int(1_500));
      metadata.isDown = false;
      seat.isDown = false;
      return 'the service was silent';
    }
    case 5: {
      for (const name of [...JOB_MANAGERS, 'tm1'].filter((each) => cluster.isAlive(each)))
        kernel.shiftWall(name, random.int(20_000_000) - 10_000_000);
      return 'clocks jumped';
    }
    case 6: {
      const name = pick(cluster.alive('tm'));
      if (name === undefined) return 'nothing';
      cluster.crash(name);
      await kernel.runFor(random.int(200));
      cluster.startTaskManager(name);
      return 'a TaskManager crashed';
    }
    case 7: {
      for (const name of cluster.alive('jm')) cluster.crash(name);
      await kernel.runFor(random.int(600));
      for (const name of JOB_MANAGERS) await kernel.settle(cluster.startJobManager(name));
      return 'all JobManagers crashed';
    }
    default: {
      const name = pick([...cluster.alive('job-master'), ...cluster.alive('job-process')]);
      if (name === undefined) return 'nothing';
      kernel.pause(name, random.int(2_500));
      return 'a process of the job stood still';
    }
  }
}

it('JobManagers that take turns never both lead, and the job of the cluster commits everything once', async () => {
  const happened = new Map<string, number>();
  let cases = 0;
  let epochs = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const cluster = await begin(seed);
    const { kernel } = cluster;
    const writes = watchRules(cluster.metadata);
    const isLed = (): boolean => cluster.leaders().length > 0;
    await kernel.run({ until: isLed, maxVirtualMs: 60_000 });
    await kernel.settle(cluster.submit(undefined));
    for (let round = 0; round < 6; round++) {
      await kernel.runFor(kernel.random.int(500));
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
    // What was written down is what the next leader finds; nothing of the job is left, and it does not run again.
    const last = cluster.leaders().at(-1)!;
    epochs += last.epoch;
    cluster.metadata.lossPercent = 0;
    cluster.seat.lossPercent = 0;
    cluster.crash(last.name);
    const isFollowed = (): boolean =>
      isLed() && cluster.leaders().at(-1)!.epoch > last.epoch && cluster.overview().slotsFree === 6;
    await kernel.run({ until: isFollowed, maxVirtualMs: 60_000 });
    await kernel.runFor(3_000);
    assert.match(
      cluster.listing()?.outcome?.status ?? 'unknown',
      /FINISHED/,
      `seed ${seed}: the outcome is kept`,
    );
    const { slotsTotal, slotsFree } = cluster.overview();
    assert.deepEqual([slotsTotal, slotsFree], [6, 6], `seed ${seed}`);
    assert.deepEqual([...cluster.alive('job-process'), ...cluster.alive('job-master')], [], `seed ${seed}`);
    const files = [...kernel.disk.contents().keys()].filter((path) => path.startsWith('/shared/'));
    assert.deepEqual(files, [], `seed ${seed}: what was submitted is not kept`);
    assert.ok(writes() > 0);
  }
  console.log(`cases: misfortunes of leaders ${cases} (minimum ${2 * seeds})`);
  console.log(`${epochs} epochs; ${[...happened].map(([what, count]) => `${what} ${count}`).join(', ')}`);
  assert.ok(cases >= 2 * seeds);
});
