// Latency: when results can be seen, and how far event time is behind the clock.
import type { ReactNode } from 'react';
import { eventTimeLags, isHistory, sinkDelays } from '../conclusions/latency.ts';
import { labelOf } from '../conclusions/names.ts';
import { Empty, Figure, PaneHead, Said } from '../parts/basic.tsx';
import { type ReadyJob, WithJob } from '../parts/job.tsx';
import { Plot } from '../parts/plot.tsx';
import { useText } from '../settings.tsx';
import { duration } from '../text/units.ts';

const linesMax = 6;

/** The pane. */
export function LatencyPane(): ReactNode {
  return (
    <>
      <PaneHead title="latency.title" lead="latency.lead" />
      <WithJob>
        {(job) => (
          <>
            <Sinks job={job} />
            <EventTimeLag job={job} />
            <Note />
          </>
        )}
      </WithJob>
    </>
  );
}

function Note(): ReactNode {
  const { t } = useText();
  return <p className="soft">{t('latency.not-measured')}</p>;
}

function Sinks({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const delays = sinkDelays(job.description, job.figures.checkpoints.averageDurationMs);
  return (
    <section className="card" data-part="sinks">
      <h2>{t('latency.sinks')}</h2>
      {delays.length === 0 ? (
        <p className="soft">{t('latency.no-sink')}</p>
      ) : (
        <ul className="stack">
          {delays.map(({ name, told }) => (
            <li key={name}>
              <Said saying={told} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function EventTimeLag({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t, say, language } = useText();
  const { description, figures, ticks } = job;
  const lags = eventTimeLags(description, figures);
  const last = lags.findLast((lag) => lag !== undefined);
  if (last === undefined) {
    const past = isHistory(description, figures);
    return (
      <Empty title={t(past ? 'latency.history' : 'latency.no-event-time')}>
        <p>
          {t(past ? 'latency.history.why' : 'latency.no-event-time.why')}{' '}
          <a href="#/event-time">{t('event-time.title')}</a>
        </p>
      </Empty>
    );
  }
  const lines = ticks.map((tick) => eventTimeLags(description, tick));
  return (
    <section className="card">
      <h2>{t('latency.event-time')}</h2>
      <dl className="grid">
        <Figure
          name={t('latency.lag')}
          value={duration(last, language)}
          note={t('latency.lag.note', { operator: labelOf(description, lags.lastIndexOf(last)) })}
          title="currentEmitEventTimeLag"
        />
      </dl>
      <Plot
        label={t('latency.event-time')}
        times={ticks.map(({ at }) => at)}
        series={description.vertices.slice(0, linesMax).map((_vertex, vertex) => ({
          name: labelOf(description, vertex),
          colour: vertex + 1,
          values: lines.map((line) => line[vertex] ?? null),
        }))}
        format={(ms) => say({ kind: 'duration', ms })}
      />
    </section>
  );
}
