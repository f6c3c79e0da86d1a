// Failure drill: kill a worker on purpose, watch the recovery, and read on a scorecard what it has cost.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import type { Drill, DrillRequest, Scorecard } from '../../../../src/rest/contract.ts';
import { conclusion } from '../conclusions/conclusion.ts';
import { labelOf } from '../conclusions/names.ts';
import { recoveryConclusion } from '../conclusions/recovery.ts';
import { useLive } from '../live/hooks.ts';
import { act, ask } from '../live/server.ts';
import { Action } from '../parts/action.tsx';
import { Badge, Empty, Figure, PaneHead, Verdict } from '../parts/basic.tsx';
import { Moment, type ReadyJob, WithJob } from '../parts/job.tsx';
import { RecoveryLine } from '../parts/recovery-line.tsx';
import { useText } from '../settings.tsx';
import { count, duration } from '../text/units.ts';

/** The pane. */
export function DrillPane(): ReactNode {
  return (
    <>
      <PaneHead title="drill.title" lead="drill.lead" />
      <WithJob>{(job) => <Drills job={job} />}</WithJob>
    </>
  );
}

function Drills({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const { hello, overview } = useLive();
  const queries = useQueryClient();
  const latest = job.recoveries.at(-1);
  const drills = useQuery({
    queryKey: ['drills', job.jobId],
    queryFn: ({ signal }) =>
      ask<{ readonly entries: readonly Drill[] }>(`/x/jobs/${job.jobId}/drills`, signal),
  });
  // The stream tells how a recovery goes on; only then is there something new to ask.
  const progress = `${latest?.attempt}/${latest?.outcome}/${latest?.phases.length}/${latest?.downtimeMs}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked again when the recovery has gone on
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: ['drills', job.jobId] });
  }, [progress, queries, job.jobId]);
  if (hello?.features.killWorker !== true) {
    return (
      <Empty title={t('drill.off')}>
        <p>{t('drill.off.why')}</p>
      </Empty>
    );
  }
  const slots = (overview?.workers ?? []).flatMap((worker) =>
    worker.slots
      .filter(({ jobId, tasks }) => jobId === job.jobId && tasks.length > 0)
      .map((slot) => ({ worker, slot })),
  );
  const entries = [...(drills.data?.entries ?? [])].reverse();
  return (
    <>
      <Kill
        job={job}
        slots={slots.map(({ worker, slot }) => ({
          workerId: worker.workerId,
          slot: slot.slot,
          tasks: slot.tasks.map(({ vertex, subtask }) => `${labelOf(job.description, vertex)}[${subtask}]`),
        }))}
        begun={() => void drills.refetch()}
      />
      {entries.length === 0 ? (
        <Empty title={t('drill.none')}>
          <p>{t('drill.none.what')}</p>
        </Empty>
      ) : (
        entries.map((drill) => <DrillCard key={drill.drillId} job={job} drill={drill} />)
      )}
    </>
  );
}

interface Target {
  readonly workerId: string;
  readonly slot: number;
  readonly tasks: readonly string[];
}

function Kill({
  job,
  slots,
  begun,
}: {
  readonly job: ReadyJob;
  readonly slots: readonly Target[];
  readonly begun: () => void;
}): ReactNode {
  const { t } = useText();
  const [chosen, setChosen] = useState(0);
  const target = slots[chosen] ?? slots[0];
  const last = job.checkpoints.findLast(({ status }) => status === 'COMPLETED');
  return (
    <section className="card">
      <h2>{t('drill.choose')}</h2>
      <fieldset className="targets" aria-label={t('drill.choose')}>
        {slots.map(({ workerId, slot, tasks }, index) => (
          <label key={`${workerId}/${slot}`} className="kill-target">
            <input
              type="radio"
              name="target"
              checked={target === slots[index]}
              onChange={() => setChosen(index)}
            />
            <span>
              <b>{t('drill.target', { worker: workerId, slot: String(slot + 1) })}</b>
              <span className="soft small">{tasks.join(', ')}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <div className="row">
        <Action
          name={t('drill.kill')}
          kind="danger"
          disabled={target === undefined || job.figures.state !== 'RUNNING'}
          run={async () => {
            if (target === undefined) return;
            const request: DrillRequest = {
              kind: 'kill-worker',
              workerId: target.workerId,
              slot: target.slot,
            };
            await act<Drill>('POST', `/x/jobs/${job.jobId}/drills`, request);
            begun();
          }}
          done={t('drill.killed')}
        />
        <span className="soft">
          {last === undefined
            ? t('drill.no-checkpoint')
            : t('drill.checkpoint', { id: String(last.checkpointId) })}
        </span>
      </div>
    </section>
  );
}

function DrillCard({ job, drill }: { readonly job: ReadyJob; readonly drill: Drill }): ReactNode {
  const { t } = useText();
  const recovery = job.recoveries.find(({ attempt }) => attempt === drill.attempt);
  return (
    <section className="card" data-drill={drill.status}>
      <header>
        <h2>{t('drill.target', { worker: drill.workerId, slot: String(drill.slot + 1) })}</h2>
        <span className="row">
          <span className="soft small">
            <Moment at={drill.startedAt} />
          </span>
          <Badge tone={drill.status === 'COMPLETED' ? 'good' : drill.status === 'FAILED' ? 'bad' : 'accent'}>
            {t(`drill.status.${drill.status}`)}
          </Badge>
        </span>
      </header>
      {drill.scorecard !== null && <Card scorecard={drill.scorecard} />}
      {recovery !== undefined && (
        <>
          <Verdict conclusion={recoveryConclusion(job.description, recovery)} />
          <RecoveryLine recovery={recovery} />
        </>
      )}
    </section>
  );
}

function Card({ scorecard }: { readonly scorecard: Scorecard }): ReactNode {
  const { t, language } = useText();
  const isClean = scorecard.duplicates === 'none' && scorecard.loss === 'none';
  return (
    <>
      <dl className="grid" data-part="scorecard">
        <Figure
          name={t('score.recovery')}
          value={duration(scorecard.recoveryMs, language)}
          note={t('score.recovery.note', { detection: { kind: 'duration', ms: scorecard.detectionMs } })}
        />
        <Figure
          name={t('score.replayed')}
          value={scorecard.recordsReplayed === null ? '…' : count(scorecard.recordsReplayed, language)}
          note={t('score.replayed.note')}
        />
        <Figure
          name={t('score.duplicates')}
          value={t(`score.${scorecard.duplicates}`)}
          note={t('score.duplicates.note')}
        />
        <Figure name={t('score.loss')} value={t(`score.${scorecard.loss}`)} note={t('score.loss.note')} />
      </dl>
      <Verdict
        conclusion={conclusion(isClean ? 'good' : 'warn', isClean ? 'score.clean' : 'score.unclean')}
      />
    </>
  );
}
