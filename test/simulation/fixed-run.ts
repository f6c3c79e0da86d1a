// The fixed job on a seeded kernel, life after life on one disk, with everything checked that must hold at a crash.

import assert from 'node:assert/strict';
import type { JobResult } from '../../src/cluster/job-manager/job-result.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import type { FileCall } from '../../src/testing/simulated-files.ts';
import { committed, kill, SimulatedJob, type SimulatedOptions } from '../property/simulated-job.ts';
import { DiskWitness } from './disk-witness.ts';
import fixedJob, { expectedLines, INPUT } from './fixed-job.ts';
import { writeInput } from './simulated-input.ts';

/** How the fixed job runs. */
export interface FixedOptions extends Partial<Omit<SimulatedOptions, 'definition' | 'args'>> {
  readonly seed: number;
  readonly args?: readonly string[];
  /** Sees every operation on files before it happens. */
  readonly onCall?: (call: FileCall) => void;
}

const EXPECTED = expectedLines();
const EXPECTED_COUNTS = countsOf(EXPECTED);

/** Lives of the fixed job. */
export class FixedRun {
  readonly kernel: Kernel;
  readonly witness: DiskWitness;
  job: SimulatedJob;
  readonly #options: FixedOptions;

  private constructor(kernel: Kernel, witness: DiskWitness, options: FixedOptions) {
    this.kernel = kernel;
    this.witness = witness;
    this.#options = options;
    this.job = this.#start({});
  }

  /** Starts the job on a disk that holds its input. */
  static async begin(options: FixedOptions): Promise<FixedRun> {
    const witness = new DiskWitness();
    const { seed, onCall } = options;
    const onOperation = (call: FileCall): undefined => {
      witness.onCall(call);
      onCall?.(call);
    };
    const kernel = new Kernel({ seed, shuffle: true, faults: { onOperation } });
    witness.watch(kernel);
    await writeInput(kernel, INPUT);
    return new FixedRun(kernel, witness, options);
  }

  /** Up to `events` more events, or to the end of the job. */
  async some(events: number): Promise<void> {
    await this.job.some(events);
  }

  /** Runs until `until` holds after an event, or to the end of the job; says whether it held. */
  async until(until: () => boolean): Promise<boolean> {
    let isHeld = false;
    const isOver = (): boolean => {
      isHeld = until();
      return isHeld || this.job.result !== undefined;
    };
    await this.kernel.run({ until: isOver });
    return isHeld;
  }

  /** Kills the process, looks at what it left, and starts it again. */
  crash(how: 'kill' | 'power', options: Partial<FixedOptions> = {}): void {
    const before = this.output();
    kill(this.kernel, how);
    this.witness.lookAfter(how);
    const after = this.output();
    // A rename that was not synchronized may be undone by a loss of power; it is done again by the next start.
    if (how === 'kill') assertContains(after, before);
    assertWithin(after);
    this.job = this.#start(options);
  }

  /** Another process starts the job, whatever the one before does. */
  takeOver(node: string, options: Partial<FixedOptions> = {}): void {
    this.witness.expectSeveralOwners();
    this.job = this.#start({ ...options, node });
  }

  /** Runs to the end and checks everything. */
  async finish(): Promise<JobResult> {
    const result = await this.job.end();
    const isDone = result.status === 'FINISHED' || result.status === 'ALREADY_FINISHED';
    assert.ok(isDone, `${result.status}: ${result.error?.stack}`);
    assert.deepEqual(result.exceptions, [], 'no failure that nobody caused');
    this.checkEnd();
    return result;
  }

  checkEnd(): void {
    assert.deepEqual(this.output().sort(), EXPECTED, 'the committed output');
    assert.deepEqual(this.witness.violations, []);
  }

  output(): string[] {
    return committed(this.kernel, '/output');
  }

  #start(options: Partial<FixedOptions>): SimulatedJob {
    return new SimulatedJob(this.kernel, {
      definition: fixedJob,
      channelElements: 1,
      inlineThresholdBytes: 0,
      ...this.#options,
      ...options,
      args: options.args ?? this.#options.args ?? [],
    });
  }
}

/** I-C4: at every moment what is committed is a part of what a run without failures gives. */
export function assertWithin(lines: readonly string[]): void {
  for (const [line, count] of countsOf(lines)) {
    assert.ok(count <= (EXPECTED_COUNTS.get(line) ?? 0), `${line} is committed ${count} times`);
  }
}

function assertContains(lines: readonly string[], before: readonly string[]): void {
  const counts = countsOf(lines);
  for (const [line, count] of countsOf(before)) {
    assert.ok((counts.get(line) ?? 0) >= count, `${line} was committed and is gone`);
  }
}

function countsOf(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}
