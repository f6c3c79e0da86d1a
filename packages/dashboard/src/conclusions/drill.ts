// What a drill without a failure has shown: a checkpoint that was dropped, a task that was slow for a while.
import type { CheckpointScorecard, LoadScorecard } from '../../../../src/rest/contract.ts';
import { type Conclusion, conclusion, saying } from './conclusion.ts';

/** What came of a dropped checkpoint. */
export function droppedConclusion({
  nextCheckpointId,
  exposedMs,
  isRestarted,
}: CheckpointScorecard): Conclusion {
  if (nextCheckpointId === null || exposedMs === null) return conclusion('plain', 'drill.dropped.waits');
  const values = { id: String(nextCheckpointId), ms: { kind: 'duration', ms: exposedMs } } as const;
  return isRestarted
    ? conclusion('warn', 'drill.dropped.restarted', values, [saying('drill.dropped.tolerate')])
    : conclusion('good', 'drill.dropped.borne', values);
}

/** Below this share of what was read before, less was read because of the drill. */
const NOTICEABLE = 0.9;

/** What came of a task that was slow. */
export function loadConclusion(card: LoadScorecard, operator: string): Conclusion {
  if (card.isRestarted) return conclusion('warn', 'drill.load.restarted', { operator });
  const { readPerSecondBefore: before, readPerSecondLeast: least } = card;
  if (card.namedAs === null) return conclusion('good', 'drill.load.unnoticed', { operator });
  const values = {
    operator,
    noticed: { kind: 'duration', ms: card.namedAfterMs ?? 0 },
    share: { kind: 'share', value: before === 0 ? 0 : Math.max(0, 1 - least / before) },
  } as const;
  const key = least < before * NOTICEABLE ? 'drill.load.slowed' : 'drill.load.buffered';
  if (card.relievedAfterMs === null) return conclusion('bad', key, values, [saying('drill.load.lasting')]);
  return conclusion('good', key, values, [
    saying('drill.load.relieved', { ms: { kind: 'duration', ms: card.relievedAfterMs } }),
  ]);
}
