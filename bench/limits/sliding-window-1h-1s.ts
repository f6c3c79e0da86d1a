// Limit of `sliding-window-1h-1s`: per key a ring of seconds, a running sum, and a queue of seconds with falling maxima.
const [KEYS, SIZE, RING, DISORDER_S] = [100, 3_600, 4_096, 20] as const;
const timeOf = (index: number): number => Math.floor(index / 10) - ((index * 104_729) % (DISORDER_S * 1_000));
const slot = (key: number, at: number): number => key * RING + (at & (RING - 1));

export function run(count: number): number {
  const sums = new Float64Array(KEYS * RING);
  const maxima = new Int32Array(KEYS * RING).fill(-1); // -1: no record.
  const queues = new Int32Array(KEYS * RING);
  const [heads, tails, running] = [new Int32Array(KEYS), new Int32Array(KEYS), new Float64Array(KEYS)];
  let [second, last, checksum] = [-DISORDER_S, -DISORDER_S, 0];
  const maximumAt = (key: number, place: number): number => maxima[slot(key, queues[slot(key, place)]!)]!;
  const closeKey = (key: number): void => {
    const [now, gone] = [slot(key, second), slot(key, second - SIZE)];
    running[key]! += sums[now]! - sums[gone]!;
    [sums[gone], maxima[gone]] = [0, -1];
    if (heads[key]! < tails[key]! && queues[slot(key, heads[key]!)]! <= second - SIZE) heads[key]!++;
    if (maxima[now]! >= 0) {
      while (heads[key]! < tails[key]! && maximumAt(key, tails[key]! - 1) <= maxima[now]!) tails[key]!--;
      queues[slot(key, tails[key]!++)] = second;
    }
    if (heads[key]! < tails[key]!) checksum += running[key]! + maximumAt(key, heads[key]!) * (1 + (key % 7));
  };
  const close = (before: number): void => {
    for (; second < before; second++) for (let key = 0; key < KEYS; key++) closeKey(key);
  };
  for (let index = 0; index < count; index++) {
    const event = { key: (index * 7_919) % KEYS, at: timeOf(index), value: (index * 31) % 1_009 };
    const at = Math.floor(event.at / 1_000);
    const into = slot(event.key, at);
    sums[into]! += event.value;
    if (event.value > maxima[into]!) maxima[into] = event.value;
    if (at > last) close(at - DISORDER_S);
    last = Math.max(last, at);
  }
  close(last + SIZE + 1);
  return checksum;
}
