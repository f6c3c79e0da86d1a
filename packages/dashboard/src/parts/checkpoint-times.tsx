// A checkpoint as a time chart: for each subtask the wait for the barrier, the alignment, and the two parts of the snapshot.
import type { ReactNode } from 'react';
import { Scroll } from './basic.tsx';
import type { CheckpointMessage, JobDescription, SubtaskCheckpoint } from '../../../../src/rest/contract.ts';
import { criticalPathOf, timesOf } from '../conclusions/checkpoint.ts';
import { subtaskLabel } from '../conclusions/names.ts';
import { useText } from '../settings.tsx';
import { bytes, joined } from '../text/units.ts';

const parts = ['start-delay', 'alignment', 'sync', 'async'] as const;
const legend = [...parts, 'answer', 'publish'] as const;

/** The chart, with the numbers beside the bars. */
export function CheckpointTimes({
  description,
  checkpoint,
}: {
  readonly description: JobDescription;
  readonly checkpoint: CheckpointMessage;
}): ReactNode {
  const { t, say } = useText();
  const critical = checkpoint.criticalPath ?? criticalPathOf(checkpoint);
  const totalMs = Math.max(
    1,
    checkpoint.durationMs,
    ...checkpoint.subtasks.map((row) => answeredMs(row, checkpoint)),
  );
  const rows = [...checkpoint.subtasks].sort(
    (left, right) => left.vertex - right.vertex || left.subtask - right.subtask,
  );
  const lastMs = Math.max(
    0,
    ...checkpoint.subtasks.map(({ acknowledgedAt }) => acknowledgedAt - checkpoint.triggeredAt),
  );
  const publishMs = Math.max(0, checkpoint.durationMs - lastMs);
  if (rows.length === 0) return <p className="soft">{t('checkpoint.no-subtask')}</p>;
  return (
    <>
      <Scroll label={t('checkpoint.times')}>
        <table className="times">
          <thead>
            <tr>
              <th>{t('word.subtask')}</th>
              <th className="times-column">
                <span className="times-scale number">
                  <span>0</span>
                  <span>{say({ kind: 'duration', ms: totalMs / 2 })}</span>
                  <span>{say({ kind: 'duration', ms: totalMs })}</span>
                </span>
              </th>
              <th className="number">{t('checkpoint.acknowledged-after')}</th>
              <th className="number">{t('checkpoints.state-size')}</th>
              <th className="number">{t('checkpoints.in-flight')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => {
              const isCritical = critical?.vertex === row.vertex && critical.subtask === row.subtask;
              return (
                <tr key={`${row.vertex}/${row.subtask}`} data-chosen={isCritical}>
                  <th scope="row" className="nowrap">
                    {subtaskLabel(description, row)}
                    {isCritical && <span className="soft small"> ◂ {t('checkpoint.last')}</span>}
                  </th>
                  <td className="times-column">
                    <div className="times-bar" title={describe(row, t, say)}>
                      {parts.map((part) => (
                        <i
                          key={part}
                          data-part={part}
                          style={{ width: `${(timesOf(row)[part] / totalMs) * 100}%` }}
                        />
                      ))}
                      <i
                        data-part="answer"
                        style={{
                          width: `${((answeredMs(row, checkpoint) - endOf(row)) / totalMs) * 100}%`,
                        }}
                      />
                    </div>
                    <span className="unseen">{describe(row, t, say)}</span>
                  </td>
                  <td className="number">{say({ kind: 'duration', ms: answeredMs(row, checkpoint) })}</td>
                  <td className="number">{joined(bytes(row.stateBytes))}</td>
                  <td className="number">{joined(bytes(row.inFlightBytes))}</td>
                </tr>
              );
            })}
            {publishMs > 0 && checkpoint.status === 'COMPLETED' && (
              <tr data-chosen={critical?.part === 'publish'}>
                <th scope="row" className="nowrap">
                  {t('checkpoint.publish')}
                </th>
                <td className="times-column">
                  <div className="times-bar" title={say({ kind: 'duration', ms: publishMs })}>
                    <b style={{ width: `${100 - (publishMs / totalMs) * 100}%` }} />
                    <i data-part="publish" style={{ width: `${(publishMs / totalMs) * 100}%` }} />
                  </div>
                </td>
                <td className="number">{say({ kind: 'duration', ms: checkpoint.durationMs })}</td>
                <td />
                <td />
              </tr>
            )}
          </tbody>
        </table>
      </Scroll>
      <ul className="legend">
        {legend.map((part) => (
          <li key={part}>
            <i className="swatch" data-part={part} />
            {t(`checkpoint.part.${part}`)}
          </li>
        ))}
      </ul>
    </>
  );
}

function endOf(row: SubtaskCheckpoint): number {
  return row.startDelayMs + row.alignmentMs + row.syncMs + row.asyncMs;
}

/** When its answer was with the JobManager, ms after the trigger. */
function answeredMs(row: SubtaskCheckpoint, { triggeredAt }: CheckpointMessage): number {
  return Math.max(endOf(row), row.acknowledgedAt - triggeredAt);
}

function describe(
  row: SubtaskCheckpoint,
  t: ReturnType<typeof useText>['t'],
  say: ReturnType<typeof useText>['say'],
): string {
  return parts
    .map((part) => `${t(`checkpoint.part.${part}`)} ${say({ kind: 'duration', ms: timesOf(row)[part] })}`)
    .join(', ');
}
