// CPU profile: a flame graph of what a task computes, taken when somebody says so.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { FlameGraph, FlameGraphAnswer, FlameNode } from '../../../../src/rest/contract.ts';
import { flameConclusion, flameFrames, type FlameFrame, hotFunctions } from '../conclusions/flame.ts';
import { vertexLabel } from '../conclusions/names.ts';
import { addressNumber } from '../live/address.ts';
import { act, ask } from '../live/server.ts';
import { Action } from '../parts/action.tsx';
import { Empty, PaneHead, Scroll, Verdict } from '../parts/basic.tsx';
import { HeapAllocations } from '../parts/heap-profile.tsx';
import { type ReadyJob, WithJob } from '../parts/job.tsx';
import { useText } from '../settings.tsx';

const rowPx = 22;
const rowsMax = 60;
/** Narrower frames cannot be read. */
const widthMin = 0.004;
const functionsMax = 12;
const pollMs = 1000;
const durations = [2000, 5000, 20_000] as const;

/** The pane. */
export function ProfilePane(): ReactNode {
  return (
    <>
      <PaneHead title="profile.title" lead="profile.lead" />
      <WithJob>{(job) => <Profile job={job} />}</WithJob>
    </>
  );
}

function Profile({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t, say } = useText();
  const queries = useQueryClient();
  const { description, figures } = job;
  const [vertex, setVertex] = useState(() => addressNumber('vertex') ?? 0);
  const [subtask, setSubtask] = useState(() => addressNumber('subtask'));
  const [durationMs, setDurationMs] = useState<number>(durations[0]);
  const plan = description.vertices[vertex] ?? description.vertices[0];
  const path = `/x/jobs/${job.jobId}/vertices/${plan?.vertexId}/flamegraph`;
  const query = subtask === undefined ? '' : `?subtask=${subtask}`;
  const key = ['flame', job.jobId, plan?.vertexId, subtask];
  const { data: graph } = useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => (await ask<FlameGraphAnswer>(path + query, signal)).graph,
    refetchInterval: ({ state }) => (state.data?.status === 'IN_PROGRESS' ? pollMs : false),
    enabled: plan !== undefined,
  });
  const take = async (): Promise<void> => {
    queries.setQueryData(key, await act<FlameGraph>('POST', path + query, { durationMs }));
  };
  return (
    <>
      <section className="card">
        <div className="row">
          <label className="row">
            {t('word.operator')}
            <select
              value={vertex}
              onChange={(event) => {
                setVertex(Number(event.target.value));
                setSubtask(undefined);
              }}
            >
              {description.vertices.map((each, index) => (
                <option key={each.vertexId} value={index}>
                  {vertexLabel(each)}
                </option>
              ))}
            </select>
          </label>
          <label className="row">
            {t('word.subtask')}
            <select
              value={subtask ?? ''}
              onChange={(event) =>
                setSubtask(event.target.value === '' ? undefined : Number(event.target.value))
              }
            >
              <option value="">{t('profile.all')}</option>
              {Array.from({ length: plan?.parallelism ?? 0 }, (_, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: the index is the subtask
                <option key={index} value={index}>
                  {index}
                </option>
              ))}
            </select>
          </label>
          <label className="row">
            {t('profile.for')}
            <select value={durationMs} onChange={(event) => setDurationMs(Number(event.target.value))}>
              {durations.map((ms) => (
                <option key={ms} value={ms}>
                  {say({ kind: 'duration', ms })}
                </option>
              ))}
            </select>
          </label>
          <Action
            name={t('profile.take')}
            kind="main"
            run={take}
            disabled={figures.state !== 'RUNNING' || graph?.status === 'IN_PROGRESS'}
          />
        </div>
      </section>
      {graph === undefined || graph === null ? (
        <Empty title={t('profile.none')}>
          <p>{t('profile.none.what')}</p>
        </Empty>
      ) : (
        <Graph job={job} graph={graph} file={`./v1${path}/file${query}`} />
      )}
      <HeapAllocations
        key={`${vertex}/${subtask ?? 0}`}
        job={job}
        vertex={vertex}
        subtask={subtask ?? 0}
        durationMs={durationMs}
      />
    </>
  );
}

interface GraphProps {
  readonly job: ReadyJob;
  readonly graph: FlameGraph;
  readonly file: string;
}

function Graph({ job, graph, file }: GraphProps): ReactNode {
  const { t } = useText();
  const { root } = graph;
  return (
    <section className="card" data-part="flame" data-status={graph.status}>
      <Verdict conclusion={flameConclusion(job.description, graph)} />
      {root !== null && root.value > 0 && <Flame key={graph.startedAt} root={root} />}
      {root !== null && root.value > 0 && <Hottest root={root} />}
      {root !== null && (
        <p className="small">
          <a href={file} download>
            {t('profile.download')}
          </a>
        </p>
      )}
    </section>
  );
}

function Flame({ root }: { readonly root: FlameNode }): ReactNode {
  const { t } = useText();
  const [zoom, setZoom] = useState<readonly number[]>([]);
  const frames = flameFrames(root, zoom, widthMin).filter(({ row }) => row < rowsMax);
  const rows = frames.reduce((most, { row }) => Math.max(most, row + 1), 1);
  return (
    <>
      <ul className="legend">
        {origins.map((origin) => (
          <li key={origin}>
            <i className="swatch flame-swatch" data-origin={origin} />
            {t(`profile.origin.${origin}`)}
          </li>
        ))}
      </ul>
      <fieldset className="flame" style={{ height: `${rows * rowPx}px` }}>
        <legend className="unseen">{t('profile.graph')}</legend>
        {frames.map((frame) => (
          <Frame key={frame.path.join('/')} frame={frame} root={root} open={() => setZoom(frame.path)} />
        ))}
      </fieldset>
    </>
  );
}

const origins = ['job', 'library', 'engine', 'node', 'native'] as const;

interface FrameProps {
  readonly frame: FlameFrame;
  readonly root: FlameNode;
  readonly open: () => void;
}

function Frame({ frame: { node, from, width, row, path }, root, open }: FrameProps): ReactNode {
  const { t, say } = useText();
  const name = path.length === 0 ? t('profile.root') : node.name;
  const label = `${name}: ${say({ kind: 'share', value: node.value / root.value })}`;
  return (
    <button
      type="button"
      className="frame"
      data-origin={node.origin}
      title={label}
      aria-label={label}
      onClick={open}
      style={{ left: `${from * 100}%`, width: `${width * 100}%`, top: `${row * rowPx}px` }}
    >
      {name}
    </button>
  );
}

function Hottest({ root }: { readonly root: FlameNode }): ReactNode {
  const { t, say } = useText();
  return (
    <Scroll label={t('profile.functions')}>
      <table>
        <thead>
          <tr>
            <th>{t('profile.function')}</th>
            <th>{t('profile.origin')}</th>
            <th className="number">{t('profile.self')}</th>
            <th className="number">{t('profile.total')}</th>
          </tr>
        </thead>
        <tbody>
          {hotFunctions(root)
            .slice(0, functionsMax)
            .map(({ name, origin, self, total }) => (
              <tr key={name}>
                <th scope="row">
                  <code>{name}</code>
                </th>
                <td>{t(`profile.origin.${origin}`)}</td>
                <td className="number">{say({ kind: 'share', value: self / root.value })}</td>
                <td className="number">{say({ kind: 'share', value: total / root.value })}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </Scroll>
  );
}
