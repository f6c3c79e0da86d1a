// The store of objects of worlds: what it does to requests, what it says of clients that break a rule, and that it repeats.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runWorld } from '../../sim/life.ts';
import { shaped } from '../../sim/shapes.ts';
import { SimulatedS3 } from '../../sim/simulated-s3.ts';
import { NO_STORE_FAULTS, PAGE_LENGTH, PART_BYTES, type StoreSpec } from '../../sim/store-world.ts';
import { worldOf } from '../../sim/world.ts';
import type { ObjectStore, Publication } from '../../src/base/object-store.ts';
import { storesOf } from '../../src/checkpoint/stores.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import type { FileFault } from '../../src/testing/simulated-files.ts';

const CALM: StoreSpec = {
  holds: 'both',
  retriesMax: 0,
  timeoutMs: 100,
  partBytes: PART_BYTES,
  pageLength: PAGE_LENGTH,
  lingersMs: 0,
  lagsMs: 0,
  lateMs: 50,
  rates: NO_STORE_FAULTS,
  spells: [],
};
const METADATA: Publication = {
  directory: 's3://bucket/checkpoints/job/chk-1',
  name: '_metadata',
  temporary: '_metadata.1.tmp',
  bytes: Buffer.from('a checkpoint'),
};
const PATH = 's3://bucket/checkpoints/job/chk-1/_metadata';

class Surroundings {
  readonly kernel = new Kernel({ seed: 7, shuffle: true });
  readonly marks = new Set<string>();
  readonly objects: SimulatedS3;
  /** The fault of the next write. */
  fault: FileFault | undefined;

  constructor(spec: Partial<StoreSpec> = {}) {
    this.objects = new SimulatedS3(
      this.kernel,
      { ...CALM, ...spec },
      {
        mark: (mark) => this.marks.add(mark),
        fault: () => undefined,
        lives: () => undefined,
        checkpoints: () => undefined,
        aimed: (event) => {
          const { fault } = this;
          if (event.startsWith('store PUT')) this.fault = undefined;
          return event.startsWith('store PUT') ? fault : undefined;
        },
        isCutOff: () => false,
      },
    );
  }

  /** As a process reaches it. */
  client(node = 'process'): ObjectStore {
    return storesOf(this.objects.of(node)(this.kernel.env(node)));
  }
}

test('a write may arrive when its sender has given up, and is refused once its publication was settled', async () => {
  for (const isSettled of [false, true]) {
    const around = new Surroundings();
    around.fault = 'unknown-without-effect';
    const client = around.client();
    const outcome = await around.kernel.settle(client.publish(METADATA));
    assert.equal(outcome.kind, 'failed');
    assert.equal(outcome.outcomeKnown, false);
    assert.deepEqual(around.objects.uris, [], 'it has not arrived');
    if (isSettled) await around.kernel.settle(client.settle(METADATA));
    await around.kernel.runFor(CALM.lateMs);
    assert.deepEqual(around.objects.uris, [PATH]);
    assert.equal(around.marks.has('a late write of the store took effect'), !isSettled);
  }
});

test('a write whose answer is lost is known by its token', async () => {
  const around = new Surroundings();
  around.fault = 'unknown-with-effect';
  assert.deepEqual(await around.kernel.settle(around.client().publish(METADATA)), { kind: 'published' });
  assert.equal(around.objects.struck, 1);
});

test('an answer reaches only the incarnation that asked', async () => {
  const around = new Surroundings();
  const heard: string[] = [];
  around
    .client()
    .create(PATH, METADATA.bytes)
    .then(
      () => heard.push('created'),
      () => heard.push('failed'),
    );
  // The request leaves the process.
  await new Promise(setImmediate);
  around.kernel.crash('process');
  around.kernel.restart('process');
  await around.kernel.runFor(1_000);
  assert.deepEqual([heard, around.objects.uris], [[], [PATH]]);
});

test('lists show at once what was written, and for a while what was removed', async () => {
  const around = new Surroundings({ lingersMs: 40 });
  const { kernel } = around;
  const client = around.client();
  await kernel.settle(client.create(PATH, METADATA.bytes));
  assert.deepEqual(await kernel.settle(client.list(METADATA.directory)), ['_metadata']);
  await kernel.settle(client.remove(PATH));
  assert.deepEqual(await kernel.settle(client.list(METADATA.directory)), ['_metadata']);
  assert.equal(await kernel.settle(client.read(PATH)), undefined);
  await kernel.runFor(40);
  assert.deepEqual(await kernel.settle(client.list(METADATA.directory)), []);
});

test('a store is silent for as long as it is said', async () => {
  const around = new Surroundings({ spells: [{ afterRequests: 1, kind: 'silent', ms: 150 }] });
  const { kernel } = around;
  const client = around.client();
  await kernel.settle(client.create(PATH, METADATA.bytes));
  await assert.rejects(kernel.settle(client.read(PATH)), /no answer within 100 ms/);
  await kernel.runFor(60);
  assert.deepEqual(await kernel.settle(client.read(PATH)), METADATA.bytes);
});

test('it says when an id is claimed again, an attempt is removed, and more is left than faults explain', async () => {
  const around = new Surroundings();
  const { kernel, objects } = around;
  const client = around.client();
  const attempt = 's3://bucket/checkpoints/job/attempts/1';
  await kernel.settle(client.claim(METADATA.directory));
  await kernel.settle(client.claim(attempt));
  assert.deepEqual(objects.violations, []);
  await assert.rejects(kernel.settle(client.claim(METADATA.directory)), /exists/);
  await kernel.settle(client.removeAll(attempt));
  assert.deepEqual(objects.violations, [
    'chk-1 is claimed after chk-1 was there',
    'checkpoints/job/attempts/1/.claim was removed',
  ]);
  assert.throws(() => objects.checkOrphans(new Set()), /left checkpoints\/job\/chk-1\//);
  await kernel.settle(client.create(PATH, METADATA.bytes));
  objects.checkOrphans(new Set([PATH]));
});

test('worlds with a store happen the same way twice', async () => {
  const seeds = [1, 2, 3];
  let happened = 0;
  for (const seed of seeds) {
    const world = shaped(worldOf(seed), 'store')!;
    const { hash, violation } = await runWorld(world);
    assert.equal(violation, undefined);
    assert.equal((await runWorld(world)).hash, hash, `seed ${seed}`);
    happened++;
  }
  console.log(`cases: worlds with a store that happened twice ${happened} (minimum ${seeds.length})`);
});
