// What a chaos run has in the processes of its cluster: steps at which one of them ends, wall clocks that are wrong, and what is
// alive in their memory.
//
// 1. A step is armed once, and ends one process: the first that comes by (process.mjs).
// 2. The second step of a pair is armed by whoever dies at the first one, so that none is passed before.
// 3. Each thread tells what is alive in it, by itself; a thread that has told nothing for long has ended.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Failpoint } from '../src/base/failpoints.ts';
import { pause } from '../test/e2e/processes.ts';
import type { ThreadMemory } from './flat.ts';

const LOADED = new URL('process.mjs', import.meta.url).href;
const DYING_MS = 5;
const MIB = 2 ** 20;
/** A thread that has told nothing for so many times what it should have ended. */
const SILENT_TURNS = 3;

/** What processes are told besides. */
export interface ProcessSettings {
  /** Every thread tells so often what is alive in it; never, when nothing is given. */
  readonly aliveEveryMs?: number | undefined;
  /** Of the heap of each thread, what is not young. */
  readonly heapMibMax?: number | undefined;
}

/** What a thread tells of itself, in bytes (process.mjs). */
interface ThreadTold {
  readonly thread: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  readonly heapResident: number;
  readonly heapLimit: number;
}

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
  readonly #aliveEveryMs: number;

  constructor(folder: string, { aliveEveryMs = 0, heapMibMax }: ProcessSettings = {}) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.#aliveEveryMs = aliveEveryMs;
    const heap = heapMibMax === undefined ? '' : ` --max-old-space-size=${heapMibMax}`;
    this.environment = {
      NODE_OPTIONS: `--import=${LOADED}${heap}`,
      MILLRACE_CHAOS_FOLDER: folder,
      MILLRACE_CHAOS_ALIVE_MS: `${aliveEveryMs}`,
    };
  }

  /** The memory of the threads of a process that have told it lately. */
  memoryOf(pid: number): ThreadMemory[] {
    const silentBefore = Date.now() - SILENT_TURNS * this.#aliveEveryMs;
    return this.#names(new RegExp(String.raw`^alive-${pid}-\d+$`))
      .map((name) => this.#path(name))
      .filter((path) => statSync(path).mtimeMs >= silentBefore)
      .map((path) => {
        const told = JSON.parse(readFileSync(path, 'utf8')) as ThreadTold;
        return {
          thread: told.thread,
          heap: (told.heapUsed + told.external) / MIB,
          buffers: told.arrayBuffers / MIB,
          // What is external holds the buffers of a thread, but not those that it shares.
          known: (told.heapResident + Math.max(told.external, told.arrayBuffers)) / MIB,
          heapLimit: told.heapLimit / MIB,
        };
      })
      .sort((left, right) => left.thread - right.thread);
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
