// What processes of a cluster take while a run goes on: memory and descriptors of each, and how long checkpoints take.
//
// 1. Whoever lives shorter than the time that is asked for is no witness: it says nothing about growth.
// 2. The beginning does not count: caches fill, code is compiled.

import { readdirSync, readFileSync } from 'node:fs';
import { pause } from '../test/e2e/processes.ts';
import type { ChaosCluster } from './cluster.ts';

const SAMPLE_MS = 5_000;
/** What grows by more between the second and the last quarter of a life is not flat. */
const GROWTH_MIB_MAX = 64;
const GROWTH_DESCRIPTORS_MAX = 16;
const MS_PER_HOUR = 3_600_000;

interface Sample {
  readonly atMs: number;
  readonly rssMib: number;
  readonly descriptors: number;
}

/** One process, as long as it lived. */
export interface Life {
  readonly role: string;
  readonly id: string;
  readonly pid: number;
  readonly minutes: number;
  /** At the beginning of what counts, and at its end. */
  readonly rssMib: readonly [number, number];
  readonly rssMibPerHour: number;
  readonly descriptors: readonly [number, number];
  readonly descriptorsPerHour: number;
}

/** Durations of completed checkpoints, ms: of the first and the last third of the run. */
export interface CheckpointDrift {
  readonly completed: number;
  readonly p50: readonly [number, number];
  readonly p99: readonly [number, number];
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

  /** Processes that lived for so long, the first `warmMs` of each left out. */
  lives(minutesMin: number, warmMs: number): Life[] {
    const lives: Life[] = [];
    for (const [pid, { role, id, samples }] of this.#lives) {
      const from = samples[0]!.atMs + warmMs;
      const counted = samples.filter(({ atMs }) => atMs >= from);
      const minutes = counted.length === 0 ? 0 : (counted.at(-1)!.atMs - counted[0]!.atMs) / 60_000;
      if (minutes < minutesMin) continue;
      const quarters = (figure: (sample: Sample) => number): readonly [number, number] => {
        const values = counted.map(figure);
        const quarter = Math.floor(values.length / 4);
        return [median(values.slice(quarter, 2 * quarter)), median(values.slice(-quarter))];
      };
      lives.push({
        ...{ role, id, pid, minutes: rounded(minutes) },
        rssMib: quarters(({ rssMib }) => rssMib),
        rssMibPerHour: slopePerHour(counted, ({ rssMib }) => rssMib),
        descriptors: quarters(({ descriptors }) => descriptors),
        descriptorsPerHour: slopePerHour(counted, ({ descriptors }) => descriptors),
      });
    }
    return lives;
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
        const sample = running ? sampleOf(pid) : undefined;
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

/** What of a life is not flat; `undefined` when all is. */
export function growthOf({ role, id, pid, minutes, rssMib, descriptors }: Life): string | undefined {
  const who = `${role} ${id} (process ${pid}, ${minutes} minutes)`;
  if (rssMib[1] - rssMib[0] > GROWTH_MIB_MAX)
    return `the memory of ${who} grew from ${rssMib[0]} to ${rssMib[1]} MiB`;
  if (descriptors[1] - descriptors[0] > GROWTH_DESCRIPTORS_MAX)
    return `the descriptors of ${who} grew from ${descriptors[0]} to ${descriptors[1]}`;
  return undefined;
}

/** The value that a share of all does not exceed; 0 of none. */
export function shareOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
}

function sampleOf(pid: number): Sample | undefined {
  try {
    const kib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    return {
      atMs: performance.now(),
      rssMib: kib / 1_024,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
    };
  } catch {
    return undefined; // It has ended.
  }
}

/** Of the line with the least squares. */
function slopePerHour(samples: readonly Sample[], figure: (sample: Sample) => number): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const times = samples.map(({ atMs }) => atMs / MS_PER_HOUR);
  const values = samples.map(figure);
  const [timeMean, valueMean] = [mean(times), mean(values)];
  const above = mean(times.map((time, index) => (time - timeMean) * (values[index]! - valueMean)));
  const below = mean(times.map((time) => (time - timeMean) ** 2));
  return rounded(above / below);
}

function median(values: readonly number[]): number {
  return rounded(values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0);
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
