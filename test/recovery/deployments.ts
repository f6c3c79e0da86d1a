// What deployments of a job have committed, and how long the next one needs to commit something.

import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { committedFiles } from '../e2e/committed.ts';
import { pause } from '../e2e/processes.ts';

/** What was committed by deployments after the one that is the newest now; 0 when there is none. */
export class Deployments {
  readonly #output: string;
  constructor(output: string) {
    this.#output = output;
  }

  /** The newest deployment that has committed something: `[job master, deployment]`. */
  newest(): readonly [number, number] {
    let newest: readonly [number, number] = [0, 0];
    for (const file of committedFiles(this.#output)) {
      const [, attempt, deployment] = /-(\d+)-(\d+)-\d+\.jsonl$/.exec(basename(file)) ?? [];
      const found = [Number(attempt), Number(deployment)] as const;
      if (found[0] > newest[0] || (found[0] === newest[0] && found[1] > newest[1])) newest = found;
    }
    return newest;
  }

  /** Something was committed by a deployment after that one. */
  isAfter([attempt, deployment]: readonly [number, number]): boolean {
    const now = this.newest();
    return now[0] > attempt || (now[0] === attempt && now[1] > deployment);
  }

  async nextAfter(deployment: readonly [number, number], msMax: number): Promise<number> {
    const from = performance.now();
    for (;;) {
      if (this.isAfter(deployment)) return performance.now() - from;
      assert.ok(performance.now() - from < msMax, `nothing more was committed within ${msMax} ms`);
      await pause(5);
    }
  }
}

/** Prints the times of each kind of kill. */
export function printTimes(what: string, times: ReadonlyMap<string, number[]>): void {
  for (const [role, values] of times) {
    const sorted = values.toSorted((left, right) => left - right);
    const at = (share: number): number =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!);
    console.log(
      `${what}: kill of a ${role} to the next committed output, n=${sorted.length}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
    );
  }
}
