// One checkpoint beside another that is chosen: a sentence, and by operator what took longer and what grew.
import { type ReactNode, useState } from 'react';
import type { CheckpointMessage } from '../../../../src/rest/contract.ts';
import {
  compareCheckpoints,
  comparedParts,
  comparisonConclusion,
} from '../conclusions/checkpoint-comparison.ts';
import { labelOf } from '../conclusions/names.ts';
import { useCheckpoint } from '../live/checkpoint.ts';
import { useText } from '../settings.tsx';
import { Scroll, Verdict } from './basic.tsx';
import type { ReadyJob } from './job.tsx';

/** Checkpoints to choose from. */
const choicesMax = 50;

/** The choice of another one, and the comparison once it is made. */
export function CheckpointComparison({
  job,
  checkpoint,
}: {
  readonly job: ReadyJob;
  readonly checkpoint: CheckpointMessage;
}): ReactNode {
  const { t, say } = useText();
  const [other, setOther] = useState<number>();
  const { checkpoint: before, failure } = useCheckpoint(job, other);
  const choices = job.checkpoints
    .filter(({ status, checkpointId }) => status === 'COMPLETED' && checkpointId !== checkpoint.checkpointId)
    .slice(-choicesMax)
    .reverse();
  if (checkpoint.status !== 'COMPLETED' || choices.length === 0) return null;
  return (
    <div className="stack" data-part="comparison">
      <label className="row">
        {t('compare.with')}
        <select
          value={other ?? ''}
          onChange={(event) => setOther(event.target.value === '' ? undefined : Number(event.target.value))}
        >
          <option value="">{t('compare.none')}</option>
          {choices.map(({ checkpointId, durationMs }) => (
            <option key={checkpointId} value={checkpointId}>
              {t('checkpoints.detail', { id: String(checkpointId) })} (
              {say({ kind: 'duration', ms: durationMs })})
            </option>
          ))}
        </select>
      </label>
      {other !== undefined && other !== checkpoint.checkpointId && before === undefined && (
        <p className="soft">{failure ?? t('action.working')}</p>
      )}
      {before !== undefined && before.checkpointId !== checkpoint.checkpointId && (
        <>
          <Verdict conclusion={comparisonConclusion(job.description, before, checkpoint)} />
          <Comparison job={job} before={before} after={checkpoint} />
        </>
      )}
    </div>
  );
}

function Comparison({
  job: { description },
  before,
  after,
}: {
  readonly job: ReadyJob;
  readonly before: CheckpointMessage;
  readonly after: CheckpointMessage;
}): ReactNode {
  const { t } = useText();
  return (
    <Scroll label={t('compare.title')}>
      <table>
        <caption className="soft small">
          {t('compare.how', { id: String(after.checkpointId), other: String(before.checkpointId) })}
        </caption>
        <thead>
          <tr>
            <th>{t('word.operator')}</th>
            {comparedParts.map((part) => (
              <th key={part} className="number">
                {t(`checkpoint.part.${part}`)}
              </th>
            ))}
            <th className="number">{t('checkpoints.state-size')}</th>
          </tr>
        </thead>
        <tbody>
          {compareCheckpoints(description, before, after).map(({ vertex, partMs, stateBytes }) => (
            <tr key={vertex}>
              <th scope="row">{labelOf(description, vertex)}</th>
              {comparedParts.map((part) => (
                <Change key={part} kind="duration" pair={partMs[part]} />
              ))}
              <Change kind="bytes" pair={stateBytes} />
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Change({
  kind,
  pair: [before, after],
}: {
  readonly kind: 'duration' | 'bytes';
  readonly pair: readonly [number, number];
}): ReactNode {
  const { say } = useText();
  const text = (value: number): string =>
    say(kind === 'duration' ? { kind, ms: value } : { kind, value: Math.round(value) });
  const change = after - before;
  const sign = change > 0 ? '+' : '−';
  return (
    <td className="number nowrap">
      {text(after)}{' '}
      <span className="soft small">
        {text(change < 0 ? -change : change) === text(0) ? '=' : `${sign}${text(Math.abs(change))}`}
      </span>
    </td>
  );
}
