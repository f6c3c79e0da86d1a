// High availability in a folder: as every service, and with a crash, a loss of power or a fault at each file operation.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkAgainstModel,
  checkCounting,
  checkOverlappingLeaders,
  checkSeat,
  checkWatch,
  type ServiceUnderTest,
} from '../../test/high-availability/conformance.ts';
import type { Env, Files, Log } from '../base/env.ts';
import { seededRandom } from '../base/random.ts';
import { Kernel } from '../testing/kernel.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { type FileFault, memoryFiles } from '../testing/simulated-files.ts';
import { FileRegister } from './file-register.ts';
import { fileServices } from './file-services.ts';
import { RegisterStore, isUnavailable } from './register.ts';

const TIMES = { leaseMs: 1_000, renewDeadlineMs: 800, retryMs: 200 };

/** Nodes of a kernel with one disk. */
function onKernel(kernel: Kernel): ServiceUnderTest {
  let nodes = 0;
  return {
    connect: () => {
      const name = `node-${++nodes}`;
      const env = kernel.env(name);
      const services = fileServices(env, { folder: '/ha', times: TIMES, pollMs: 100 });
      return Promise.resolve({ ...services, die: () => kernel.crash(name) });
    },
    until: () => Promise.reject(new Error('nobody waits')),
  };
}

test('a folder does what a map would do, whoever asks', async () => {
  let cases = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const kernel = new Kernel({ seed, shuffle: true });
    cases += await kernel.settle(checkAgainstModel(onKernel(kernel), seed, 60));
  }
  console.log(`cases: ha-files-model ${cases} (minimum 1000)`);
  assert.ok(cases >= 1_000);
});

test('several processes that count at once give each number once', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const kernel = new Kernel({ seed, shuffle: true });
    assert.equal(await kernel.settle(checkCounting(onKernel(kernel), 4, 8)), 32);
  }
});

test('what a leader writes after the claim of the next one is refused', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const kernel = new Kernel({ seed, shuffle: true });
    assert.equal(await kernel.settle(checkOverlappingLeaders(onKernel(kernel), seed)), 36);
  }
});

test('a watcher hears of every change', async () => {
  const kernel = new Kernel({ seed: 3, shuffle: true });
  await runThrough(kernel, (service) => checkWatch(service));
});

test('one has the seat at a time, and who dies loses it', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const kernel = new Kernel({ seed, shuffle: true });
    await runThrough(kernel, (service) => checkSeat(service));
  }
});

/** Checks that wait by themselves: somebody looks again and again. */
async function runThrough(
  kernel: Kernel,
  check: (service: ServiceUnderTest) => Promise<void>,
): Promise<void> {
  const { clock } = kernel.env('looks');
  const until = (happened: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (happened()) resolve();
        else clock.timer(20, look, 'look again');
      };
      look();
    });
  await kernel.settle(check({ ...onKernel(kernel), until }), { maxVirtualMs: 60_000 });
}

// ---- crashes ----

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const CRASH = new Error('killed');

function storeOn(files: Files, seed: string): RegisterStore {
  const env: Pick<Env, 'files' | 'random' | 'log'> = { files, random: seededRandom(seed), log: silent };
  return new RegisterStore(new FileRegister(env, '/ha/metadata'), { timer: () => ({ cancel() {} }) }, 100);
}

/** Counts up in one entry, `told` after each number that was said to be written. */
async function countUp(store: RegisterStore, times: number, told: (count: number) => void): Promise<void> {
  for (let done = 0; done < times; done++) {
    const found = await store.read('count');
    const next = Number(found?.value ?? 0) + 1;
    const outcome = await store.change({ key: 'count', value: String(next), expected: found?.revision });
    assert.equal(outcome.kind, 'changed', 'nobody else writes');
    told(next);
  }
}

/** A writer is interrupted at the `step`-th operation; false when there are fewer. */
async function interrupted(
  disk: SimulatedDisk,
  step: number,
  what: FileFault | 'kill',
  told: (count: number) => void,
): Promise<boolean> {
  let count = 0;
  const files = memoryFiles(disk, {
    random: seededRandom(step),
    onOperation: () => {
      if (++count < step) return undefined;
      if (what === 'kill') throw CRASH;
      return count === step ? what : undefined;
    },
  });
  try {
    await countUp(storeOn(files, `interrupted ${step}`), 3, told);
  } catch (error) {
    if (error !== CRASH && !isUnavailable(error)) throw error;
  }
  return count >= step;
}

test('after a crash, a loss of power or a fault at any file operation, what was written is there, once', async () => {
  let cases = 0;
  for (const what of ['kill', 'io', 'unknown-with-effect', 'unknown-without-effect', 'no-space'] as const) {
    for (const power of [false, true]) {
      for (let step = 1; ; step++) {
        const disk = new SimulatedDisk();
        let last = 0;
        const told = (count: number): void => {
          assert.equal(count > last, true, `${what} at ${step}: ${count} after ${last}`);
          last = count;
        };
        await countUp(storeOn(memoryFiles(disk), 'before'), 17, told);
        const wasReached = await interrupted(disk, step, what, told);
        if (power) disk.losePower(seededRandom(step));
        const { value } = (await storeOn(memoryFiles(disk), 'look').read('count'))!;
        assert.ok(
          Number(value) === last || Number(value) === last + 1,
          `${what} at ${step}: ${value}, told ${last}`,
        );
        await countUp(storeOn(memoryFiles(disk), `after ${step}`), 2, told);
        if (!wasReached) break;
        const left = [...disk.contents().keys()].filter((path) => path.startsWith('/ha/metadata/'));
        assert.ok(left.length <= 19, `${left.length} files are left`);
        cases++;
      }
    }
  }
  console.log(`cases: ha-files-crash ${cases} (minimum 300)`);
  assert.ok(cases >= 300);
});

test('every truncation and flipped bit of a revision is refused with the name of its file', async () => {
  const disk = new SimulatedDisk();
  const register = new FileRegister(
    { files: memoryFiles(disk), random: seededRandom(1), log: silent },
    '/ha',
  );
  assert.deepEqual(await register.replace(undefined, '{"changes":1,"entries":{}}'), { revision: '1' });
  const whole = disk.read('/ha/1');
  let cases = 0;
  const refused = async (damaged: Uint8Array): Promise<void> => {
    disk.remove('/ha/1');
    disk.append(disk.create('/ha/1'), damaged, '/ha/1');
    await assert.rejects(register.read(), { code: 'HA_UNAVAILABLE', message: /\/ha\/1 is damaged/ });
    cases++;
  };
  for (let length = 0; length < whole.length; length++) await refused(whole.subarray(0, length));
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const damaged = Uint8Array.from(whole);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    await refused(damaged);
  }
  console.log(`cases: damaged revisions of a folder ${cases} (minimum 1000)`);
});

test('a writer that slept while its number was used and removed has replaced nothing', async () => {
  const disk = new SimulatedDisk();
  let isAsleep = true;
  const wake = Promise.withResolvers<void>();
  const awake = memoryFiles(disk);
  // It has read what it replaces, and sleeps before the link.
  const sleepy: Files = {
    ...bound(awake),
    link: async (from, to) => {
      if (isAsleep) await wake.promise;
      return awake.link(from, to);
    },
  };
  await countUp(storeOn(awake, 'first'), 2, () => {});
  const slow = storeOn(sleepy, 'sleeper');
  const found = await slow.read('count');
  const late = slow.change({ key: 'count', value: 'late', expected: found?.revision });
  for (let turns = 0; turns < 50; turns++) await Promise.resolve();
  // Its number is gone, and what it is about to link is still there.
  const forgetful: Files = {
    ...bound(awake),
    remove: (path) => (path.endsWith('.tmp') ? Promise.resolve() : awake.remove(path)),
  };
  await countUp(storeOn(forgetful, 'others'), 40, () => {});
  isAsleep = false;
  wake.resolve();
  assert.equal((await late).kind, 'conflict');
  assert.equal((await storeOn(awake, 'look').read('count'))?.value, '42');
  await countUp(storeOn(awake, 'on'), 3, () => {});
});

function bound(files: Files): Files {
  const names = [
    'open',
    'read',
    'stat',
    'list',
    'makeDirectory',
    'claimDirectory',
    'rename',
    'link',
    'remove',
    'removeTree',
    'syncDirectory',
  ] as const;
  return Object.fromEntries(
    names.map((name) => [name, (files[name] as () => unknown).bind(files)]),
  ) as unknown as Files;
}
