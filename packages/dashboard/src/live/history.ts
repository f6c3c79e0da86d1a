// What happened before the page was opened, from the server's memory: points for plots, before the first tick of the stream.
import { useQuery } from '@tanstack/react-query';
import type { HistoryAnswer, HistoryPoint } from '../../../../src/rest/contract.ts';
import { reaches } from './reach.ts';
import { ask } from './server.ts';
import type { LiveJob } from './state.ts';

/** Of plots that nobody asked to go further. */
const shortReachMs = reaches['15m'];
const askedEveryMs = 60_000;

/** Points that come before the ticks of a job, `reachMs` back at most; the older the coarser. */
export function useHistory(job: LiveJob, reachMs = shortReachMs): readonly HistoryPoint[] {
  const answer = useQuery({
    queryKey: ['history', job.jobId],
    queryFn: ({ signal }) => ask<HistoryAnswer>(`/x/jobs/${job.jobId}/history?sinceMs=0`, signal),
    staleTime: Number.POSITIVE_INFINITY,
    // The ticks of a page that stays open do not go back so far: what they have lost is in the memory of the server.
    refetchInterval: reachMs > shortReachMs ? askedEveryMs : false,
  });
  const firstAt = job.ticks[0]?.at ?? Number.POSITIVE_INFINITY;
  const points = answer.data?.points ?? [];
  const lastAt = job.ticks.at(-1)?.at ?? points.at(-1)?.at ?? 0;
  return points.filter(({ at }) => at < firstAt && at >= lastAt - reachMs);
}
