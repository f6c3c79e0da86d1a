// Is the job well? The one sentence on top of the home pane: the worst thing that is true, else that all is well.
import type { LiveJob } from '../live/state.ts';
import { type Conclusion, conclusion, saying } from './conclusion.ts';
import { culpritOf } from './culprit.ts';

/** What a person should know first. */
export function healthOf({ figures, description, checkpoints, exceptions, recoveries }: LiveJob): Conclusion {
  if (figures === undefined) return conclusion('plain', 'health.waiting');
  const failure = exceptions.at(-1);
  const reason = failure === undefined ? '' : `${failure.code}: ${failure.message}`;
  const recovery = recoveries.at(-1);
  switch (figures.state) {
    case 'INITIALIZING':
    case 'CREATED':
      return conclusion('plain', 'health.starting');
    case 'FAILING':
    case 'RESTARTING':
      return conclusion('bad', 'health.recovering', { reason: recovery?.cause ?? reason });
    case 'CANCELLING':
      return conclusion('plain', 'health.canceling');
    case 'FAILED':
      return conclusion('bad', 'health.failed', { reason });
    case 'CANCELED':
      return conclusion('plain', 'health.canceled');
    case 'FINISHED':
      return conclusion('good', 'health.finished');
    case 'SUSPENDED':
      return conclusion('plain', 'health.suspended');
    case 'RUNNING':
      break;
  }
  const last = checkpoints.findLast(({ status }) => status !== 'IN_PROGRESS');
  if (last?.status === 'FAILED') {
    const values = { id: String(last.checkpointId), reason: last.failure ?? '' };
    return conclusion('bad', 'health.checkpoint-failed', values);
  }
  if (figures.culprit !== null) return culpritOf(description, figures);
  if (recovery?.outcome === 'running') {
    return conclusion('warn', 'health.catching-up', { attempt: String(recovery.attempt) });
  }
  const restarts = { n: { kind: 'count', value: figures.restarts } } as const;
  return conclusion(
    'good',
    'health.good',
    {},
    figures.restarts > 0 ? [saying('health.restarted', restarts)] : [],
  );
}
