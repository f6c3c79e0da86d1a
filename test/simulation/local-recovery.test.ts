// A cluster whose subtasks read their state themselves after a failure, from copies on their machines where they are right: with
// processes that crash at any moment and copies that are spoilt, committed output is a part of what it should be at every look, all of
// it in the end, and nothing is left behind.
import assert from 'node:assert/strict';
import process from 'node:process';
import { it } from 'node:test';
import { Kernel } from '../../src/testing/kernel.ts';
import { SimulatedCluster } from '../cluster/simulated-cluster.ts';
import { spoilCopy } from '../cluster/spoilt-copies.ts';
import { committed } from '../property/simulated-job.ts';
import { expectedLines, INPUT } from './fixed-job.ts';
import { assertWithin } from './fixed-run.ts';
import { writeInput } from './simulated-input.ts';

const seeds = process.env['MILLRACE_SEED'] === undefined ? Number(process.env['MILLRACE_SEEDS'] ?? 40) : 1;
const first = Number(process.env['MILLRACE_SEED'] ?? 1);
const EXPECTED = expectedLines();

/** Paths that were read; of the simulation as a whole, because every process has the same disk. */
interface Reads {
  copies: number;
  checkpoints: number;
}

interface Simulation {
  readonly cluster: SimulatedCluster;
  readonly reads: Reads;
}

async function begin(seed: number, settings: Readonly<Record<string, unknown>> = {}): Promise<Simulation> {
  const reads: Reads = { copies: 0, checkpoints: 0 };
  const kernel = new Kernel({
    seed,
    shuffle: true,
    replay: `MILLRACE_SEED=${seed}`,
    faults: {
      onOperation: ({ operation, path }) => {
        if (operation === 'read' && path.endsWith('.state')) {
          if (path.startsWith('/local/')) reads.copies++;
          else reads.checkpoints++;
        }
        return undefined;
      },
    },
  });
  await writeInput(kernel, INPUT);
  const cluster = new SimulatedCluster(kernel, {
    restoresInPlace: true,
    settings: {
      'execution.state-recovery.from-local': true,
      // Each state is a file.
      'execution.checkpointing.data-inline-threshold': 0,
      ...settings,
    },
  });
  await kernel.settle(cluster.startJobManager());
  for (const name of ['tm1', 'tm2', 'tm3']) cluster.startTaskManager(name);
  await kernel.settle(cluster.submit(undefined));
  return { cluster, reads };
}

/** One misfortune by chance. */
async function misfortune(cluster: SimulatedCluster): Promise<void> {
  const { kernel } = cluster;
  const { random } = kernel;
  const pick = (names: readonly string[]): string | undefined => names[random.int(Math.max(1, names.length))];
  const chance = random.int(10);
  if (chance < 5) {
    const name = pick(cluster.alive('job-process'));
    if (name !== undefined) cluster.crash(name);
  } else if (chance < 7) {
    const name = pick(cluster.alive('tm'));
    if (name === undefined) return;
    cluster.crash(name);
    await kernel.runFor(random.int(200));
    cluster.startTaskManager(name);
  } else if (chance === 7) {
    const name = pick(cluster.alive('job-master'));
    if (name !== undefined) cluster.crash(name);
  } else if (chance === 8) {
    kernel.pause(pick([...cluster.alive('tm'), ...cluster.alive('job-process')]) ?? 'jm', random.int(1_500));
  } else cluster.rescale(1 + random.int(4));
}

/** How subtasks came to their state, by what they say. */
function tellings({ kernel }: SimulatedCluster): string[] {
  return kernel.log.lines.flatMap(({ message, fields }) => {
    if (message === 'state was read from its local copy') return ['local'];
    if (message !== 'state was read from the storage of checkpoints') return [];
    return [String(fields['why']).replace(/of checkpoint \d+.*| \d+ bytes.*/, '…')];
  });
}

it('whatever happens to processes and copies, the job commits everything once', async () => {
  const told = new Map<string, number>();
  for (let seed = first; seed < first + seeds; seed++) {
    const { cluster } = await begin(seed);
    const { kernel } = cluster;
    for (let round = 0; round < 8; round++) {
      await kernel.runFor(kernel.random.int(300));
      if (cluster.listing()?.outcome !== undefined) break;
      if (kernel.random.int(3) === 0) for (let times = 0; times < 6; times++) spoilCopy(kernel);
      await misfortune(cluster);
      assertWithin(committed(kernel, '/output'));
    }
    const isOver = (): boolean => cluster.listing()?.outcome !== undefined;
    if (!isOver()) await kernel.run({ until: isOver, maxVirtualMs: 120_000 });
    const { outcome } = cluster.listing()!;
    assert.match(outcome!.status, /FINISHED/, `seed ${seed}: ${JSON.stringify(outcome)}`);
    assert.deepEqual(committed(kernel, '/output').sort(), EXPECTED, `seed ${seed}: the committed output`);
    for (const how of tellings(cluster)) told.set(how, (told.get(how) ?? 0) + 1);
    // The folders of the job are gone with it.
    await kernel.runFor(3_000);
    const left = [...kernel.disk.contents('/local')].filter(([, bytes]) => bytes !== 'directory');
    assert.deepEqual(left, [], `seed ${seed}: copies are left`);
  }
  const of = (how: string): number => told.get(how) ?? 0;
  console.log([...told].map(([how, times]) => `${how}: ${times}`).join(', '));
  console.log(`cases: states read from a local copy ${of('local')} (minimum ${seeds})`);
  console.log(`cases: states for which there was no copy ${of('there is no local copy')} (minimum ${seeds})`);
  assert.ok(seeds < 40 || (of('local') >= seeds && of('there is no local copy') >= seeds));
  const spoilt = ['the local copy has…', 'the SHA-256 of the local copy is not that of the metadata'];
  assert.ok(seeds < 40 || spoilt.every((how) => of(how) > 0), 'spoilt copies were met');
});

it('a job whose processes are killed reads the state of those that live on from their copies alone', async () => {
  let cases = 0;
  for (let seed = first; seed < first + Math.min(seeds, 10); seed++) {
    const { cluster, reads } = await begin(seed);
    const { kernel } = cluster;
    const completed = (): number => cluster.listing()?.checkpoints ?? 0;
    await kernel.run({ until: () => completed() > 1, maxVirtualMs: 10_000 });
    assert.deepEqual(reads, { copies: 0, checkpoints: 0 });
    const attempt = cluster.listing()!.attempt;
    cluster.crash(cluster.alive('job-process')[0]!);
    const runsAgain = (): boolean =>
      cluster.listing()!.attempt > attempt &&
      cluster.listing()!.state === 'RUNNING' &&
      cluster.listing()!.subtasksRunning === cluster.listing()!.subtasks;
    await kernel.run({ until: runsAgain, maxVirtualMs: 10_000 });
    // The TaskManager of the process that was killed is alive, and so are its copies.
    assert.deepEqual(reads.checkpoints, 0, `seed ${seed}: ${tellings(cluster).join()}`);
    assert.equal(reads.copies, cluster.listing()!.subtasks, `seed ${seed}`);
    assert.equal(cluster.mirror()!.figures().restores?.local, reads.copies);
    cases++;
  }
  console.log(`cases: restarts without a read of the storage ${cases} (minimum ${Math.min(seeds, 10)})`);
});

it('state that is damaged where a subtask reads it fails the job, which names the file and takes nothing older', async () => {
  let cases = 0;
  for (let seed = first; seed < first + Math.min(seeds, 10); seed++) {
    const { cluster, reads } = await begin(seed, { 'execution.state-recovery.from-local': false });
    const { kernel } = cluster;
    const { disk } = kernel;
    await kernel.run({ until: () => (cluster.listing()?.checkpoints ?? 0) > 1, maxVirtualMs: 10_000 });
    for (const [path, bytes] of disk.contents('/checkpoints')) {
      if (bytes === 'directory' || !path.endsWith('.state') || bytes.length === 0) continue;
      const changed = Uint8Array.from(bytes);
      changed[kernel.random.int(changed.length)]! ^= 1;
      disk.remove(path);
      disk.append(disk.create(path), changed, path);
    }
    cluster.crash(cluster.alive('job-process')[0]!);
    await kernel.run({ until: () => cluster.listing()?.outcome !== undefined, maxVirtualMs: 60_000 });
    const { outcome } = cluster.listing()!;
    assert.equal(outcome!.status, 'FAILED', `seed ${seed}`);
    assert.match(
      JSON.stringify(outcome),
      /CHECKPOINT_CORRUPT.*chk-\d+\/[^ ]+\.state is damaged: its SHA-256 is not that of the metadata \(state of /,
    );
    assert.ok(reads.checkpoints > 0 && reads.copies === 0);
    const failed = cluster.mirror()!.exceptions().at(-1)!;
    assert.ok(failed.task !== undefined, `seed ${seed}: a subtask has read it: ${JSON.stringify(failed)}`);
    assertWithin(committed(kernel, '/output'));
    cases++;
  }
  console.log(`cases: jobs whose state was damaged ${cases} (minimum ${Math.min(seeds, 10)})`);
});

it('another parallelism is dealt out by the job master, and no copy is looked at', async () => {
  const { cluster, reads } = await begin(first);
  const { kernel } = cluster;
  await kernel.run({ until: () => (cluster.listing()?.checkpoints ?? 0) > 1, maxVirtualMs: 10_000 });
  cluster.rescale(3);
  await kernel.run({ until: () => cluster.rescales === 1, maxVirtualMs: 10_000 });
  assert.equal(reads.copies, 0);
  assert.ok(reads.checkpoints > 0);
  assert.deepEqual(tellings(cluster), []);
});
