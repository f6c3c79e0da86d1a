// Points of a plot over a day in bounded memory: of what is old one in a minute is kept, of what is older one in ten.

const minuteMs = 60_000;
const reaches = [
  { newerThanMs: 15 * minuteMs, everyMs: 0 },
  { newerThanMs: 120 * minuteMs, everyMs: minuteMs },
  { newerThanMs: 24 * 60 * minuteMs, everyMs: 10 * minuteMs },
] as const;

/** The points to keep, by their ages; of several in one step the last. */
export function thinned<Point extends { readonly at: number }>(
  points: readonly Point[],
  now: number,
): readonly Point[] {
  const kept: Point[] = [];
  let lastStep: string | undefined;
  for (const point of points) {
    const reach = reaches.find(({ newerThanMs }) => now - point.at < newerThanMs);
    if (reach === undefined) continue;
    const step = reach.everyMs === 0 ? undefined : `${reach.everyMs}/${Math.floor(point.at / reach.everyMs)}`;
    if (step !== undefined && step === lastStep) kept.pop();
    kept.push(point);
    lastStep = step;
  }
  return kept;
}
