// What `sliding-window-1h-1s` is to be 50 times faster than: a `Map` for each window, to which each record is added.
interface Extremes {
  sum: number;
  max: number;
}

const [SIZE, DISORDER_MS] = [3_600, 20_000] as const;
const timeOf = (index: number): number => Math.floor(index / 10) - ((index * 104_729) % DISORDER_MS);

export function run(count: number): number {
  const windows = new Map<number, Map<number, Extremes>>();
  let last = Number.NEGATIVE_INFINITY;
  let checksum = 0;
  const close = (before: number): void => {
    for (const [end, keys] of windows) {
      if (end > before) continue;
      for (const [key, { sum, max }] of keys) checksum += sum + max * (1 + (key % 7));
      windows.delete(end);
    }
  };
  for (let index = 0; index < count; index++) {
    const { key, at, value } = { key: (index * 7_919) % 100, at: timeOf(index), value: (index * 31) % 1_009 };
    const second = Math.floor(at / 1_000);
    for (let end = second + 1; end <= second + SIZE; end++) {
      const keys = windows.get(end) ?? new Map<number, Extremes>();
      if (keys.size === 0) windows.set(end, keys);
      const extremes = keys.get(key);
      if (extremes === undefined) keys.set(key, { sum: value, max: value });
      else {
        extremes.sum += value;
        if (value > extremes.max) extremes.max = value;
      }
    }
    if (second <= last) continue;
    last = second;
    close(second - DISORDER_MS / 1_000);
  }
  close(Number.POSITIVE_INFINITY);
  return checksum;
}
