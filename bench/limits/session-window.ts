// Limit of `session-window`: a `Map` of the open session of each key; each second, those that are over are closed. The
// bursts of a key are minutes apart, so that it has one open session at most and none is merged.
type Session = { start: number; end: number; count: number };

const GAP_MS = 30_000;
const DISORDER_MS = 20_000;
const eventOf = (index: number): { key: number; at: number } => ({
  key: 4 * ((index * 7_919) % 250) + (Math.floor(index / 600_000) % 4),
  at: Math.floor(index / 10) - ((index * 104_729) % DISORDER_MS),
});

export function run(count: number): number {
  const open = new Map<number, Session>();
  let closedAt = Number.NEGATIVE_INFINITY;
  let checksum = 0;
  const close = (before: number): void => {
    for (const [key, session] of open) {
      if (session.end > before) continue;
      checksum += session.end - session.start + session.count * (1 + (key % 7));
      open.delete(key);
    }
  };
  for (let index = 0; index < count; index++) {
    const { key, at } = eventOf(index);
    const session = open.get(key);
    if (session === undefined) open.set(key, { start: at, end: at + GAP_MS, count: 1 });
    else {
      if (at < session.start) session.start = at;
      if (at + GAP_MS > session.end) session.end = at + GAP_MS;
      session.count++;
    }
    if (at < closedAt + 1_000) continue;
    closedAt = at;
    close(at - DISORDER_MS);
  }
  close(Number.POSITIVE_INFINITY);
  return checksum;
}
