// Parts that show a job: its state, a pane that needs one, a moment in time, an age.
import type { ReactNode } from 'react';
import type {
  JobDescription,
  JobFiguresMessage,
  JobStateName,
  TaskStateName,
} from '../../../../src/rest/contract.ts';
import type { Tone } from '../conclusions/conclusion.ts';
import { useJob, useLive, useNow } from '../live/hooks.ts';
import type { LiveJob } from '../live/state.ts';
import { useText } from '../settings.tsx';
import type { WatermarkValue } from '../../../../src/rest/contract.ts';
import { Badge, Empty } from './basic.tsx';

const tones: Readonly<Record<JobStateName | TaskStateName, Tone>> = {
  INITIALIZING: 'plain',
  CREATED: 'plain',
  RUNNING: 'good',
  FAILING: 'bad',
  RESTARTING: 'warn',
  CANCELLING: 'warn',
  FAILED: 'bad',
  CANCELED: 'plain',
  FINISHED: 'good',
  SUSPENDED: 'plain',
  SCHEDULED: 'plain',
  DEPLOYING: 'plain',
  CANCELING: 'warn',
};

/** Flink's word for a state; it is the same in every language. */
export function StateBadge({ state }: { readonly state: JobStateName | TaskStateName }): ReactNode {
  return <Badge tone={tones[state]}>{state}</Badge>;
}

/** A job of which the plan and the figures have come. */
export interface ReadyJob extends LiveJob {
  readonly description: JobDescription;
  readonly figures: JobFiguresMessage;
}

/** Shows a pane once there is a job with a plan and figures; until then what is waited for. */
export function WithJob({ children }: { readonly children: (job: ReadyJob) => ReactNode }): ReactNode {
  const job = useJob();
  const { connection } = useLive();
  const { t } = useText();
  if (job?.description === undefined || job.figures === undefined) {
    return (
      <Empty title={t(connection.kind === 'live' ? 'empty.no-job' : 'empty.connecting')}>
        <p>{t('empty.no-job.how')}</p>
        <pre>npx millrace run job.ts --ui</pre>
      </Empty>
    );
  }
  return children({ ...job, description: job.description, figures: job.figures });
}

/** A moment, and in its tooltip the same in full. */
export function Moment({ at }: { readonly at: number }): ReactNode {
  const { moment } = useText();
  return (
    <time className="number" dateTime={new Date(at).toISOString()} title={new Date(at).toISOString()}>
      {moment(at)}
    </time>
  );
}

/** How long ago something was. */
export function Ago({ at }: { readonly at: number }): ReactNode {
  const { t } = useText();
  const now = useNow();
  const ms = Math.max(0, now - at);
  return (
    <span className="number">
      {ms < 1500
        ? t('time.now')
        : t('time.ago', { age: { kind: 'duration', ms: Math.round(ms / 1000) * 1000 } })}
    </span>
  );
}

/** A watermark as a moment of event time, or the word for none and for the end. */
export function Watermark({ value }: { readonly value: WatermarkValue }): ReactNode {
  const { t } = useText();
  if (value === 'none') return <span className="soft">{t('watermark.word.none')}</span>;
  if (value === 'end') return <span className="soft">{t('watermark.word.end')}</span>;
  return <Moment at={value} />;
}
