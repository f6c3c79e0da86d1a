// Limit of `window-count`: a `Map` of counts for the minute that is open; all are handed on when the next one begins.
interface Event {
  readonly key: number;
  readonly at: number;
}

const MINUTE_MS = 60_000;
/** 1,000 records of event time a second, 10,000 keys. */
const eventOf = (index: number): Event => ({ key: (index * 7_919) % 10_007, at: index });

export function run(count: number): number {
  let counts = new Map<number, number>();
  let minute = 0;
  let checksum = 0;
  const close = (): void => {
    for (const [key, total] of counts) checksum += { key, end: minute, count: total }.count * (1 + (key % 7));
    counts = new Map();
  };
  for (let index = 0; index < count; index++) {
    const { key, at } = eventOf(index);
    const current = at - (at % MINUTE_MS);
    if (current !== minute) {
      close();
      minute = current;
    }
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  close();
  return checksum;
}
