// Limit of `keyed-count-int`: a loop over a `Map` with a million integer keys.
interface Event {
  readonly key: number;
}

interface Counted {
  readonly key: number;
  readonly count: number;
}

const eventOf = (index: number): Event => ({ key: (index * 7_919) % 1_000_003 });

export function run(count: number): number {
  const counts = new Map<number, number>();
  let checksum = 0;
  for (let index = 0; index < count; index++) {
    const { key } = eventOf(index);
    const next = (counts.get(key) ?? 0) + 1;
    counts.set(key, next);
    const counted: Counted = { key, count: next };
    checksum += counted.count;
  }
  return checksum;
}
