// Limit of `tumbling-window`: a `Map` of sums and maxima for each minute that is open; closed 20 s after its end.
interface Extremes {
  sum: number;
  max: number;
}

const MINUTE_MS = 60_000;
const DISORDER_MS = 20_000;
const keyOf = (index: number): number => (index * 7_919) % 100;
const timeOf = (index: number): number => Math.floor(index / 10) - ((index * 104_729) % DISORDER_MS);

export function run(count: number): number {
  const open = new Map<number, Map<number, Extremes>>();
  let closedAt = Number.NEGATIVE_INFINITY;
  let checksum = 0;
  const close = (before: number): void => {
    for (const [minute, keys] of open) {
      if (minute + MINUTE_MS > before) continue;
      for (const [key, { sum, max }] of keys) checksum += sum + max * (1 + (key % 7));
      open.delete(minute);
    }
  };
  for (let index = 0; index < count; index++) {
    const { key, at, value } = { key: keyOf(index), at: timeOf(index), value: (index * 31) % 1_009 };
    const minute = Math.floor(at / MINUTE_MS) * MINUTE_MS;
    const keys = open.get(minute) ?? new Map<number, Extremes>();
    if (keys.size === 0) open.set(minute, keys);
    const extremes = keys.get(key);
    if (extremes === undefined) keys.set(key, { sum: value, max: value });
    else {
      extremes.sum += value;
      if (value > extremes.max) extremes.max = value;
    }
    if (at < closedAt + 1_000) continue;
    closedAt = at;
    close(at - DISORDER_MS);
  }
  close(Number.POSITIVE_INFINITY);
  return checksum;
}
