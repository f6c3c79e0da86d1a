/** Window assigners: which windows a record belongs to. */

import { type Duration, parseDuration } from '../../base/duration.ts';
import { MillraceError } from '../../base/errors.ts';
import { keyHash, murmurHash } from '../../base/key-groups.ts';
import { GLOBAL_WINDOW, startBefore, TimeWindow, windowStart } from './time-window.ts';
import type { Trigger } from './trigger.ts';
import { type AnyTrigger, triggers } from './triggers.ts';

/** The clock that windows go by. */
export type WindowTime = 'event' | 'processing';

/** Decides which windows a record belongs to. Your own may return any windows of whole milliseconds. */
export interface WindowAssigner<T> {
  /** Shown in plans. */
  readonly name: string;
  /** By which clock windows end and are forgotten. */
  readonly time: WindowTime;
  /** Windows that overlap or touch become one, as sessions do. */
  readonly merging?: boolean;
  /** When a window gives its results if nothing else is said. */
  readonly defaultTrigger: Trigger<T> | AnyTrigger;
  /** The windows of a record; `time` is its timestamp, or in processing time the time of the machine. */
  assign(value: T, time: number): readonly TimeWindow[];
  /** Makes the assigner of one subtask, where windows do not lie alike in all of them; called once in each. */
  forSubtask?(subtask: AssignerContext): Pick<WindowAssigner<T>, 'assign'>;
}

/** What an assigner may know of its subtask. */
export interface AssignerContext {
  readonly uid: string;
  readonly subtask: number;
  /** The clock of the machine, ms since the epoch. */
  readonly now: () => number;
}

/**
 * Whether the windows of all subtasks end together (`aligned`), or each subtask has an offset of its own, so that not all
 * give their results at once: one that follows from the operator and the subtask (`random`), or the time of the machine at
 * its first record (`natural`).
 */
export type WindowStagger = 'aligned' | 'random' | 'natural';

/** How windows of fixed length lie. */
export interface WindowOptions {
  /** Default: event time. */
  readonly time?: WindowTime | undefined;
  /** Where the first window starts, counted from the epoch; may be negative: days in UTC+8 have `'-8h'`. Default 0. */
  readonly offset?: Duration | undefined;
}

/** How windows of one length, side by side, lie. */
export interface TumblingOptions extends WindowOptions {
  /** Default `aligned`. */
  readonly stagger?: WindowStagger | undefined;
}

/**
 * Windows of one length, side by side: each record is in one. With a `stagger` those of another subtask begin at other
 * times; after a restart at another parallelism, and with `natural` after each, they lie anew, and what was open ends
 * where it was to end.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromData([{ user: 'ada', at: 1_000 }, { user: 'ada', at: 8_000 }, { user: 'ada', at: 12_000 }], {
 *       watermarks: watermarks.monotonous().withTimestamps((event) => event.at),
 *     })
 *     .keyBy('user')
 *     .window(tumbling('10s'))
 *     .aggregate({
 *       uid: 'count',
 *       createAccumulator: () => 0,
 *       add: (_event, count) => count + 1,
 *       result: (count) => count,
 *     })
 *     .print(); // 2, then 1
 * });
 * ```
 */
export function tumbling(size: Duration, options: TumblingOptions = {}): WindowAssigner<unknown> {
  const { time = 'event', offset = 0, stagger = 'aligned' } = options;
  const sizeMs = positive(size, 'the size of a tumbling window');
  const offsetMs = offsetOf(offset, sizeMs);
  const common = { name: 'tumbling', time, defaultTrigger: triggerOf(time) } as const;
  const aligned: WindowAssigner<unknown> = Object.freeze({
    ...common,
    ...sideBySide(sizeMs, () => offsetMs),
  });
  if (stagger !== 'aligned') {
    const staggerOf = Object.hasOwn(staggers, stagger) ? staggers[stagger] : undefined;
    if (staggerOf === undefined) throw unknownStagger(stagger);
    // Not beside the others of fixed length: where such windows lie, a plan does not know.
    return Object.freeze({
      ...aligned,
      forSubtask: (context: AssignerContext) =>
        sideBySide(sizeMs, () => (offsetMs + staggerOf(context, sizeMs)) % sizeMs),
    });
  }
  slidings.set(aligned, { sizeMs, slideMs: sizeMs, offsetMs });
  return aligned;
}

/** `offset` is asked at the first record. */
function sideBySide(sizeMs: number, offset: () => number): Pick<WindowAssigner<unknown>, 'assign'> {
  let offsetMs: number | undefined;
  return {
    assign: (_value, at) => {
      offsetMs ??= offset();
      const start = windowStart(at, offsetMs, sizeMs);
      return [new TimeWindow(start, start + sizeMs)];
    },
  };
}

/** From 0 to below the size. */
const staggers: Readonly<Record<string, (context: AssignerContext, sizeMs: number) => number>> = {
  // Of the operator and the subtask, not of chance: after a restart windows lie as before.
  random: ({ uid, subtask }, sizeMs) => Math.floor((murmurHash(keyHash([uid, subtask])) / 2 ** 31) * sizeMs),
  natural: ({ now }, sizeMs) => {
    const at = now();
    return at - windowStart(at, 0, sizeMs);
  },
};

function unknownStagger(stagger: unknown): MillraceError {
  return new MillraceError(
    'WINDOW_INVALID',
    `the stagger of tumbling windows is ${JSON.stringify(stagger)}: it must be 'aligned', 'random' or 'natural'`,
  );
}

/**
 * Windows of one length, one every `slide`: each record is in `size / slide` of them, rounded up or down.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromSequence(1, 100, { watermarks: watermarks.monotonous().withTimestamps((n) => n * 1_000) })
 *     .windowAll(sliding('1 min', '10s'))
 *     .reduce((left, right) => left + right, { uid: 'sum of a minute' })
 *     .print();
 * });
 * ```
 */
export function sliding(
  size: Duration,
  slide: Duration,
  options: WindowOptions = {},
): WindowAssigner<unknown> {
  const { time = 'event', offset = 0 } = options;
  const sizeMs = positive(size, 'the size of a sliding window');
  const slideMs = positive(slide, 'the slide of a sliding window');
  const offsetMs = offsetOf(offset, slideMs);
  const assigner: WindowAssigner<unknown> = Object.freeze({
    name: 'sliding',
    time,
    defaultTrigger: triggerOf(time),
    assign: (_value: unknown, at: number) => {
      const windows: TimeWindow[] = [];
      let start = windowStart(at, offsetMs, slideMs);
      for (; start > at - sizeMs; start = startBefore(start, slideMs))
        windows.push(new TimeWindow(start, start + sizeMs));
      return windows;
    },
  });
  slidings.set(assigner, { sizeMs, slideMs, offsetMs });
  return assigner;
}

/** How windows of one length lie; side by side when they slide by their size. */
export interface Sliding {
  readonly sizeMs: number;
  readonly slideMs: number;
  readonly offsetMs: number;
}

/** Beside the assigners, so that one that is made from another one's fields is not taken for it. */
const slidings = new WeakMap<WindowAssigner<never>, Sliding>();

/** How the windows of an assigner lie, when `tumbling` or `sliding` made it. */
export function slidingOf(assigner: WindowAssigner<never>): Sliding | undefined {
  return slidings.get(assigner);
}

/**
 * Windows that last while records follow each other within `gap`, which may depend on the record.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromData([{ user: 'ada', at: 1_000 }, { user: 'ada', at: 4_000 }, { user: 'ada', at: 20_000 }], {
 *       watermarks: watermarks.monotonous().withTimestamps((event) => event.at),
 *     })
 *     .keyBy('user')
 *     .window(session('5s'))
 *     .process({
 *       uid: 'sessions',
 *       process: (events, { key, window }) => [`${key} ${window.start} ${window.end} ${events.length}`],
 *     })
 *     .print(); // ada 1000 9000 2, then ada 20000 25000 1
 * });
 * ```
 */
export function session<T>(
  gap: Duration | ((value: T) => Duration),
  { time = 'event' }: Pick<WindowOptions, 'time'> = {},
): WindowAssigner<T> {
  const gapOf = typeof gap === 'function' ? gap : undefined;
  const fixedMs = typeof gap === 'function' ? 0 : positive(gap, GAP);
  const gapMsOf = gapOf === undefined ? () => fixedMs : (value: T) => positive(gapOf(value), GAP);
  const assigner: WindowAssigner<T> = Object.freeze({
    name: 'session',
    time,
    merging: true,
    defaultTrigger: triggerOf(time),
    assign: (value: T, at: number) => [new TimeWindow(at, at + gapMsOf(value))],
  });
  gaps.set(assigner as WindowAssigner<never>, gapMsOf);
  return assigner;
}

const gaps = new WeakMap<WindowAssigner<never>, (value: never) => number>();

/** The gap of a record in ms, when `session` made the assigner. */
export function sessionGapOf(assigner: WindowAssigner<never>): ((value: never) => number) | undefined {
  return gaps.get(assigner);
}

/**
 * One window for everything, which gives results only when a trigger says so.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromSequence(1, 9)
 *     .windowAll(globalWindow())
 *     .trigger(triggers.count(3))
 *     .reduce((left, right) => left + right, { uid: 'sum so far' })
 *     .print(); // 6, 21, 45
 * });
 * ```
 */
export function globalWindow(): WindowAssigner<unknown> {
  return Object.freeze({
    name: 'global',
    time: 'processing',
    defaultTrigger: triggers.never(),
    assign: () => [GLOBAL_WINDOW],
  });
}

/**
 * One window for everything, which gives its results when the input has ended: what a bounded stream comes to. It needs
 * no timestamps, and on a stream that does not end it gives nothing.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromSequence(1, 4)
 *     .windowAll(endOfStreamWindow())
 *     .process({ uid: 'all', process: (numbers) => [numbers.toSorted((left, right) => right - left).join(' ')] })
 *     .print(); // 4 3 2 1
 * });
 * ```
 */
export function endOfStreamWindow(): WindowAssigner<unknown> {
  return Object.freeze({ ...globalWindow(), name: 'end-of-stream', defaultTrigger: triggers.eventTime() });
}

const GAP = 'the gap of a session window';

function triggerOf(time: WindowTime): AnyTrigger {
  return time === 'event' ? triggers.eventTime() : triggers.processingTime();
}

function positive(duration: Duration, what: string): number {
  const ms = parseDuration(duration, what);
  if (ms > 0) return ms;
  throw new MillraceError('WINDOW_INVALID', `${what} is ${ms} ms: it must be longer than nothing`);
}

function offsetOf(offset: Duration, below: number): number {
  const isNegative = typeof offset === 'string' ? /^\s*-/.test(offset) : offset < 0;
  const length = typeof offset === 'string' ? offset.replace('-', '') : Math.abs(offset);
  const ms = parseDuration(isNegative ? length : offset, 'the offset of a window');
  if (ms < below) return isNegative ? -ms : ms;
  throw new MillraceError(
    'WINDOW_INVALID',
    `the offset of a window is ${ms} ms: it must be less than ${below} ms, after which windows repeat`,
  );
}
