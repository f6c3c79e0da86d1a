// Windows, said again as plainly as possible: every window is a list of records, and every rule is a line. It imports
// nothing of the engine.

/** A record. */
export interface Item {
  readonly key: string;
  readonly id: number;
  readonly at: number;
}

/** What happens to a windowed stream. */
export type Happening =
  | { readonly record: Item }
  | { readonly watermark: number }
  | { readonly passMs: number };

/** The windows that are tried. */
export interface WindowSpec {
  readonly shape: 'tumbling' | 'sliding' | 'session';
  readonly time: 'event' | 'processing';
  readonly size: number;
  readonly slide: number;
  readonly offset: number;
  readonly lateness: number;
  /** 0: the end of the window fires; else each so many records. */
  readonly count: number;
  readonly purging: boolean;
}

interface Window {
  readonly key: string;
  start: number;
  end: number;
  items: Item[];
  counted: number;
}

/** One line per result: what, key, start and end of the window, ids of its records. */
export class WindowModel {
  readonly #spec: WindowSpec;
  #windows: Window[] = [];
  #watermark = Number.NEGATIVE_INFINITY;
  #now: number;
  #lines: string[] = [];

  constructor(spec: WindowSpec, now: number) {
    this.#spec = spec;
    this.#now = now;
  }

  /** The lines of one happening, sorted. */
  happen(what: Happening): string[] {
    this.#lines = [];
    if ('record' in what) this.#record(what.record);
    else if ('watermark' in what) this.#eventTime(what.watermark);
    else this.#processingTime(this.#now + what.passMs);
    return this.#lines.sort();
  }

  /** All that a bounded stream in this order gives when nothing is late. */
  static results(spec: WindowSpec, items: readonly Item[]): string[] {
    const model = new WindowModel(spec, 0);
    const lines = items.flatMap((record) => model.happen({ record }));
    return [...lines, ...model.happen({ watermark: Number.MAX_SAFE_INTEGER })].sort();
  }

  #record(item: Item): void {
    const { time, lateness } = this.#spec;
    const at = time === 'event' ? item.at : this.#now;
    let isIn = false;
    for (const [start, end] of this.#spansOf(at)) {
      const window = this.#join(item.key, start, end);
      if (time === 'event' && window.end - 1 + lateness <= this.#watermark) {
        this.#windows = this.#windows.filter((each) => each !== window);
        continue;
      }
      isIn = true;
      window.items.push(item);
      this.#afterRecord(window);
    }
    if (!isIn && time === 'event' && at + lateness <= this.#watermark) {
      this.#lines.push(JSON.stringify(['late', item.key, item.id]));
    }
  }

  #spansOf(at: number): [number, number][] {
    const { shape, size, slide, offset } = this.#spec;
    if (shape === 'session') return [[at, at + size]];
    const every = shape === 'tumbling' ? size : slide;
    const spans: [number, number][] = [];
    // Far enough below and above, then one after the other.
    const first = Math.floor((at - offset - size) / every) * every + offset;
    for (let start = first; start <= at; start += every) {
      if (start <= at && at < start + size) spans.push([start, start + size]);
    }
    return spans;
  }

  #join(key: string, start: number, end: number): Window {
    const joined: Window = { key, start, end, items: [], counted: 0 };
    const isOne = (each: Window): boolean =>
      each.key === key &&
      (this.#spec.shape === 'session'
        ? each.start <= joined.end && joined.start <= each.end
        : each.start === start && each.end === end);
    for (let other = this.#windows.find(isOne); other !== undefined; other = this.#windows.find(isOne)) {
      const found = other;
      joined.start = Math.min(joined.start, found.start);
      joined.end = Math.max(joined.end, found.end);
      joined.items = [...joined.items, ...found.items];
      joined.counted += found.counted;
      this.#windows = this.#windows.filter((each) => each !== found);
    }
    this.#windows.push(joined);
    return joined;
  }

  #afterRecord(window: Window): void {
    const { time, count } = this.#spec;
    if (count > 0) {
      if (++window.counted >= count) {
        window.counted = 0;
        this.#fire(window);
      }
    } else if (time === 'event' && window.end - 1 <= this.#watermark) this.#fire(window);
  }

  #eventTime(watermark: number): void {
    const before = this.#watermark;
    if (watermark <= before) return;
    this.#watermark = watermark;
    if (this.#spec.time !== 'event') return;
    for (const window of this.#windows) {
      const last = window.end - 1;
      if (this.#spec.count === 0 && last > before && last <= watermark) this.#fire(window);
    }
    this.#windows = this.#windows.filter(({ end }) => end - 1 + this.#spec.lateness > watermark);
  }

  #processingTime(now: number): void {
    this.#now = now;
    if (this.#spec.time !== 'processing') return;
    for (const window of this.#windows)
      if (this.#spec.count === 0 && window.end - 1 <= now) this.#fire(window);
    this.#windows = this.#windows.filter(({ end }) => end - 1 > now);
  }

  #fire(window: Window): void {
    if (window.items.length === 0) return;
    const ids = window.items.map(({ id }) => id).sort((left, right) => left - right);
    this.#lines.push(JSON.stringify(['window', window.key, window.start, window.end, ids]));
    if (this.#spec.purging) window.items = [];
  }
}
