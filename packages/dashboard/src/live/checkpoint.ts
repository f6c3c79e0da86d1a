// One checkpoint with its subtasks: from the stream when it came while the page was open, else asked for.
import { useQuery } from '@tanstack/react-query';
import type { CheckpointMessage } from '../../../../src/rest/contract.ts';
import { useText } from '../settings.tsx';
import { ask } from './server.ts';
import type { LiveJob } from './state.ts';

/** The checkpoint, or why it is not there. */
export function useCheckpoint(
  job: LiveJob,
  id: number | undefined,
): { readonly checkpoint: CheckpointMessage | undefined; readonly failure: string | undefined } {
  const { t } = useText();
  const live = id === undefined ? undefined : job.details.get(id);
  const asked = useQuery({
    queryKey: ['checkpoint', job.jobId, id],
    queryFn: ({ signal }) => ask<CheckpointMessage>(`/x/jobs/${job.jobId}/checkpoints/${id}`, signal),
    enabled: live === undefined && id !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const failure = asked.fetchStatus === 'paused' ? t('checkpoints.gone') : asked.error?.message;
  return { checkpoint: live ?? asked.data, failure };
}
