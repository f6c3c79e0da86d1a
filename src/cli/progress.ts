/**
 * The live line of a run: redrawn in place on a terminal, one line every few seconds elsewhere.
 *
 * Owns: what it printed last. Talks to: the screen; asks for figures and never changes them.
 *
 * PR-1 On a terminal nothing else is written while the line stands: others write through `print`, which moves it.
 */

import type { Clock, Timer } from '../base/env.ts';
import type { JobFigures } from '../cluster/job-manager/job-figures.ts';
import { formatCount, formatDuration, formatPlural } from './format.ts';
import type { Screen } from './terminal.ts';

/** How often the line is redrawn on a terminal. */
export const REDRAW_MS = 250;
/** How often a line is written where none can be redrawn. */
export const LINE_MS = 5_000;

/** The rate is that of the last so many milliseconds. */
export const RATE_OVER_MS = 5_000;

/** What a sink has written, for the live line and the summary. */
export interface Throughput {
  /** Records that the sources have read. */
  readonly read: number;
  /** Records that sinks have written, by the sink's name. */
  readonly written: ReadonlyMap<string, number>;
}

/** What the live line needs. */
export interface ProgressOptions {
  readonly screen: Screen;
  readonly clock: Clock;
  readonly figures: () => JobFigures | undefined;
  readonly throughput: (figures: JobFigures) => Throughput;
}

/** The live line. */
export class Progress {
  readonly #options: ProgressOptions;
  #timer: Timer | undefined;
  #isShown = false;
  /** What was read when, over the last {@link RATE_OVER_MS}. */
  readonly #samples: { readonly at: number; readonly read: number }[] = [];

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  start(): void {
    this.#samples.push({ at: this.#options.clock.monotonic(), read: 0 });
    this.#next();
  }

  /** Takes the line away; nothing is written afterwards. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.makeWay();
  }

  /** Writes whole lines above the live line (PR-1). */
  print(text: string): void {
    this.makeWay();
    this.#options.screen.write(text);
  }

  /** Takes the line away until it is drawn again; called before others write to the same terminal (PR-1). */
  makeWay(): void {
    if (!this.#isShown) return;
    // First, because whoever guards the stream asks for way too.
    this.#isShown = false;
    this.#options.screen.write('\r\u001b[2K');
  }

  #next(): void {
    const { clock, screen } = this.#options;
    this.#timer = clock.timer(
      screen.live ? REDRAW_MS : LINE_MS,
      () => {
        this.#show();
        this.#next();
      },
      'live line',
    );
  }

  #show(): void {
    const { clock, figures, screen, throughput } = this.#options;
    const now = figures();
    if (now === undefined) return;
    const { read, written } = throughput(now);
    const perSecond = this.#perSecond(clock.monotonic(), read);
    const line = progressLine({ figures: now, read, written, perSecond, now: clock.now() });
    if (!screen.live) {
      screen.write(`${line}\n`);
      return;
    }
    this.makeWay();
    screen.write(screen.style.dim(cut(line, screen.columns() - 1)));
    this.#isShown = true;
  }

  // Over several seconds, because figures come in steps and a number that jumps cannot be read.
  #perSecond(at: number, read: number): number {
    const samples = this.#samples;
    samples.push({ at, read });
    while (samples.length > 2 && at - samples[0]!.at > RATE_OVER_MS) samples.shift();
    const first = samples[0]!;
    return at === first.at ? 0 : (Math.max(0, read - first.read) * 1_000) / (at - first.at);
  }
}

/** One line: state, events a second, what sinks wrote, the last checkpoint. */
export function progressLine(at: {
  readonly figures: JobFigures;
  readonly read: number;
  readonly written: ReadonlyMap<string, number>;
  readonly perSecond: number;
  readonly now: number;
}): string {
  const { figures, read, written } = at;
  const { last } = figures.checkpoints;
  const parts = [
    `${figures.state} ${formatDuration(figures.elapsedMs)}`,
    `${formatCount(at.perSecond)} events/s`,
    formatPlural(read, 'event'),
    ...[...written].map(([name, count]) => `${name} ${formatCount(count)}`),
    last === undefined
      ? 'no checkpoint yet'
      : `checkpoint ${last.id} ${formatDuration(Math.max(0, at.now - last.completedAt))} ago`,
    ...(figures.restarts === 0 ? [] : [formatPlural(figures.restarts, 'restart')]),
  ];
  return parts.join(' · ');
}

function cut(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}
