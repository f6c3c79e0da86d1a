// What a chaos run has in the processes of its cluster: steps at which one of them ends, and wall clocks that are wrong.
//
// 1. A step is armed once, and ends one process: the first that comes by (process.mjs).
// 2. The second step of a pair is armed by whoever dies at the first one, so that none is passed before.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Failpoint } from '../src/base/failpoints.ts';
import { pause } from '../test/e2e/processes.ts';

const LOADED = new URL('process.mjs', import.meta.url).href;
const DYING_MS = 5;

/** One step, or two, one after the other. */
export interface Steps {
  readonly first: Failpoint;
  readonly next?: Failpoint | undefined;
}

/** See the head of the file. */
export class ProcessFaults {
  /** What processes have in their environment to hear of it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #folder: string;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.environment = { NODE_OPTIONS: `--import=${LOADED}`, MILLRACE_CHAOS_FOLDER: folder };
  }

  arm({ first, next }: Steps): void {
    for (const turn of [1, 2]) rmSync(this.#path(`struck-${turn}`), { force: true });
    this.#appear(`armed-${first}`, `1 ${next ?? ''}`);
  }

  /** Processes that have died at what was armed last. */
  get struck(): number {
    return [1, 2].filter((turn) => existsSync(this.#path(`struck-${turn}`))).length;
  }

  /** Nobody dies at a step any more. */
  async disarm(): Promise<void> {
    for (const name of this.#names(/^armed-/)) rmSync(this.#path(name), { force: true });
    // Whoever has taken one away dies, and says so before.
    while (this.#names(/^taken-/).length > 0) await pause(DYING_MS);
    for (const name of this.#names(/^armed-/)) rmSync(this.#path(name), { force: true });
  }

  /** The wall clock of a process is wrong by so many ms, until {@link setClock}. */
  jumpClock(pid: number, byMs: number): void {
    this.#appear('clock', `${pid} ${byMs}`);
  }

  /** All clocks are right again. */
  setClock(): void {
    rmSync(this.#path('clock'), { force: true });
  }

  #appear(name: string, text: string): void {
    writeFileSync(this.#path('new'), text);
    renameSync(this.#path('new'), this.#path(name));
  }

  #names(pattern: RegExp): string[] {
    return readdirSync(this.#folder).filter((name) => pattern.test(name));
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}
