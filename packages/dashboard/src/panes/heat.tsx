// Task heat map: operators by subtasks, one measure at a time, and in words who has too much and who has nothing.
import { type ReactNode, useState } from 'react';
import type { CheckpointMessage, SubtaskFiguresMessage } from '../../../../src/rest/contract.ts';
import { idleConclusions, idleSubtasks, skewConclusions } from '../conclusions/balance.ts';
import { conclusion, identityOf } from '../conclusions/conclusion.ts';
import { labelOf } from '../conclusions/names.ts';
import { PaneHead, Scroll, Verdict } from '../parts/basic.tsx';
import { Choices } from '../parts/choices.tsx';
import { type ReadyJob, WithJob } from '../parts/job.tsx';
import { VertexDetail } from '../parts/vertex-detail.tsx';
import { WhichKey } from '../parts/which-key.tsx';
import { useText } from '../settings.tsx';
import type { Quantity } from '../text/message.ts';

const measures = ['busy', 'pressure', 'records', 'rate', 'state', 'checkpoint'] as const;
type Measure = (typeof measures)[number];

/** The pane. */
export function HeatPane(): ReactNode {
  return (
    <>
      <PaneHead title="heat.title" lead="heat.lead" />
      <WithJob>{(job) => <Heat job={job} />}</WithJob>
    </>
  );
}

function Heat({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t, say } = useText();
  const [measure, setMeasure] = useState<Measure>('records');
  const [chosen, setChosen] = useState<{ readonly vertex: number; readonly subtask?: number }>();
  const { description, figures } = job;
  const idle = idleSubtasks(description, figures);
  const conclusions = [...skewConclusions(description, figures), ...idleConclusions(description, figures)];
  const width = Math.max(1, ...figures.vertices.map(({ subtasks }) => subtasks.length));
  const last = job.checkpoints.findLast(({ status }) => status === 'COMPLETED')?.checkpointId;
  const checkpoint = last === undefined ? undefined : job.details.get(last);
  const cells = figures.vertices.map(({ subtasks }, vertex) =>
    subtasks.map((subtask) => ({
      subtask: subtask.subtask,
      ...measured(measure, subtask, description.vertices[vertex]?.isSource === true, vertex, checkpoint),
      isIdle: idle.some((other) => other.vertex === vertex && other.subtask === subtask.subtask),
    })),
  );
  const largest = Math.max(0, ...cells.flat().map(({ number }) => number));
  const top = measure === 'busy' || measure === 'pressure' ? 1 : largest;
  return (
    <>
      {conclusions.length === 0 ? (
        <Verdict conclusion={conclusion('good', 'heat.even')} />
      ) : (
        conclusions.map((each) => (
          <Verdict key={identityOf(each)} conclusion={each}>
            {each.key === 'skew.found' && <WhichKey job={job} vertex={Number(each.values['vertex'])} />}
          </Verdict>
        ))
      )}
      <section className="card">
        <Choices
          label={t('heat.measure')}
          of={measures}
          chosen={measure}
          choose={setMeasure}
          nameOf={(name) => t(`heat.measure.${name}`)}
        />
        <Scroll label={t('heat.title')}>
          <table className="heat">
            <thead>
              <tr>
                <th>{t('word.operator')}</th>
                {Array.from({ length: width }, (_, subtask) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: the index is the subtask
                  <th key={subtask} className="number">
                    {t('heat.subtask', { subtask: String(subtask) })}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {cells.map((row, vertex) => (
                <tr key={description.vertices[vertex]?.vertexId ?? vertex}>
                  <th scope="row">
                    <button type="button" className="link" onClick={() => setChosen({ vertex })}>
                      {labelOf(description, vertex)}
                    </button>
                  </th>
                  {row.map((cell) => (
                    <td
                      key={cell.subtask}
                      className="heat-cell number"
                      data-idle={cell.isIdle}
                      style={{ ['--heat' as string]: `${top === 0 ? 0 : (cell.number / top) * 100}%` }}
                    >
                      <button
                        type="button"
                        aria-pressed={chosen?.vertex === vertex && chosen.subtask === cell.subtask}
                        onClick={() => setChosen({ vertex, subtask: cell.subtask })}
                      >
                        <span className="unseen">
                          {t('heat.cell', {
                            operator: labelOf(description, vertex),
                            subtask: String(cell.subtask),
                          })}{' '}
                        </span>
                        {say(cell.text)}
                        {cell.isIdle && <span className="heat-idle">{t('heat.idle')}</span>}
                      </button>
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        <p className="soft small">{t('heat.choose')}</p>
      </section>
      {chosen !== undefined && <VertexDetail job={job} {...chosen} />}
    </>
  );
}

function measured(
  measure: Measure,
  subtask: SubtaskFiguresMessage,
  isSource: boolean,
  vertex: number,
  checkpoint: CheckpointMessage | undefined,
): { readonly number: number; readonly text: Quantity } {
  switch (measure) {
    case 'busy':
      return { number: subtask.busyShare, text: { kind: 'share', value: subtask.busyShare } };
    case 'pressure':
      return {
        number: subtask.backPressuredShare,
        text: { kind: 'share', value: subtask.backPressuredShare },
      };
    case 'records': {
      const value = isSource ? subtask.recordsOut : subtask.recordsIn;
      return { number: value, text: { kind: 'count', value } };
    }
    case 'rate': {
      const value = isSource ? subtask.recordsOutPerSecond : subtask.recordsInPerSecond;
      return { number: value, text: { kind: 'rate', value } };
    }
    case 'state':
      return subtask.stateBytes === null
        ? { number: 0, text: '–' }
        : { number: subtask.stateBytes, text: { kind: 'bytes', value: subtask.stateBytes } };
    case 'checkpoint': {
      const own = checkpoint?.subtasks.find(
        (other) => other.vertex === vertex && other.subtask === subtask.subtask,
      );
      if (own === undefined) return { number: 0, text: '–' };
      const ms = own.startDelayMs + own.alignmentMs + own.syncMs + own.asyncMs;
      return { number: ms, text: { kind: 'duration', ms } };
    }
  }
}
