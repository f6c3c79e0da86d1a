// What processes of a cluster take while a run goes on: memory and descriptors of each, and how long checkpoints take. Whether
// that is flat says flat.ts.

import { readdirSync, readFileSync } from 'node:fs';
import { pause } from '../test/e2e/processes.ts';
import type { ChaosCluster } from './cluster.ts';
import { type Life, lifeOf, type Sample, type Witness } from './flat.ts';

const SAMPLE_MS = 5_000;

/** Durations of completed checkpoints, ms: of the first and the last third of the run. */
export interface CheckpointDrift {
  readonly completed: number;
  readonly p50: readonly [number, number];
  readonly p99: readonly [number, number];
}

/** Memory of a process before something, and at most while it lasted. */
export interface Growth {
  readonly role: string;
  readonly id: string;
  readonly rssMib: readonly [number, number];
  /** In heaps and buffers, after collections. */
  readonly aliveMib: readonly [number, number];
}

/** See the head of the file. */
export class Vitals {
  readonly #on: ChaosCluster;
  readonly #job: string;
  readonly #lives = new Map<
    number,
    { readonly role: string; readonly id: string; readonly samples: Sample[] }
  >();
  /** Durations in ms by the id of the checkpoint. */
  readonly #checkpoints = new Map<number, number>();
  #isOver = false;
  #looking: Promise<void> = Promise.resolve();

  constructor(on: ChaosCluster, job: string) {
    this.#on = on;
    this.#job = job;
  }

  start(): void {
    this.#looking = this.#look();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#looking;
  }

  /** Processes that lived for so long. */
  lives(witness: Witness): Life[] {
    return [...this.#lives].flatMap(
      ([pid, { role, id, samples }]) => lifeOf({ role, id, pid }, samples, witness) ?? [],
    );
  }

  /** What the processes of the cluster had of memory at most in a time, by `performance.now()`, beside what they had before it. */
  growth(fromMs: number, toMs: number): Growth[] {
    return [...this.#lives.values()].flatMap(({ role, id, samples }) => {
      const before = samples.findLast(({ atMs }) => atMs <= fromMs);
      const within = samples.filter(({ atMs }) => atMs > fromMs && atMs <= toMs);
      if (before === undefined || within.length === 0) return [];
      const most = (figure: (sample: Sample) => number): readonly [number, number] => [
        Math.round(figure(before)),
        Math.round(Math.max(...within.map(figure))),
      ];
      return [{ role, id, rssMib: most(({ rss }) => rss), aliveMib: most(aliveOf) }];
    });
  }

  get drift(): CheckpointDrift {
    const durations = [...this.#checkpoints].sort(([left], [right]) => left - right).map(([, ms]) => ms);
    const third = Math.floor(durations.length / 3);
    const thirds = [durations.slice(0, third), durations.slice(-third)] as const;
    const at = (share: number): readonly [number, number] => [
      shareOf(thirds[0], share),
      shareOf(thirds[1], share),
    ];
    return { completed: durations.length, p50: at(0.5), p99: at(0.99) };
  }

  async #look(): Promise<void> {
    while (!this.#isOver) {
      const from = performance.now();
      const { processes } = await this.#on.cluster.status();
      for (const { role, id, pid, running } of processes) {
        const sample = running ? this.#sampleOf(pid) : undefined;
        if (sample === undefined) continue;
        const life = this.#lives.get(pid) ?? { role, id, samples: [] };
        this.#lives.set(pid, life);
        life.samples.push(sample);
      }
      const rest = processes.find(({ role }) => role === 'jobmanager')?.rest;
      if (rest !== undefined) await this.#lookAtCheckpoints(rest);
      while (!this.#isOver && performance.now() - from < SAMPLE_MS) await pause(100);
    }
  }

  #sampleOf(pid: number): Sample | undefined {
    try {
      const rss = rssMibOf(pid);
      if (rss === undefined) return undefined;
      return {
        atMs: performance.now(),
        descriptors: readdirSync(`/proc/${pid}/fd`).length,
        rss,
        threads: this.#on.faults.memoryOf(pid),
      };
    } catch {
      return undefined; // It has ended.
    }
  }

  async #lookAtCheckpoints(rest: string): Promise<void> {
    // While the job begins anew nobody knows of any.
    const response = await fetch(`${rest}/jobs/${this.#job}/checkpoints`).catch(() => undefined);
    if (response?.ok !== true) return;
    const { history } = (await response.json()) as {
      readonly history: readonly {
        readonly id: number;
        readonly status: string;
        readonly end_to_end_duration: number;
      }[];
    };
    for (const { id, status, end_to_end_duration: ms } of history)
      if (status === 'COMPLETED') this.#checkpoints.set(id, ms);
  }
}

/** The value that a share of all does not exceed; 0 of none. */
export function shareOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
}

function aliveOf({ threads }: Sample): number {
  return threads.reduce((sum, { heap, buffers }) => sum + heap + buffers, 0);
}

/** What is resident of a process; `undefined` when it has ended. */
export function rssMibOf(pid: number): number | undefined {
  try {
    const kib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    // Nothing is told of one that has ended and that nobody has asked about.
    return Number.isNaN(kib) ? undefined : kib / 1_024;
  } catch {
    return undefined;
  }
}
