// Event time: how far each split and operator has come, who holds the others back, and what another bound would do.
import { type ReactNode, useState } from 'react';
import type { Lateness } from '../../../../src/rest/contract.ts';
import { conclusion } from '../conclusions/conclusion.ts';
import { lateShareAt, lateShareWanted, latenessBars, suggestedBoundMs } from '../conclusions/lateness.ts';
import { labelOf } from '../conclusions/names.ts';
import {
  holdingLane,
  laneId,
  orderOf,
  type WatermarkLane,
  watermarkConclusion,
  watermarkLanes,
} from '../conclusions/watermark.ts';
import { Badge, Empty, Figure, PaneHead, Scroll, Sentence, Verdict, widthOf } from '../parts/basic.tsx';
import { type ReadyJob, Watermark, WithJob } from '../parts/job.tsx';
import { Plot, type Series } from '../parts/plot.tsx';
import { useText } from '../settings.tsx';
import { count, duration, share } from '../text/units.ts';

/** More lines than colours cannot be told apart. */
const linesMax = 6;

/** The pane. */
export function EventTimePane(): ReactNode {
  return (
    <>
      <PaneHead title="event-time.title" lead="event-time.lead" />
      <WithJob>{(job) => <EventTime job={job} />}</WithJob>
    </>
  );
}

function EventTime({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const lanes = watermarkLanes(job.description, job.figures);
  const told = job.figures.vertices.flatMap(({ operators }, vertex) =>
    operators.flatMap(({ lateness }, operator) =>
      lateness === null || lateness.records === 0 ? [] : [{ vertex, operator, lateness }],
    ),
  );
  return (
    <>
      <Verdict conclusion={watermarkConclusion(job.description, job.ticks)} />
      {lanes.every(({ watermark }) => watermark === 'none') && told.length === 0 ? (
        <Empty title={t('event-time.none')}>
          <p>{t('event-time.none.why')}</p>
          <pre>{"stream.assignTimestampsAndWatermarks(watermarks.boundedOutOfOrderness('1 min'))"}</pre>
        </Empty>
      ) : (
        <>
          <Lanes job={job} lanes={lanes} />
          <WatermarkPlot job={job} lanes={lanes} />
        </>
      )}
      {told.map(({ vertex, operator, lateness }) => (
        <WhatIf
          key={`${vertex}/${operator}`}
          name={operatorName(job, vertex, operator)}
          lateness={lateness}
        />
      ))}
    </>
  );
}

function operatorName({ description }: ReadyJob, vertex: number, operator: number): string {
  const plan = description.vertices[vertex]?.operators[operator];
  if (plan === undefined) return labelOf(description, vertex);
  return plan.hasExplicitUid ? plan.uid : plan.name;
}

function Lanes({
  job,
  lanes,
}: {
  readonly job: ReadyJob;
  readonly lanes: readonly WatermarkLane[];
}): ReactNode {
  const { t, say } = useText();
  const known = lanes.map(({ watermark }) => orderOf(watermark)).filter(Number.isFinite);
  const front = Math.max(...known);
  const latest = Math.max(
    front,
    ...lanes.map(({ eventTimeMax }) => eventTimeMax ?? Number.NEGATIVE_INFINITY),
  );
  const spread = Math.max(1000, latest - Math.min(...known));
  const splits = lanes.filter(({ split }) => split !== null);
  const holder = holdingLane(splits.length > 0 ? splits : lanes);
  // Where all are equally far, nobody waits.
  const isWaitedFor = holder !== undefined && front - orderOf(holder.watermark) > 1;
  const shareOf = (time: number): number => 1 - ((latest - time) / spread) * 0.92;
  return (
    <section className="card">
      <h2>{t('event-time.lanes')}</h2>
      <Scroll label={t('event-time.lanes')}>
        <table className="lanes">
          <thead>
            <tr>
              <th>{t('event-time.lane')}</th>
              <th>{t('detail.watermark')}</th>
              <th className="lane-column">{t('event-time.behind')}</th>
              <th>{t('event-time.out-of-order')}</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {lanes.map((lane) => (
              <tr key={laneId(lane)} data-split={lane.split !== null}>
                <th scope="row">
                  {lane.split === null ? (
                    labelOf(job.description, lane.vertex)
                  ) : (
                    <span className="lane-split">
                      {labelOf(job.description, lane.vertex)}[{lane.subtask}] {t('event-time.split')}{' '}
                      <code>{lane.split}</code>
                    </span>
                  )}
                </th>
                <td>
                  <Watermark value={lane.watermark} />
                </td>
                <td className="lane-column">
                  <Lane lane={lane} front={front} shareOf={shareOf} />
                </td>
                <td className="nowrap soft">
                  {lane.behindMsMax === null || lane.eventTimeMax === null
                    ? ''
                    : lane.behindMsMax === 0
                      ? t('event-time.in-order')
                      : say({ kind: 'duration', ms: lane.behindMsMax })}
                </td>
                <td className="nowrap">
                  {lane.isIdle && <Badge>{t('event-time.idle')}</Badge>}
                  {lane === holder && isWaitedFor && <Badge tone="warn">{t('event-time.holds')}</Badge>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {splits.length > 0 && <p className="soft small">{t('event-time.shade')}</p>}
    </section>
  );
}

interface LaneProps {
  readonly lane: WatermarkLane;
  /** The highest watermark of all lanes. */
  readonly front: number;
  /** Where a time is on the lane, as a share of its width. */
  readonly shareOf: (time: number) => number;
}

/** Up to the watermark, and from there, hatched, to the latest record: what lies there may still be out of order. */
function Lane({ lane: { watermark, eventTimeMax, isIdle }, front, shareOf }: LaneProps): ReactNode {
  const { t, say } = useText();
  const order = orderOf(watermark);
  const isKnown = Number.isFinite(order);
  const behindMs = front - order;
  const aheadMs = isKnown && eventTimeMax !== null ? eventTimeMax - order : 0;
  return (
    <>
      <div className="lane" data-idle={isIdle}>
        {isKnown && <i style={widthOf(shareOf(order))} />}
        {eventTimeMax !== null && (
          <b style={widthOf(isKnown ? shareOf(eventTimeMax) - shareOf(order) : shareOf(eventTimeMax))} />
        )}
      </div>
      <span className="number small soft">
        {isKnown && (behindMs < 1 ? t('event-time.front') : say({ kind: 'duration', ms: behindMs }))}
        {aheadMs > 1 && ` · ${t('event-time.ahead', { ahead: { kind: 'duration', ms: aheadMs } })}`}
      </span>
    </>
  );
}

function WatermarkPlot({
  job,
  lanes,
}: {
  readonly job: ReadyJob;
  readonly lanes: readonly WatermarkLane[];
}): ReactNode {
  const { t, say } = useText();
  const { ticks, description } = job;
  const shown = lanes.slice(-linesMax);
  const orders = ticks.map((tick) => {
    const found = watermarkLanes(description, tick);
    return new Map(found.map((lane) => [laneId(lane), orderOf(lane.watermark)]));
  });
  const fronts = orders.map((order) => Math.max(...[...order.values()].filter(Number.isFinite)));
  const series: Series[] = shown.map((lane, index) => ({
    name: nameOf(job, lane),
    colour: index + 1,
    values: orders.map((order, tick) => {
      const behind = (fronts[tick] ?? Number.NaN) - (order.get(laneId(lane)) ?? Number.NaN);
      return Number.isFinite(behind) ? behind : null;
    }),
  }));
  return (
    <section className="card">
      <h2>{t('event-time.plot')}</h2>
      <Plot
        label={t('event-time.plot')}
        times={ticks.map(({ at }) => at)}
        series={series}
        format={(ms) => say({ kind: 'duration', ms })}
      />
    </section>
  );
}

function nameOf({ description }: ReadyJob, { vertex, subtask, split }: WatermarkLane): string {
  const label = labelOf(description, vertex);
  return split === null ? label : `${label}[${subtask}] ${split}`;
}

function WhatIf({ name, lateness }: { readonly name: string; readonly lateness: Lateness }): ReactNode {
  const { t, say, language } = useText();
  const bounds = [...new Set([...lateness.bounds.map(({ boundMs }) => boundMs), lateness.behindMsMax])].sort(
    (left, right) => left - right,
  );
  const useful = bounds.filter((boundMs) => boundMs <= lateness.behindMsMax);
  const suggested = suggestedBoundMs(lateness);
  const [chosen, setChosen] = useState<number>();
  const bound = chosen ?? suggested;
  const index = Math.max(
    0,
    useful.findLastIndex((boundMs) => boundMs <= bound),
  );
  const lateShare = lateShareAt(lateness, bound);
  const bars = latenessBars(lateness);
  const most = Math.max(1, ...bars.map(({ records }) => records));
  return (
    <section className="card" data-part="what-if">
      <header>
        <h2>{t('what-if.title', { operator: name })}</h2>
        <span className="soft small">
          {t('what-if.facts', {
            n: { kind: 'count', value: lateness.records },
            max: { kind: 'duration', ms: lateness.behindMsMax },
          })}
        </span>
      </header>
      <ol className="histogram" aria-label={t('what-if.histogram')}>
        {bars.map(({ fromMs, toMs, records }) => (
          <li
            key={toMs}
            data-late={fromMs >= bound}
            title={t('what-if.bar', {
              from: { kind: 'duration', ms: Math.max(0, fromMs) },
              to: { kind: 'duration', ms: toMs },
              n: { kind: 'count', value: records },
            })}
          >
            <span className="histogram-count number">{records === 0 ? '' : count(records, language)}</span>
            <i style={{ height: `${records === 0 ? 0 : Math.max(2, Math.sqrt(records / most) * 110)}px` }} />
            <span className="histogram-bound number">
              {toMs === 0 ? t('what-if.in-order') : `≤ ${say({ kind: 'duration', ms: toMs })}`}
            </span>
          </li>
        ))}
      </ol>
      <label className="stack">
        <span>
          <Sentence k="what-if.slider" values={{ bound: { kind: 'duration', ms: bound } }} />
        </span>
        <input
          type="range"
          min={0}
          max={Math.max(0, useful.length - 1)}
          value={index}
          onChange={(event) => setChosen(useful[Number(event.target.value)] ?? suggested)}
        />
      </label>
      <dl className="grid">
        <Figure
          name={t('what-if.late')}
          value={share(lateShare)}
          note={t('what-if.late.note', { n: { kind: 'count', value: lateShare * lateness.records } })}
        />
        <Figure name={t('what-if.delay')} value={duration(bound, language)} note={t('what-if.delay.note')} />
      </dl>
      <Verdict
        conclusion={conclusion('plain', 'what-if.suggestion', {
          bound: { kind: 'duration', ms: suggested },
          late: { kind: 'share', value: lateShareAt(lateness, suggested) },
          wanted: { kind: 'share', value: lateShareWanted },
        })}
      />
    </section>
  );
}
