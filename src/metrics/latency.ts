/**
 * How long latency markers took from their sources to one operator of one subtask, after Flink's LatencyStats.
 *
 * Owner: the subtask's thread. There is one histogram for each source that markers come from, so their number is bounded
 * by the sources of the job and, where each subtask is told apart, by their parallelism.
 */

import { type Distribution, distribution } from './metric-group.ts';

/** `metrics.latency.granularity`: all sources as one, each source, or each subtask of a source. */
export type LatencyGranularity = 'single' | 'operator' | 'subtask';

/** How markers are made and measured. */
export interface LatencySettings {
  /** Each source subtask makes one every so often, ms; 0 = none. */
  readonly intervalMs: number;
  readonly granularity: LatencyGranularity;
  /** The last markers that a histogram is of. */
  readonly historySize: number;
}

/** Flink's defaults: no markers. */
export const NO_LATENCY: LatencySettings = { intervalMs: 0, granularity: 'operator', historySize: 128 };

/** From one source to one operator, ms; plain data. */
export interface LatencyFigures extends Distribution {
  /** Vertex of the source; `undefined` where all sources are one. */
  readonly source: number | undefined;
  /** Subtask of the source; `undefined` where they are not told apart. */
  readonly sourceSubtask: number | undefined;
  /** Markers that have come. */
  readonly count: number;
}

interface Window {
  readonly source: number | undefined;
  readonly sourceSubtask: number | undefined;
  readonly values: number[];
  count: number;
}

/** See the head of the file. */
export class LatencyTracker {
  readonly #settings: LatencySettings;
  readonly #windows = new Map<string, Window>();

  constructor(settings: LatencySettings) {
    this.#settings = settings;
  }

  /** A marker of that source has come, after `ms`. */
  add(vertex: number, subtask: number, ms: number): void {
    const { granularity, historySize } = this.#settings;
    const source = granularity === 'single' ? undefined : vertex;
    const sourceSubtask = granularity === 'subtask' ? subtask : undefined;
    const key = `${source}/${sourceSubtask}`;
    let window = this.#windows.get(key);
    if (window === undefined) {
      window = { source, sourceSubtask, values: [], count: 0 };
      this.#windows.set(key, window);
    }
    window.values[window.count++ % historySize] = ms;
  }

  /** `undefined` before the first marker. */
  figures(): readonly LatencyFigures[] | undefined {
    if (this.#windows.size === 0) return undefined;
    return [...this.#windows.values()].map(({ source, sourceSubtask, values, count }) => ({
      source,
      sourceSubtask,
      count,
      ...distribution(values),
    }));
  }
}
