// One vertex: its operators, a row for each of its subtasks, and one of these in words.
import { type ReactNode, useEffect, useRef } from 'react';
import { vertexLabel } from '../conclusions/names.ts';
import { useText } from '../settings.tsx';
import { bytes, count, joined } from '../text/units.ts';
import { Badge, Scroll, TimeBar } from './basic.tsx';
import { type ReadyJob, StateBadge, Watermark } from './job.tsx';

/** Names of splits that are told. */
const splitsMax = 3;

interface DetailProps {
  readonly job: ReadyJob;
  readonly vertex: number;
  /** The one that is chosen. */
  readonly subtask?: number;
}

/** The detail under the graph and the heat map. */
export function VertexDetail({ job, vertex, subtask: chosen }: DetailProps): ReactNode {
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
      {chosen !== undefined && (
        <ChosenSubtask key={`${vertex}/${chosen}`} job={job} vertex={vertex} subtask={chosen} />
      )}
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
              <tr key={subtask.subtask} data-chosen={subtask.subtask === chosen}>
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

/** Where a subtask is, and what belongs to it; comes into sight when it is chosen. */
function ChosenSubtask({ job, vertex, subtask }: Required<DetailProps>): ReactNode {
  const { t } = useText();
  const place = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    // What it returns is no clean-up: newer browsers promise the end of the scrolling.
    place.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  const plan = job.description.vertices[vertex];
  const figures = job.figures.vertices[vertex]?.subtasks[subtask];
  if (plan === undefined || figures === undefined) return null;
  const { parallelism, maxParallelism, operators } = plan;
  const keyed = operators.find(({ isKeyed }) => isKeyed);
  const splits = figures.splits.map(({ splitId }) => splitId);
  return (
    <p ref={place} data-part="chosen-subtask">
      {t('subtask.where', {
        subtask: String(subtask),
        worker: figures.workerId,
        slot: String(figures.slot + 1),
        attempt: String(figures.attempt),
      })}{' '}
      {keyed !== undefined && (
        <>
          {t('subtask.keys', {
            from: String(Math.ceil((subtask * maxParallelism) / parallelism)),
            to: String(Math.ceil(((subtask + 1) * maxParallelism) / parallelism) - 1),
            groups: String(maxParallelism),
          })}{' '}
        </>
      )}
      {splits.length > 0 && (
        <>
          {t('subtask.splits', {
            n: { kind: 'count', value: splits.length },
            splits: splits.slice(0, splitsMax).join(', ') + (splits.length > splitsMax ? ', …' : ''),
          })}{' '}
        </>
      )}
      <span className="links small">
        {keyed !== undefined && (
          <a href={`#/state?uid=${encodeURIComponent(keyed.uid)}`}>{t('subtask.state')}</a>
        )}
        <a href={`#/profile?vertex=${vertex}&subtask=${subtask}`}>{t('subtask.profile')}</a>
        <a href="#/workers">{t('workers.title')}</a>
      </span>
    </p>
  );
}
