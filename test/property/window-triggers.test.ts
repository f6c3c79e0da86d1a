// Triggers and evictors against a model that says each of them again in a few lines: records out of order and late, both
// clocks, restored at any step.
//
// A failure prints the seed of fast-check and the smallest case that shows it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Evictor, evictors, globalWindow, triggers, tumbling } from '../../src/index.ts';
import type { AnyTriggerOf } from '../../src/operators/window/trigger-runner.ts';
import { WindowOperator } from '../../src/operators/window/window-operator.ts';
import { OperatorHarness } from '../../src/testing/operator-harness.ts';
import { KEYS } from './awkward-keys.ts';

const RUNS = 4_000;
const SEED = 1_414;

interface Item {
  readonly k: number;
  readonly id: number;
  readonly at: number;
  readonly v: number;
}

type Step = { readonly record: Item } | { readonly watermark: number } | { readonly passMs: number };

type Kind = 'count' | 'delta' | 'eventTime' | 'continuousEventTime' | 'continuousProcessingTime' | 'timeout';

interface Spec {
  readonly kind: Kind;
  /** The count, the threshold, the interval or the timeout. */
  readonly n: number;
  readonly resetOnRecord: boolean;
  readonly clearOnTimeout: boolean;
  readonly purging: boolean;
  /** 0: one window for everything. */
  readonly size: number;
  readonly lateness: number;
  readonly evictor: 'none' | 'count' | 'time' | 'delta';
  readonly when: 'before' | 'after';
  readonly keep: number;
}

const TIMEOUT_COUNT = 3;

const specs: fc.Arbitrary<Spec> = fc
  .record({
    kind: fc.constantFrom<Kind>(
      'count',
      'delta',
      'eventTime',
      'continuousEventTime',
      'continuousProcessingTime',
      'timeout',
    ),
    n: fc.integer({ min: 1, max: 5 }),
    resetOnRecord: fc.boolean(),
    clearOnTimeout: fc.boolean(),
    purging: fc.boolean(),
    size: fc.constantFrom(0, 4, 10, 25),
    lateness: fc.constantFrom(0, 0, 3, 12),
    evictor: fc.constantFrom<Spec['evictor']>('none', 'none', 'count', 'time', 'delta'),
    when: fc.constantFrom<Spec['when']>('before', 'after'),
    keep: fc.integer({ min: 1, max: 5 }),
  })
  // These go by a clock that event time knows nothing of: one window holds everything.
  .map((spec) => (spec.kind === 'continuousProcessingTime' ? { ...spec, size: 0 } : spec));

const steps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          k: fc.oneof({ weight: 3, arbitrary: fc.constant(2) }, fc.nat({ max: KEYS.length - 1 })),
          at: fc.integer({ min: -25, max: 40 }),
          v: fc.integer({ min: -8, max: 8 }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ watermark: fc.integer({ min: -30, max: 60 }) }) },
      { weight: 2, arbitrary: fc.record({ passMs: fc.integer({ min: 0, max: 9 }) }) },
    ),
    { minLength: 12, maxLength: 40 },
  )
  .map((all) => all.map((each, id) => ('k' in each ? { record: { ...each, id } } : each)));

interface Window {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  items: Item[];
  /** Due in event time and in processing time. */
  readonly event: Set<number>;
  readonly processing: Set<number>;
  counted: number;
  last: number | undefined;
  next: number | undefined;
}

class TriggerModel {
  readonly #spec: Spec;
  #windows: Window[] = [];
  #watermark = Number.NEGATIVE_INFINITY;
  #now: number;
  #lines: string[] = [];

  constructor(spec: Spec, now: number) {
    this.#spec = spec;
    this.#now = now;
  }

  /** The lines of one step, sorted. */
  take(step: Step): string[] {
    this.#lines = [];
    if ('record' in step) this.#record(step.record);
    else if ('watermark' in step) this.#eventTime(step.watermark);
    else this.#processingTime(this.#now + step.passMs);
    return this.#lines.sort();
  }

  #record(item: Item): void {
    const window = this.#windowOf(item);
    if (this.#cleanup(window) <= this.#watermark) return;
    if (!this.#windows.includes(window)) this.#windows.push(window);
    if (window.end !== Infinity) window.event.add(this.#cleanup(window));
    window.items.push(item);
    if (this.#onRecord(window, item)) this.#fire(window, this.#spec.purging);
  }

  #windowOf({ k, at }: Item): Window {
    const { size } = this.#spec;
    const start = size === 0 ? -Infinity : Math.floor(at / size) * size;
    const { name } = KEYS[k]!;
    return (
      this.#windows.find((each) => each.name === name && each.start === start) ?? {
        name,
        start,
        end: size === 0 ? Infinity : start + size,
        items: [],
        event: new Set(),
        processing: new Set(),
        counted: 0,
        last: undefined,
        next: undefined,
      }
    );
  }

  #onRecord(window: Window, { at, v }: Item): boolean {
    const { kind, n, resetOnRecord, purging } = this.#spec;
    const isOver = window.end - 1 <= this.#watermark;
    switch (kind) {
      case 'count':
        return this.#counts(window, n);
      case 'delta': {
        const isFar = window.last === undefined || Math.abs(v - window.last) > n;
        const isFirst = window.last === undefined;
        if (isFar) window.last = v;
        return isFar && !isFirst;
      }
      case 'eventTime':
        if (!isOver) window.event.add(window.end - 1);
        return isOver;
      case 'continuousEventTime':
        if (isOver) return true;
        window.event.add(window.end - 1);
        if (window.next === undefined) {
          window.next = Math.min(Math.floor(at / n) * n + n, window.end - 1);
          window.event.add(window.next);
        }
        return false;
      case 'continuousProcessingTime':
        if (window.next === undefined) {
          window.next = Math.floor(this.#now / n) * n + n;
          window.processing.add(window.next);
        }
        return false;
      case 'timeout': {
        const fires = this.#counts(window, TIMEOUT_COUNT);
        if (fires && purging) {
          this.#stop(window);
          return true;
        }
        if (resetOnRecord) this.#stop(window);
        window.next ??= this.#now + n;
        window.processing.add(window.next);
        return fires;
      }
    }
  }

  #counts(window: Window, n: number): boolean {
    if (++window.counted < n) return false;
    window.counted = 0;
    return true;
  }

  #stop(window: Window): void {
    if (window.next !== undefined) window.processing.delete(window.next);
    window.next = undefined;
  }

  #eventTime(watermark: number): void {
    if (watermark <= this.#watermark) return;
    this.#watermark = watermark;
    for (let due = earliest(this.#windows, 'event', watermark); due !== undefined; ) {
      const { window, time } = due;
      window.event.delete(time);
      if (this.#onEventTime(window, time)) this.#fire(window, this.#spec.purging);
      if (time === this.#cleanup(window)) this.#windows = this.#windows.filter((each) => each !== window);
      due = earliest(this.#windows, 'event', watermark);
    }
  }

  #onEventTime(window: Window, time: number): boolean {
    const { kind, n } = this.#spec;
    if (kind !== 'eventTime' && kind !== 'continuousEventTime') return false;
    if (time === window.end - 1) return true;
    if (kind === 'eventTime' || time !== window.next) return false;
    window.next = Math.min(time + n, window.end - 1);
    window.event.add(window.next);
    return true;
  }

  #processingTime(end: number): void {
    for (let due = earliest(this.#windows, 'processing', end); due !== undefined; ) {
      const { window, time } = due;
      this.#now = Math.max(this.#now, time);
      window.processing.delete(time);
      if (this.#spec.kind === 'timeout') {
        window.next = undefined;
        if (this.#spec.clearOnTimeout) window.counted = 0;
        this.#fire(window, false);
      } else {
        window.next = time + this.#spec.n;
        window.processing.add(window.next);
        this.#fire(window, this.#spec.purging);
      }
      due = earliest(this.#windows, 'processing', end);
    }
    this.#now = end;
  }

  #fire(window: Window, isPurged: boolean): void {
    if (window.items.length > 0) {
      const { evictor, when } = this.#spec;
      const kept = evictor === 'none' ? window.items : this.#kept(window.items);
      const seen = when === 'before' ? kept : window.items;
      this.#lines.push(JSON.stringify([window.name, window.start, window.end, seen.map(({ id }) => id)]));
      window.items = [...kept];
    }
    if (isPurged) window.items = [];
  }

  #kept(items: readonly Item[]): readonly Item[] {
    const { evictor, keep } = this.#spec;
    const latest = Math.max(...items.map(({ at }) => at));
    const last = items.at(-1)!;
    if (evictor === 'count') return items.slice(Math.max(0, items.length - keep));
    if (evictor === 'time') return items.filter(({ at }) => at > latest - keep);
    return items.filter(({ v }) => Math.abs(v - last.v) < keep);
  }

  #cleanup({ end }: Window): number {
    return end - 1 + this.#spec.lateness;
  }
}

function earliest(
  windows: readonly Window[],
  clock: 'event' | 'processing',
  upTo: number,
): { readonly window: Window; readonly time: number } | undefined {
  return windows
    .flatMap((window) => [...window[clock]].map((time) => ({ window, time })))
    .filter(({ time }) => time <= upTo)
    .sort((left, right) => left.time - right.time)[0];
}

function triggerOf(spec: Spec): AnyTriggerOf<Item> {
  const { kind, n, purging, resetOnRecord, clearOnTimeout } = spec;
  const wrapped = (trigger: unknown): AnyTriggerOf<Item> =>
    (purging ? triggers.purging(trigger as AnyTriggerOf<Item>) : trigger) as AnyTriggerOf<Item>;
  switch (kind) {
    case 'count':
      return wrapped(triggers.count(n));
    case 'delta':
      return wrapped(triggers.delta<Item>(n, (last, item) => Math.abs(item.v - last.v)));
    case 'eventTime':
      return wrapped(triggers.eventTime());
    case 'continuousEventTime':
      return wrapped(triggers.continuousEventTime(n));
    case 'continuousProcessingTime':
      return wrapped(triggers.continuousProcessingTime(n));
    case 'timeout':
      return triggers.processingTimeout(wrapped(triggers.count(TIMEOUT_COUNT)), n, {
        resetOnRecord,
        clearOnTimeout,
      }) as unknown as AnyTriggerOf<Item>;
  }
}

function evictorOf({ evictor, keep, when }: Spec): Evictor<Item> | undefined {
  switch (evictor) {
    case 'none':
      return undefined;
    case 'count':
      return evictors.count(keep, { when });
    case 'time':
      return evictors.time(keep, { when });
    case 'delta':
      return evictors.delta(keep, (item, last) => Math.abs(item.v - last.v), { when });
  }
}

test('every trigger with every evictor gives what the model gives, step by step, restored at any step', async () => {
  const fired = new Map<Kind, number>();
  const evicted = new Map<Spec['evictor'], number>();
  await fc.assert(
    fc.asyncProperty(
      specs,
      steps,
      fc.array(fc.boolean(), { maxLength: 40 }),
      async (spec, given, restores) => {
        const options = {
          operator: () =>
            new WindowOperator<Item>({
              assigner: spec.size === 0 ? globalWindow() : tumbling(spec.size),
              trigger: triggerOf(spec),
              evictor: evictorOf(spec),
              allowedLatenessMs: spec.lateness,
              lateTag: undefined,
              fold: { kind: 'all' },
              function: {
                process: (items: readonly Item[], { key, window }) => {
                  const { name } = KEYS.find((each) => Object.is(each.key, key) || each.key === key)!;
                  return [JSON.stringify([name, window.start, window.end, items.map(({ id }) => id)])];
                },
              },
            }),
          keySelectors: [({ k }: Item) => KEYS[k]!.key],
        };
        let harness = await OperatorHarness.open(options);
        const model = new TriggerModel(spec, harness.clock.now());
        for (const [index, step] of given.entries()) {
          if (restores[index] === true) {
            const restored = await harness.snapshot();
            await harness.close();
            harness = await OperatorHarness.open({ ...options, restored });
          }
          harness.emitted.length = 0;
          if ('record' in step) harness.record(step.record, step.record.at);
          else harness.do(step);
          const lines = (harness.records as string[]).toSorted();
          assert.deepEqual(lines, model.take(step), JSON.stringify(step));
          fired.set(spec.kind, (fired.get(spec.kind) ?? 0) + lines.length);
          evicted.set(spec.evictor, (evicted.get(spec.evictor) ?? 0) + lines.length);
        }
        await harness.close();
      },
    ),
    { numRuns: RUNS, seed: SEED },
  );
  console.log(`cases: windows with triggers and evictors ${RUNS} (minimum ${RUNS})`);
  for (const [kind, count] of fired) console.log(`cases: firings of ${kind} ${count} (minimum ${RUNS / 4})`);
  for (const [evictor, count] of evicted) {
    console.log(`cases: firings with evictor ${evictor} ${count} (minimum ${RUNS / 10})`);
  }
});
