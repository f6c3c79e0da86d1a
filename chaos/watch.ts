// Looks at what a job commits all the time, and says when something more is there, or never comes.

import type { TestCluster } from '../test/e2e/clusters.ts';
import { pause } from '../test/e2e/processes.ts';
import { Deployments } from '../test/recovery/deployments.ts';
import { type Reader, Violation } from './reader.ts';

/** After whatever happened, something more is committed within so many ms, on a machine that does other things too. */
const PATIENCE_MS = 180_000;
/** While nothing comes, the cluster is asked so often whether the job has ended. */
const ASK_MS = 2_000;

/** See the head of the file. */
export class Watch {
  /** ms from a kill to the first record that a later deployment has committed, whatever happened meanwhile. */
  readonly recoveries: number[] = [];
  readonly #cluster: TestCluster;
  readonly #job: string;
  readonly #reader: Reader;
  readonly #deployments: Deployments;
  readonly #lookMs: number;
  /** The first kill that the job has not recovered from: when, and who had committed before. */
  #killed: { readonly at: number; readonly before: readonly [number, number] } | undefined;
  #isFinished = false;

  constructor(parts: {
    readonly cluster: TestCluster;
    readonly job: string;
    readonly reader: Reader;
    /** Looks are so far apart, ms. */
    readonly lookMs: number;
  }) {
    this.#cluster = parts.cluster;
    this.#job = parts.job;
    this.#reader = parts.reader;
    this.#deployments = new Deployments(parts.reader.recordsFolder);
    this.#lookMs = parts.lookMs;
  }

  /** The job has finished: nothing can happen to it any more. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Records that left and are committed. */
  get records(): number {
    return this.#reader.records;
  }

  get windows(): number {
    return this.#reader.windows;
  }

  /** Looks on for so many ms. */
  async wait(ms: number): Promise<void> {
    const until = performance.now() + ms;
    do {
      this.#look();
      await pause(Math.min(this.#lookMs, Math.max(0, until - performance.now())));
    } while (performance.now() < until);
  }

  /** Looks on until something is so, or for so many ms; whether it is. */
  async until(happened: () => boolean, msMax: number): Promise<boolean> {
    const deadline = performance.now() + msMax;
    while (!happened()) {
      if (performance.now() > deadline) return false;
      await this.wait(this.#lookMs);
    }
    return true;
  }

  /** Until something more is committed, or the job has finished; throws {@link Violation} when neither is for long. */
  async untilMore(what: string): Promise<void> {
    const from = performance.now();
    const before = this.#reader.records;
    let askedAt = from;
    while (this.#reader.records === before) {
      await this.wait(this.#lookMs);
      if (performance.now() - askedAt < ASK_MS) continue;
      const { jobs } = await this.#cluster.status();
      const job = jobs.find(({ jobId }) => jobId === this.#job);
      this.#isFinished = job?.outcome?.status === 'FINISHED';
      if (this.#isFinished) return;
      if (job?.outcome !== undefined)
        throw new Violation(`the job ended after ${what}: ${JSON.stringify(job.outcome)}`);
      if (performance.now() - from > PATIENCE_MS)
        throw new Violation(
          `nothing more was committed ${PATIENCE_MS} ms after ${what}: ${JSON.stringify(job)}`,
        );
      askedAt = performance.now();
    }
  }

  /** Everything is well again: the job finishes, and its output is whole. */
  async finish(): Promise<void> {
    while (!this.#isFinished) await this.untilMore('everything was healed');
    this.#reader.complete();
  }

  /**
   * Everything is well again: the job commits something more, and stops with a last checkpoint. Everything up to it is there;
   * watermarks may be so many records of a split behind.
   */
  async stop(behind: number): Promise<void> {
    await this.untilMore('everything was healed');
    if (this.#isFinished) return this.#reader.complete();
    const { code, output } = await this.#cluster.run('stop', this.#job);
    if (code !== 0) throw new Violation(`the job could not be stopped: ${output}`);
    await this.#cluster.ended(this.#job, PATIENCE_MS);
    this.#reader.upToStop(behind);
  }

  /** Something is killed now; returns what says that the job has lost something by it. */
  kill(): () => void {
    const killed = { at: performance.now(), before: this.#deployments.newest() };
    return () => {
      this.#killed ??= killed;
    };
  }

  #look(): void {
    this.#reader.look();
    if (this.#killed === undefined || !this.#deployments.isAfter(this.#killed.before)) return;
    this.recoveries.push(performance.now() - this.#killed.at);
    this.#killed = undefined;
  }
}
