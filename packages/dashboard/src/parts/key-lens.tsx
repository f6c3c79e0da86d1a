// Key lens: one key from its hash to the worker that has it, what its records did, and how its state went on.
import { type ReactNode, useEffect, useState } from 'react';
import type { EvidenceTrail, StateEntry } from '../../../../src/rest/contract.ts';
import { keyMoments } from '../conclusions/keys.ts';
import { vertexLabel } from '../conclusions/names.ts';
import { useLive } from '../live/hooks.ts';
import { useText } from '../settings.tsx';
import { Scroll, Sentence } from './basic.tsx';
import type { ReadyJob } from './job.tsx';
import { LiveStates } from './live-states.tsx';
import { TrailTable } from './trail.tsx';

/** Checkpoints of which the state is remembered while the lens is open. */
const checkpointsMax = 12;

interface LensProps {
  readonly job: ReadyJob;
  readonly uid: string;
  readonly entry: StateEntry;
  /** That the state is as of. */
  readonly checkpointId: number;
}

/** See the head of the file. */
export function KeyLens({ job, uid, entry, checkpointId }: LensProps): ReactNode {
  const { t } = useText();
  const { alerts } = useLive();
  const key = typeof entry.key === 'string' ? entry.key : entry.keyText;
  const steps = entry.values['$evidence'] as EvidenceTrail['steps'] | undefined;
  const title = t('lens.records', { key });
  return (
    <section className="card" data-part="key-lens">
      <h2>{t('lens.title', { key: entry.keyText })}</h2>
      <Way job={job} uid={uid} entry={entry} />
      <LiveStates
        jobId={job.jobId}
        uid={uid}
        keyText={entry.keyText}
        isRunning={job.figures.state === 'RUNNING'}
      />
      <StateOverTime entry={entry} checkpointId={checkpointId} />
      {steps === undefined || steps.length === 0 ? (
        <>
          <p className="soft">{t('lens.no-evidence')}</p>
          <pre className="code">{'process({ uid, evidence: { steps: 5 }, … })'}</pre>
        </>
      ) : (
        <>
          <h3>{title}</h3>
          <TrailTable title={title} moments={keyMoments({ uid, key, steps }, alerts)} />
        </>
      )}
    </section>
  );
}

/** From the key to the worker that has it, and where its records come from. */
function Way({ job, uid, entry }: Pick<LensProps, 'job' | 'uid' | 'entry'>): ReactNode {
  const { t } = useText();
  const vertex = job.description.vertices.findIndex(({ operators }) =>
    operators.some((each) => each.uid === uid),
  );
  const plan = job.description.vertices[vertex];
  if (plan === undefined) return null;
  const owner = job.figures.vertices[vertex]?.subtasks.find(({ subtask }) => subtask === entry.subtask);
  const edge = job.description.edges.find(({ to }) => to === vertex);
  const values = {
    key: entry.keyText,
    group: String(entry.keyGroup),
    groups: String(plan.maxParallelism),
    subtask: String(entry.subtask),
    parallelism: String(plan.parallelism),
    operator: vertexLabel(plan),
    worker: owner?.workerId ?? '–',
    slot: owner === undefined ? '–' : String(owner.slot + 1),
  };
  return (
    <>
      <p data-part="key-way">
        <Sentence k="lens.way" values={values} />
      </p>
      {edge !== undefined && (
        <p className="small">
          <a
            href={`#/tap?behind=${edge.from}/${edge.fromOperator}&text=${encodeURIComponent(entry.keyText)}`}
          >
            {t('lens.follow')}
          </a>
        </p>
      )}
    </>
  );
}

/** What each checkpoint since the lens was opened has of the key. */
function StateOverTime({ entry, checkpointId }: Pick<LensProps, 'entry' | 'checkpointId'>): ReactNode {
  const { t } = useText();
  const values = Object.entries(entry.values)
    .filter(([name]) => !name.startsWith('$'))
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join(', ');
  const [seen, setSeen] = useState<readonly { readonly id: number; readonly values: string }[]>([]);
  useEffect(() => {
    setSeen((before) =>
      before.at(-1)?.id === checkpointId
        ? before
        : [...before, { id: checkpointId, values }].slice(-checkpointsMax),
    );
  }, [checkpointId, values]);
  return (
    <Scroll label={t('lens.state')}>
      <ol className="key-states" aria-label={t('lens.state')}>
        {seen.map(({ id, values: then }, index) => (
          <li key={id} data-changed={index > 0 && seen[index - 1]?.values !== then}>
            <span className="soft small">{t('checkpoints.detail', { id: String(id) })}</span>
            <code>{then === '' ? '–' : then}</code>
          </li>
        ))}
      </ol>
    </Scroll>
  );
}
