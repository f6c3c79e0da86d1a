// What happened before the page was opened: the server's points, followed by the ticks that came since.
import { useQuery } from '@tanstack/react-query';
import type { HistoryAnswer, HistoryPoint } from '../../../../src/rest/contract.ts';
import { ask } from './server.ts';
import type { LiveJob } from './state.ts';

/** Points from before the first tick, oldest first; empty until the server has answered. */
export function useHistory(job: LiveJob): readonly HistoryPoint[] {
  const answer = useQuery({
    queryKey: ['history', job.jobId],
    queryFn: ({ signal }) => ask<HistoryAnswer>(`/x/jobs/${job.jobId}/history?sinceMs=0`, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const firstAt = job.ticks[0]?.at ?? Number.POSITIVE_INFINITY;
  return (answer.data?.points ?? []).filter(({ at }) => at < firstAt);
}
