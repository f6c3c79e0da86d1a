// Failure drill: disturb the job on purpose, watch how it goes on, and read on a scorecard what it has cost.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import type {
  CheckpointScorecard,
  Drill,
  DrillKind,
  DrillRequest,
  LoadScorecard,
  Scorecard,
  VertexDescription,
  Worker,
} from '../../../../src/rest/contract.ts';
import { conclusion } from '../conclusions/conclusion.ts';
import { droppedConclusion, loadConclusion } from '../conclusions/drill.ts';
import { labelOf, vertexLabel } from '../conclusions/names.ts';
import { recoveryConclusion } from '../conclusions/recovery.ts';
import { useLive } from '../live/hooks.ts';
import { act, ask } from '../live/server.ts';
import { Action } from '../parts/action.tsx';
import { Badge, Empty, Figure, PaneHead, Verdict } from '../parts/basic.tsx';
import { Choices } from '../parts/choices.tsx';
import { Moment, type ReadyJob, WithJob } from '../parts/job.tsx';
import { RecoveryLine } from '../parts/recovery-line.tsx';
import { useText } from '../settings.tsx';
import { count, duration, rate } from '../text/units.ts';

/** Not all that a drill comes to is told by the stream. */
const askedEveryMs = 1000;

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
  const { hello } = useLive();
  const queries = useQueryClient();
  const latest = job.recoveries.at(-1);
  const drills = useQuery({
    queryKey: ['drills', job.jobId],
    queryFn: ({ signal }) =>
      ask<{ readonly entries: readonly Drill[] }>(`/x/jobs/${job.jobId}/drills`, signal),
    refetchInterval: ({ state }) =>
      state.data?.entries.some(({ status }) => status === 'IN_PROGRESS') === true ? askedEveryMs : false,
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
  const entries = [...(drills.data?.entries ?? [])].reverse();
  return (
    <>
      <Begin
        job={job}
        isUnderWay={entries.some(({ status }) => status === 'IN_PROGRESS')}
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

const kinds: readonly DrillKind[] = [
  'kill-worker',
  'fail-task',
  'drop-checkpoint',
  'slow-sink',
  'skewed-keys',
];
const slownessesMs = [10, 50, 200] as const;
const slowForMs = 20_000;

/** Something that a drill can be done to. */
interface Target {
  readonly id: string;
  readonly name: string;
  readonly note: string;
  readonly request: DrillRequest;
}

interface BeginProps {
  readonly job: ReadyJob;
  readonly isUnderWay: boolean;
  readonly begun: () => void;
}

function Begin({ job, isUnderWay, begun }: BeginProps): ReactNode {
  const { t } = useText();
  const { overview } = useLive();
  const [kind, setKind] = useState<DrillKind>('kill-worker');
  const [recordMs, setRecordMs] = useState<number>(slownessesMs[1]);
  const targets = targetsOf(job, { kind, recordMs, workers: overview?.workers ?? [], t });
  const [chosen, setChosen] = useState('');
  const target = targets.find(({ id }) => id === chosen) ?? targets[0];
  const last = job.checkpoints.findLast(({ status }) => status === 'COMPLETED');
  return (
    <section className="card">
      <Choices
        label={t('drill.what')}
        of={kinds}
        chosen={kind}
        choose={setKind}
        nameOf={(each) => t(`drill.kind.${each}`)}
      />
      <p>{t(`drill.what.${kind}`)}</p>
      {targets.length === 0 ? (
        <p className="soft">{t(`drill.no-target.${kind}`)}</p>
      ) : (
        kind !== 'drop-checkpoint' && (
          <fieldset className="targets" aria-label={t('drill.choose')}>
            {targets.map((each) => (
              <label key={each.id} className="kill-target">
                <input
                  type="radio"
                  name="target"
                  checked={target === each}
                  onChange={() => setChosen(each.id)}
                />
                <span>
                  <b>{each.name}</b>
                  <span className="soft small">{each.note}</span>
                </span>
              </label>
            ))}
          </fieldset>
        )
      )}
      {(kind === 'slow-sink' || kind === 'skewed-keys') && (
        <label className="row">
          {t('drill.slowness')}
          <select value={recordMs} onChange={(event) => setRecordMs(Number(event.target.value))}>
            {slownessesMs.map((ms) => (
              <option key={ms} value={ms}>
                {t('drill.slowness.value', { ms: { kind: 'duration', ms } })}
              </option>
            ))}
          </select>
        </label>
      )}
      <div className="row">
        <Action
          key={kind}
          name={t(`drill.do.${kind}`)}
          kind="danger"
          disabled={target === undefined || isUnderWay || job.figures.state !== 'RUNNING'}
          run={async () => {
            if (target === undefined) return;
            await act<Drill>('POST', `/x/jobs/${job.jobId}/drills`, target.request);
            begun();
          }}
          done={t('drill.killed')}
        />
        <span className="soft">
          {isUnderWay
            ? t('drill.under-way')
            : kind === 'slow-sink' || kind === 'skewed-keys'
              ? ''
              : last === undefined
                ? t('drill.no-checkpoint')
                : t('drill.checkpoint', { id: String(last.checkpointId) })}
        </span>
      </div>
    </section>
  );
}

interface TargetParts {
  readonly kind: DrillKind;
  readonly recordMs: number;
  readonly workers: readonly Worker[];
  readonly t: ReturnType<typeof useText>['t'];
}

function targetsOf({ jobId, description }: ReadyJob, { kind, recordMs, workers, t }: TargetParts): Target[] {
  const slow = { recordMs, forMs: slowForMs };
  switch (kind) {
    case 'kill-worker':
      return workers.flatMap(({ workerId, slots }) =>
        slots
          .filter((slot) => slot.jobId === jobId && slot.tasks.length > 0)
          .map(({ slot, tasks }) => ({
            id: `${workerId}/${slot}`,
            name: t('drill.target', { worker: workerId, slot: String(slot + 1) }),
            note: tasks
              .map(({ vertex, subtask }) => `${labelOf(description, vertex)}[${subtask}]`)
              .join(', '),
            request: { kind, workerId, slot },
          })),
      );
    case 'drop-checkpoint':
      return [{ id: kind, name: '', note: '', request: { kind } }];
    case 'fail-task':
    case 'skewed-keys':
      return description.vertices.flatMap((plan, vertex) =>
        kind === 'skewed-keys' && !mayBeSkewed(plan)
          ? []
          : Array.from({ length: plan.parallelism }, (_, subtask) => ({
              id: `${vertex}/${subtask}`,
              name: `${vertexLabel(plan)}[${subtask}]`,
              note: plan.name,
              request: kind === 'fail-task' ? { kind, vertex, subtask } : { kind, vertex, subtask, ...slow },
            })),
      );
    default:
      return description.vertices.flatMap((plan, vertex) =>
        plan.isSink && !plan.isSource
          ? [
              {
                id: String(vertex),
                name: vertexLabel(plan),
                note: plan.name,
                request: { kind, vertex, ...slow },
              },
            ]
          : [],
      );
  }
}

function mayBeSkewed({ isSource, parallelism, operators }: VertexDescription): boolean {
  return !isSource && parallelism > 1 && operators.some(({ isKeyed }) => isKeyed);
}

function DrillCard({ job, drill }: { readonly job: ReadyJob; readonly drill: Drill }): ReactNode {
  const { t } = useText();
  const recovery = job.recoveries.find(({ attempt }) => attempt === drill.attempt);
  return (
    <section className="card" data-drill={drill.status}>
      <header>
        <h2>
          {t(`drill.kind.${drill.kind}`)}: {subjectOf(job, drill, t)}
        </h2>
        <span className="row">
          <span className="soft small">
            <Moment at={drill.startedAt} />
          </span>
          <Badge tone={drill.status === 'COMPLETED' ? 'good' : drill.status === 'FAILED' ? 'bad' : 'accent'}>
            {t(drill.load === null ? `drill.status.${drill.status}` : `drill.load.${drill.status}`)}
          </Badge>
        </span>
      </header>
      {drill.checkpoint !== null && <Dropped card={drill.checkpoint} />}
      {drill.load !== null && <Load job={job} drill={drill} card={drill.load} />}
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

function subjectOf({ description }: ReadyJob, drill: Drill, t: ReturnType<typeof useText>['t']): string {
  if (drill.workerId !== null) {
    return t('drill.target', { worker: drill.workerId, slot: String((drill.slot ?? 0) + 1) });
  }
  if (drill.kind === 'drop-checkpoint') {
    return drill.checkpoint === null
      ? t('drill.next-checkpoint')
      : t('checkpoints.detail', { id: String(drill.checkpoint.checkpointId) });
  }
  const name = labelOf(description, drill.vertex ?? 0);
  return drill.subtask === null ? name : `${name}[${drill.subtask}]`;
}

function Dropped({ card }: { readonly card: CheckpointScorecard }): ReactNode {
  const { t, language } = useText();
  return (
    <>
      <dl className="grid" data-part="dropped">
        <Figure
          name={t('score.exposed')}
          value={card.exposedMs === null ? '…' : duration(card.exposedMs, language)}
          note={t('score.exposed.note')}
        />
        <Figure
          name={t('score.restarted')}
          value={t(card.isRestarted ? 'word.yes' : 'word.no')}
          note={t('score.restarted.note')}
        />
        <Figure
          name={t('score.next')}
          value={card.nextCheckpointId === null ? '…' : String(card.nextCheckpointId)}
          note={t('score.next.note')}
        />
      </dl>
      <Verdict conclusion={droppedConclusion(card)} />
    </>
  );
}

function Load({
  job,
  drill,
  card,
}: {
  readonly job: ReadyJob;
  readonly drill: Drill;
  readonly card: LoadScorecard;
}): ReactNode {
  const { t, language } = useText();
  return (
    <>
      <dl className="grid" data-part="load">
        <Figure
          name={t('score.before')}
          value={rate(card.readPerSecondBefore, language)}
          note={t('score.before.note')}
        />
        <Figure
          name={t('score.least')}
          value={rate(card.readPerSecondLeast, language)}
          note={t('score.least.note', { ms: { kind: 'duration', ms: card.recordMs } })}
        />
        <Figure
          name={t('score.noticed')}
          value={card.namedAfterMs === null ? '–' : duration(card.namedAfterMs, language)}
          note={t(card.namedAs === null ? 'score.noticed.not' : `score.noticed.${card.namedAs}`)}
        />
        <Figure
          name={t('score.relieved')}
          value={card.relievedAfterMs === null ? '…' : duration(card.relievedAfterMs, language)}
          note={t('score.relieved.note')}
        />
      </dl>
      {drill.status !== 'IN_PROGRESS' && (
        <Verdict conclusion={loadConclusion(card, labelOf(job.description, drill.vertex ?? 0))} />
      )}
    </>
  );
}
