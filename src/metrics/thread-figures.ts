/**
 * What Node can say about one thread: its heap, its collector, and how busy and how late its event loop is.
 *
 * Owner: the thread that is measured. The delay is sampled by a timer of Node's own (no JavaScript runs for it), the
 * busy share is a counter of the event loop, and the collector reports each of its runs.
 */

import { monitorEventLoopDelay, performance, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

/** Figures of a thread since the last time they were taken; plain data. */
export interface ThreadFigures {
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly heapLimitBytes: number;
  readonly externalBytes: number;
  /** Share of the time in which its event loop was not waiting. */
  readonly eventLoopBusyShare: number;
  /** How late the event loop came to a timer, ms. */
  readonly eventLoopDelayMsP50: number;
  readonly eventLoopDelayMsP99: number;
  readonly eventLoopDelayMsMax: number;
  /** Of the collector, since the thread began. */
  readonly collections: number;
  readonly collectionMs: number;
  /** The longest pause since the last time. */
  readonly collectionMsMax: number;
}

/** How often the delay of the event loop is looked at, ms. */
const DELAY_EVERY_MS = 20;
const NANOSECONDS_PER_MS = 1e6;

/** Measures the thread that makes it. */
export class ThreadMeter {
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_EVERY_MS });
  readonly #observer: PerformanceObserver;
  #utilization = performance.eventLoopUtilization();
  #collections = 0;
  #collectionMs = 0;
  #collectionMsMax = 0;

  constructor() {
    this.#delay.enable();
    this.#observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) this.#collected(duration);
    });
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** What was measured since the last call. */
  take(): ThreadFigures {
    const heap = getHeapStatistics();
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    const figures: ThreadFigures = {
      heapUsedBytes: heap.used_heap_size,
      heapTotalBytes: heap.total_heap_size,
      heapLimitBytes: heap.heap_size_limit,
      externalBytes: heap.external_memory,
      eventLoopBusyShare: finite(utilization),
      eventLoopDelayMsP50: lateBy(this.#delay.percentile(50)),
      eventLoopDelayMsP99: lateBy(this.#delay.percentile(99)),
      eventLoopDelayMsMax: lateBy(this.#delay.max),
      collections: this.#collections,
      collectionMs: this.#collectionMs,
      collectionMsMax: this.#collectionMsMax,
    };
    this.#delay.reset();
    this.#collectionMsMax = 0;
    return figures;
  }

  close(): void {
    this.#delay.disable();
    this.#observer.disconnect();
  }

  #collected(durationMs: number): void {
    this.#collections += 1;
    this.#collectionMs += durationMs;
    if (durationMs > this.#collectionMsMax) this.#collectionMsMax = durationMs;
  }
}

// What Node records is the time between two looks, which are as far apart as they should be when nothing is late.
function lateBy(nanoseconds: number): number {
  return Math.max(0, finite(nanoseconds) / NANOSECONDS_PER_MS - DELAY_EVERY_MS);
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
