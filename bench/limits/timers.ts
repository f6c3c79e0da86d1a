// Limit of `timers`: a binary heap of times and keys in two arrays, filled and then emptied in the order of time.
const TIMES = 200_000_033;

export function run(count: number): number {
  const times = new Float64Array(count);
  const keys = new Int32Array(count);
  let [size, checksum] = [0, 0];
  const swap = (a: number, b: number): void => {
    const [time, key] = [times[a]!, keys[a]!];
    times[a] = times[b]!;
    keys[a] = keys[b]!;
    times[b] = time;
    keys[b] = key;
  };
  for (let at = 0; at < count; at++) {
    times[size] = TIMES + ((at * 7_368_787) % TIMES);
    keys[size] = (at * 7_919) % 10_007;
    for (let child = size++; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (times[parent]! <= times[child]!) break;
      swap(parent, child);
      child = parent;
    }
  }
  while (size > 0) {
    const timer = { key: keys[0]!, time: times[0]! };
    checksum += (timer.time % 1_009) * (1 + (timer.key % 7));
    swap(0, --size);
    for (let parent = 0; ; ) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2])
        if (child < size && times[child]! < times[least]!) least = child;
      if (least === parent) break;
      swap(parent, least);
      parent = least;
    }
  }
  return checksum;
}
