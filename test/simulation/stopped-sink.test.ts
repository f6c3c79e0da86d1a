// A sink that takes nothing stops the source: what is in memory stays bounded, and nothing is lost when it takes again.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { executeAsync, type JobClient } from '../../src/run.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { SimulatedJob } from '../property/simulated-job.ts';
import stoppedSink, { gate, openGate, shutGate } from './stopped-sink-job.ts';

const COUNT = 60_000;
/** Records that may be read while the sink takes none: queues of two elements, each a batch of a thousand at most. */
const READ_MAX = 8_000;
/**
 * In threads, what waits between two vertices: four rings of 64 KiB and a batch for each, of numbers of eight bytes at least,
 * and then of texts of twelve.
 */
const HELD_IN_THREADS_MAX = [34_000, 23_000] as const;
const COUNT_IN_THREADS = 400_000;
const TIMEOUT_MS = 500;
/** On the machine's own clock and disk: so long that no slow disk makes a checkpoint late that could complete. */
const PATIENT_TIMEOUT_MS = 60_000;
const EXPIRING_TIMEOUT_MS = 5_000;

interface Stopped {
  readonly unaligned: boolean;
  /** A generator function that was pulled halfway holds the snapshot back: there is no state between two `yield`. */
  readonly pulled: boolean;
}

const CASES: readonly Stopped[] = [
  { unaligned: true, pulled: false },
  { unaligned: true, pulled: true },
  { unaligned: false, pulled: false },
];

test('a sink that takes nothing stops the source, on one thread', async () => {
  let cases = 0;
  for (const stopped of CASES) {
    shutGate();
    const kernel = new Kernel({ seed: 7, shuffle: true });
    const job = new SimulatedJob(kernel, {
      definition: stoppedSink,
      args: ['--count', String(COUNT), ...(stopped.pulled ? ['--pulled'] : [])],
      checkpoints: {
        intervalMs: 100,
        timeoutMs: TIMEOUT_MS,
        tolerableFailures: 1_000,
        unaligned: stopped.unaligned,
      },
    });
    await kernel.runFor(1_000);
    const soon = gate.generated;
    await kernel.runFor(60_000);
    assert.deepEqual([gate.generated, gate.written], [soon, 0], 'the source has stopped');
    assert.ok(soon > 0 && soon <= READ_MAX, `${soon} records were read`);
    checkCheckpoints(stopped, job.master.figures().checkpoints);
    openGate();
    const { status, exceptions } = await job.end();
    assert.deepEqual([status, exceptions], ['FINISHED', []]);
    assert.deepEqual([gate.generated, gate.written], [COUNT, COUNT * 2]);
    cases++;
  }
  console.log(`cases: stopped sinks on one thread ${cases} (minimum ${CASES.length})`);
});

test('a sink that takes nothing stops the source, in worker threads', async (context) => {
  let cases = 0;
  for (const stopped of CASES) {
    const directory = folder(context);
    const gateFile = join(directory, 'open');
    const client = await executeAsync(new URL('./stopped-sink-job.ts', import.meta.url), {
      workingDirectory: directory,
      args: [
        '--count',
        String(COUNT_IN_THREADS),
        '--gate',
        gateFile,
        ...(stopped.pulled ? ['--pulled'] : []),
      ],
      configuration: {
        'log.level': 'silent',
        'execution.checkpointing.interval': '50 ms',
        'execution.checkpointing.timeout': `${completes(stopped) ? PATIENT_TIMEOUT_MS : EXPIRING_TIMEOUT_MS} ms`,
        'execution.checkpointing.tolerable-failed-checkpoints': 1_000,
        'execution.checkpointing.unaligned.enabled': stopped.unaligned,
      },
    });
    await untilItRests(client);
    while (!enoughSeen(stopped, client.figures().checkpoints)) await pause(100);
    checkCheckpoints(stopped, client.figures().checkpoints);
    // That it rested may have been a busy machine; that no more waits than fits into the rings was not.
    const [source, count, sink] = client.figures().vertices;
    const held = [source!.recordsOut - count!.recordsIn, count!.recordsOut - sink!.recordsIn];
    for (const [edge, max] of HELD_IN_THREADS_MAX.entries())
      assert.ok(held[edge]! > 0 && held[edge]! <= max, `${held.join(' and ')} records wait`);
    writeFileSync(gateFile, '');
    const { status, exceptions, figures } = await client.result();
    assert.deepEqual([status, exceptions], ['FINISHED', []]);
    assert.equal(figures.vertices.at(-1)?.recordsIn, COUNT_IN_THREADS * 2);
    cases++;
  }
  console.log(`cases: stopped sinks in threads ${cases} (minimum ${CASES.length})`);
});

interface Counts {
  readonly completed: number;
  readonly failed: number;
}

/** Unaligned barriers pass what waits, but for a generator that was pulled halfway. */
function completes({ unaligned, pulled }: Stopped): boolean {
  return unaligned && !pulled;
}

/** The runner's own limit ends a test in which nothing of this ever happens. */
function enoughSeen(stopped: Stopped, counts: Counts): boolean {
  return counts.failed >= 1 || (completes(stopped) && counts.completed >= 5);
}

/** An aligned barrier waits as the records do, and gives up in time. */
function checkCheckpoints(stopped: Stopped, counts: Counts): void {
  if (completes(stopped)) {
    assert.ok(counts.completed >= 5, `checkpoints completed: ${counts.completed}`);
    assert.equal(counts.failed, 0, 'checkpoints that failed');
  } else {
    assert.ok(counts.failed >= 1, `checkpoints failed: ${counts.failed}`);
  }
}

/** Until the number of records that the source has emitted has not grown for a while. */
async function untilItRests(client: JobClient): Promise<void> {
  for (let last = -1, same = 0; ; ) {
    await pause(100);
    const now = recordsOf(client);
    same = now === last && now > 0 ? same + 1 : 0;
    if (same === 15) return;
    last = now;
  }
}

function recordsOf(client: JobClient): number {
  return client.figures().vertices[0]?.recordsOut ?? 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-stopped-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
