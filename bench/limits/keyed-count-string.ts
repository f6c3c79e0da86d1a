// Limit of `keyed-count-string`: a loop over a `Map` with a million string keys, each string made in the loop.
interface Event {
  readonly key: string;
}

interface Counted {
  readonly key: string;
  readonly count: number;
}

const eventOf = (index: number): Event => ({ key: `user-${(index * 7_919) % 1_000_003}` });

export function run(count: number): number {
  const counts = new Map<string, number>();
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
