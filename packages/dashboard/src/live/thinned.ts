// Points of a plot over a day in bounded memory: of what is old one in a minute is kept, of what is older one in ten.
import { reaches } from './reach.ts';

const steps = [
  { newerThanMs: reaches['15m'], everyMs: 0 },
  { newerThanMs: reaches['2h'], everyMs: 60_000 },
  { newerThanMs: reaches['24h'], everyMs: 600_000 },
] as const;

/** The points to keep, by their ages; of several in one step the last. */
export function thinned<Point extends { readonly at: number }>(
  points: readonly Point[],
  now: number,
): readonly Point[] {
  const kept: Point[] = [];
  let lastStep: string | undefined;
  for (const point of points) {
    const found = steps.find(({ newerThanMs }) => now - point.at < newerThanMs);
    if (found === undefined) continue;
    const step = found.everyMs === 0 ? undefined : `${found.everyMs}/${Math.floor(point.at / found.everyMs)}`;
    if (step !== undefined && step === lastStep) kept.pop();
    kept.push(point);
    lastStep = step;
  }
  return kept;
}
