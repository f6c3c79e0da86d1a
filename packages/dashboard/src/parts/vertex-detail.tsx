// One vertex: its operators and a row for each of its subtasks.
import type { ReactNode } from 'react';
import { vertexLabel } from '../conclusions/names.ts';
import { useText } from '../settings.tsx';
import { bytes, count, joined } from '../text/units.ts';
import { Badge, Scroll, TimeBar } from './basic.tsx';
import { type ReadyJob, StateBadge, Watermark } from './job.tsx';

/** The detail under the graph and the heat map. */
export function VertexDetail({
  job,
  vertex,
}: {
  readonly job: ReadyJob;
  readonly vertex: number;
}): ReactNode {
  const { t, language, say } = useText();
  const plan = job.description.vertices[vertex];
  const figures = job.figures.vertices[vertex];
  if (plan === undefined || figures === undefined) return null;
  return (
    <section className="card" data-part="vertex-detail">
      <header>
        <h2>{vertexLabel(plan)}</h2>
        <span className="soft small">
          {t('detail.facts', {
            parallelism: String(plan.parallelism),
            max: String(plan.maxParallelism),
            group: plan.slotSharingGroup,
          })}{' '}
          <a href={`#/logs?vertex=${encodeURIComponent(plan.name)}`}>{t('detail.logs')}</a>{' '}
          <a href={`#/profile?vertex=${vertex}`}>{t('profile.title')}</a>
        </span>
      </header>
      <Scroll label={t('detail.operators')}>
        <table>
          <thead>
            <tr>
              <th>{t('word.operator')}</th>
              <th>{t('detail.kind')}</th>
              <th className="number">{t('detail.in')}</th>
              <th className="number">{t('detail.out')}</th>
              <th className="number">{t('detail.records-in')}</th>
              <th className="number">{t('detail.late')}</th>
              <th>{t('detail.note')}</th>
            </tr>
          </thead>
          <tbody>
            {plan.operators.map((operator, index) => {
              const own = figures.operators[index];
              return (
                <tr key={operator.operatorId}>
                  <th scope="row">{operator.hasExplicitUid ? operator.uid : operator.name}</th>
                  <td className="nowrap">
                    {operator.kind} {operator.isKeyed && <Badge>{t('detail.keyed')}</Badge>}{' '}
                    {operator.isStateful && <Badge>{t('detail.state')}</Badge>}
                  </td>
                  <td className="number">{say({ kind: 'rate', value: own?.recordsInPerSecond ?? 0 })}</td>
                  <td className="number">{say({ kind: 'rate', value: own?.recordsOutPerSecond ?? 0 })}</td>
                  <td className="number">{count(own?.recordsIn ?? 0, language)}</td>
                  <td className="number">{count(own?.lateRecordsDropped ?? 0, language)}</td>
                  <td className="soft">{operator.target ?? operator.note ?? ''}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
      <Scroll label={t('word.subtasks')}>
        <table>
          <thead>
            <tr>
              <th>{t('word.subtask')}</th>
              <th>{t('word.state')}</th>
              <th>{t('detail.slot')}</th>
              <th className="number">{t('detail.in')}</th>
              <th className="number">{t('detail.out')}</th>
              <th className="number">{t('detail.records-in')}</th>
              <th className="time-column">{t('detail.time')}</th>
              <th>{t('detail.watermark')}</th>
              <th className="number">{t('detail.state-size')}</th>
            </tr>
          </thead>
          <tbody>
            {figures.subtasks.map((subtask) => (
              <tr key={subtask.subtask}>
                <th scope="row" className="number">
                  {subtask.subtask}
                </th>
                <td>
                  <StateBadge state={subtask.state} />
                </td>
                <td className="nowrap soft">{t('detail.slot.value', { slot: String(subtask.slot + 1) })}</td>
                <td className="number">{say({ kind: 'rate', value: subtask.recordsInPerSecond })}</td>
                <td className="number">{say({ kind: 'rate', value: subtask.recordsOutPerSecond })}</td>
                <td className="number">{count(subtask.recordsIn, language)}</td>
                <td className="time-column">
                  <TimeBar busy={subtask.busyShare} pressure={subtask.backPressuredShare} />
                </td>
                <td className="nowrap">
                  <Watermark value={plan.isSource ? subtask.outputWatermark : subtask.inputWatermark} />
                </td>
                <td className="number">
                  {subtask.stateBytes === null ? '–' : joined(bytes(subtask.stateBytes))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}
