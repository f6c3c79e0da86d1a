/** Measures the process that serves, for whoever looks. */

import { availableParallelism, freemem, totalmem } from 'node:os';
import { ThreadMeter } from '../metrics/thread-figures.ts';
import type { ServedProcess } from './served.ts';

/** Figures are at least so old before they are taken again, ms: they are over an interval. */
const FRESH_MS = 1_000;

/** The process that makes it. */
export class ProcessMeter {
  readonly #thread = new ThreadMeter();
  readonly #startedAt = performance.now();
  #lastAt = performance.now();
  #lastCpu = process.cpuUsage();
  #figures: ServedProcess;

  constructor() {
    this.#figures = this.#measure();
  }

  figures(): ServedProcess {
    if (performance.now() - this.#lastAt >= FRESH_MS) this.#figures = this.#measure();
    return this.#figures;
  }

  close(): void {
    this.#thread.close();
  }

  #measure(): ServedProcess {
    const now = performance.now();
    const cpu = process.cpuUsage();
    const spent = cpu.user + cpu.system - this.#lastCpu.user - this.#lastCpu.system;
    const elapsedMs = now - this.#lastAt;
    this.#lastCpu = cpu;
    this.#lastAt = now;
    return {
      processId: process.pid,
      residentBytes: process.memoryUsage.rss(),
      // Microseconds of all threads against the milliseconds that have passed: above 1 with several.
      cpuShare: elapsedMs <= 0 ? 0 : spent / 1_000 / elapsedMs,
      cpuMs: (cpu.user + cpu.system) / 1_000,
      uptimeMs: now - this.#startedAt,
      thread: this.#thread.take(),
      machineMemoryBytes: totalmem(),
      machineFreeBytes: freemem(),
      machineCores: availableParallelism(),
    };
  }
}
