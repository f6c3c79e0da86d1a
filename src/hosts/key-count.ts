/**
 * Which keys most records have that an operator hands on: every record is counted for a while, when somebody asks.
 *
 * KC-1 Nothing is counted that nobody asked for, and one count at a time: records are looked at by a tap, which costs time.
 * KC-2 It takes bounded memory (frequent-items.ts).
 */

import type { Clock } from '../base/env.ts';
import { FrequentItems } from '../base/frequent-items.ts';
import { checkKey, type Key, keyGroupOf } from '../base/key-groups.ts';
import { shownValue } from '../base/shown-value.ts';
import type { Inspection, KeyCounts } from './inspection.ts';
import type { TappedSubtask } from './slot-taps.ts';

/** KC-2: an error of less than a thousandth of all records. */
const KEYS_TOLD_APART = 1_000;

/** Counts for `durationMs`; all subtasks of a slot together. */
export async function countKeys(
  { durationMs, keysMax, maxParallelism }: Inspection & { kind: 'count-keys' },
  subtasks: readonly TappedSubtask[],
  clock: Pick<Clock, 'timer'>,
): Promise<KeyCounts> {
  const counts = new FrequentItems<Key>(KEYS_TOLD_APART);
  const ends = subtasks.map(({ keyOf, tap }) => {
    if (keyOf === undefined) throw new Error('what the operator hands on has no key');
    return tap((value) => {
      const key = keyOf(value) as Key;
      // Keys of several values are the same when they are shown so.
      counts.add(key, typeof key === 'object' ? shownAs(key) : key);
    });
  });
  try {
    await new Promise<void>((resolve) => {
      clock.timer(durationMs, resolve, 'keys have been counted');
    });
  } finally {
    for (const end of ends) end();
  }
  const keys = counts
    .entries()
    .slice(0, keysMax)
    .map(({ item, count }) => {
      const key = checkKey(item);
      return { keyText: shownAs(key), keyGroup: keyGroupOf(key, maxParallelism), records: count };
    });
  return { records: counts.total, missedMax: counts.missedMax, keys };
}

function shownAs(key: Key): string {
  return JSON.stringify(shownValue(key).value);
}
