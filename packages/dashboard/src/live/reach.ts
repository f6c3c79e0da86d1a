// How far back plots go, and how coarse what is old is, as the server keeps it too.

const minuteMs = 60_000;

/** What can be chosen, ms; the shortest holds every point. */
export const reaches = { '15m': 15 * minuteMs, '2h': 120 * minuteMs, '24h': 24 * 60 * minuteMs } as const;
/** The name of one of {@link reaches}. */
export type Reach = keyof typeof reaches;
/** The shortest first. */
export const reachNames: readonly Reach[] = ['15m', '2h', '24h'];

/** What is the name of no reach is the shortest. */
export function reachOf(name: string): Reach {
  return reachNames.find((each) => each === name) ?? '15m';
}
