import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { WatermarkMerge } from './watermark-merge.ts';

const SEED = 20_171_206;
type Step = { readonly channel: number; readonly said: number | 'idle' | 'active' };

// The definition, from the words: each channel {watermark, active, aligned}; merged = min over aligned and active.
class NaiveMerge {
  readonly heard: (number | 'idle' | 'active')[] = [];
  readonly #channels: { watermark: number; active: boolean; aligned: boolean }[];
  #last = MIN_TIMESTAMP;
  #idle = false;

  constructor(size: number) {
    this.#channels = Array.from({ length: size }, () => ({
      watermark: MIN_TIMESTAMP,
      active: true,
      aligned: true,
    }));
  }

  step({ channel: index, said }: Step): void {
    const channel = this.#channels[index]!;
    if (said === 'idle' && channel.active) {
      Object.assign(channel, { active: false, aligned: false });
      const heldBack = channel.watermark === this.#last;
      if (this.#channels.every((each) => !each.active)) {
        if (heldBack) this.#output(Math.max(...this.#channels.map((each) => each.watermark)));
        this.#idle = true;
        this.heard.push('idle');
      } else if (heldBack) this.#outputMinimum();
    } else if (said === 'active' && !channel.active) {
      Object.assign(channel, { active: true, aligned: channel.watermark >= this.#last });
      if (this.#idle) this.heard.push('active');
      this.#idle = false;
    } else if (typeof said === 'number' && channel.active && said > channel.watermark) {
      channel.watermark = said;
      if (said >= this.#last) channel.aligned = true;
      this.#outputMinimum();
    }
  }

  #outputMinimum(): void {
    const aligned = this.#channels.filter((each) => each.aligned && each.active);
    if (aligned.length > 0) this.#output(Math.min(...aligned.map((each) => each.watermark)));
  }

  #output(watermark: number): void {
    if (watermark > this.#last) this.heard.push(watermark);
    this.#last = Math.max(this.#last, watermark);
  }
}

function heardFrom(size: number, steps: readonly Step[]): (number | 'idle' | 'active')[] {
  const heard: (number | 'idle' | 'active')[] = [];
  const merge = new WatermarkMerge(size, {
    watermark: (timestamp) => heard.push(timestamp),
    status: (idle) => heard.push(idle ? 'idle' : 'active'),
  });
  for (const { channel, said } of steps) {
    if (typeof said === 'number') merge.watermark(channel, said);
    else merge.status(channel, said === 'idle');
  }
  return heard;
}

function compare(size: number, steps: readonly Step[]): void {
  const naive = new NaiveMerge(size);
  for (const step of steps) naive.step(step);
  const heard = heardFrom(size, steps);
  assert.deepEqual(heard, naive.heard, JSON.stringify(steps));
  const watermarks = heard.filter((said) => typeof said === 'number');
  assert.ok(
    watermarks.every((watermark, index) => index === 0 || watermark > watermarks[index - 1]!),
    'I-W1',
  );
}

function said(channel: number, what: number | 'idle' | 'active'): Step {
  return { channel, said: what };
}

test('the merged watermark is the smallest, and a channel that said nothing holds it back', () => {
  assert.deepEqual(heardFrom(2, [said(0, 5)]), []);
  assert.deepEqual(heardFrom(2, [said(0, 5), said(1, 3), said(1, 9)]), [3, 5]);
});

test('a watermark that does not grow is ignored', () => {
  assert.deepEqual(heardFrom(1, [said(0, 5), said(0, 5), said(0, 4), said(0, 6)]), [5, 6]);
});

test('an idle channel holds nothing back and its watermarks are ignored', () => {
  assert.deepEqual(heardFrom(2, [said(0, 5), said(1, 'idle'), said(1, 1), said(0, 6)]), [5, 6]);
});

test('when all are idle, the furthest watermark goes out before the status', () => {
  assert.deepEqual(heardFrom(2, [said(0, 5), said(0, 'idle'), said(1, 3), said(1, 'idle')]), [3, 5, 'idle']);
});

test('a channel that is active again counts from when it has caught up', () => {
  const steps = [
    said(0, 5),
    said(1, 'idle'),
    said(1, 'active'),
    said(1, 4),
    said(0, 7),
    said(1, 6),
    said(1, 7),
  ];
  assert.deepEqual(heardFrom(2, steps), [5, 7]);
  assert.deepEqual(heardFrom(2, [...steps, said(0, 9), said(1, 8)]), [5, 7, 8]);
});

test('every short sequence on up to three channels gives what the definition says', () => {
  let count = 0;
  for (const [size, length] of [
    [1, 6],
    [2, 5],
    [3, 4],
  ] as const) {
    const alphabet: Step[] = [];
    for (let channel = 0; channel < size; channel++) {
      for (const what of [1, 2, 3, 'idle', 'active'] as const) alphabet.push(said(channel, what));
    }
    const steps: Step[] = [];
    const go = (): void => {
      if (steps.length === length) {
        compare(size, steps);
        count++;
        return;
      }
      for (const step of alphabet) {
        steps.push(step);
        go();
        steps.pop();
      }
    };
    go();
  }
  console.log(`cases: short watermark sequences ${count} (minimum 160000)`);
  assert.ok(count >= 160_000);
});

test('long sequences on many channels give what the definition says', () => {
  const runs = 300;
  const step = fc.record({
    channel: fc.nat(7),
    said: fc.oneof(
      { weight: 3, arbitrary: fc.nat(50) },
      fc.constant('idle' as const),
      fc.constant('active' as const),
    ),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => compare(8, steps)),
    { seed: SEED, numRuns: runs },
  );
  console.log(`cases: long watermark sequences ${runs} (minimum 300)`);
});
