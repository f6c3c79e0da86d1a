// Barriers in slow motion: a checkpoint that was taken, played again from the times that its subtasks measured.
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react';
import type { CheckpointMessage, CheckpointSummary, JobDescription } from '../../../../src/rest/contract.ts';
import { type BarrierFrame, barrierFrame, barrierMoments, barrierSaying } from '../conclusions/barriers.ts';
import { labelOf } from '../conclusions/names.ts';
import { useCheckpoint } from '../live/checkpoint.ts';
import { Empty, PaneHead, Said, Scroll } from '../parts/basic.tsx';
import { type ReadyJob, WithJob } from '../parts/job.tsx';
import { useText } from '../settings.tsx';

/** How long a checkpoint is played, whatever it took. */
const playMs = 9000;
/** Checkpoints to choose from. */
const listMax = 20;
/** More subtasks of a vertex are not drawn. */
const rowsMax = 16;
const boxWidth = 190;
const boxHeight = 46;
const columnGap = 150;
const rowGap = 18;
const head = 34;

/** The pane. */
export function BarriersPane(): ReactNode {
  const { t } = useText();
  return (
    <>
      <PaneHead title="barriers.title" lead="barriers.lead" />
      <WithJob>
        {(job) => {
          const playable = job.checkpoints.filter(({ status }) => status === 'COMPLETED').slice(-listMax);
          return playable.length === 0 ? (
            <Empty title={t('barriers.none')}>
              <p>{t('barriers.none.how')}</p>
            </Empty>
          ) : (
            <Theatre job={job} playable={playable} />
          );
        }}
      </WithJob>
    </>
  );
}

function Theatre({
  job,
  playable,
}: {
  readonly job: ReadyJob;
  readonly playable: readonly CheckpointSummary[];
}): ReactNode {
  const { t, say } = useText();
  const newest = playable.at(-1)?.checkpointId;
  // It stays with the one it shows, also when a newer one comes, unless it is to follow.
  const [chosen, setChosen] = useState(newest);
  const [isLive, setLive] = useState(false);
  // The next one waits until this one was seen to its end.
  const [isSeen, setSeen] = useState(true);
  useEffect(() => {
    if (!isLive || !isSeen || newest === chosen) return;
    setChosen(newest);
    setSeen(false);
  }, [isLive, isSeen, newest, chosen]);
  const { checkpoint, failure } = useCheckpoint(job, chosen);
  return (
    <>
      <div className="row">
        <select
          aria-label={t('barriers.which')}
          value={chosen}
          onChange={(event) => {
            setLive(false);
            setChosen(Number(event.target.value));
          }}
        >
          {[...playable].reverse().map(({ checkpointId, durationMs }) => (
            <option key={checkpointId} value={checkpointId}>
              {t('checkpoints.detail', { id: String(checkpointId) })} (
              {say({ kind: 'duration', ms: durationMs })})
            </option>
          ))}
        </select>
        <button
          type="button"
          className="button"
          aria-pressed={isLive}
          onClick={() => {
            setSeen(true);
            setLive(!isLive);
          }}
        >
          {t('barriers.live')}
        </button>
        {isLive && isSeen && <span className="soft">{t('barriers.live.waits')}</span>}
      </div>
      {checkpoint === undefined ? (
        <p className="soft">{failure ?? t('action.working')}</p>
      ) : (
        <Play
          key={checkpoint.checkpointId}
          description={job.description}
          checkpoint={checkpoint}
          starts={isLive && !isSeen}
          ended={() => setSeen(true)}
        />
      )}
    </>
  );
}

interface PlayProps {
  readonly description: JobDescription;
  readonly checkpoint: CheckpointMessage;
  /** It plays without being told to. */
  readonly starts: boolean;
  readonly ended: () => void;
}

function Play({ description, checkpoint, starts, ended }: PlayProps): ReactNode {
  const { t } = useText();
  const totalMs = Math.max(1, checkpoint.durationMs);
  const { atMs, isPlaying, seek, play, pause } = usePlayer(totalMs, { starts, ended });
  const frame = barrierFrame(description, checkpoint, atMs);
  const moments = useMemo(() => barrierMoments(checkpoint), [checkpoint]);
  return (
    <>
      <div className="row">
        <button type="button" className="button" data-kind="main" onClick={isPlaying ? pause : play}>
          {t(isPlaying ? 'barriers.pause' : 'barriers.play')}
        </button>
        <button
          type="button"
          className="button"
          onClick={() => seek(moments.find((moment) => moment > atMs + 0.001) ?? 0)}
        >
          {t('barriers.step')}
        </button>
        <span className="soft number">
          {t('barriers.slower', { factor: { kind: 'count', value: Math.max(1, playMs / totalMs) } })}
        </span>
      </div>
      <section className="card">
        <p className="barriers-now" aria-live="polite">
          <Said saying={barrierSaying(frame, { durationMs: totalMs }, atMs)} />
        </p>
        <Scroll label={t('barriers.title')}>
          <Picture description={description} frame={frame} isPublished={atMs >= totalMs} />
        </Scroll>
        <label className="barriers-time">
          <span className="unseen">{t('barriers.time')}</span>
          <input
            type="range"
            min={0}
            max={totalMs}
            step={totalMs / 500}
            value={atMs}
            onChange={(event) => seek(Number(event.target.value))}
          />
          <span className="number">
            {t('barriers.at', {
              at: { kind: 'duration', ms: atMs },
              total: { kind: 'duration', ms: totalMs },
            })}
          </span>
        </label>
        <ul className="legend">
          {(['before', 'aligning', 'snapshot', 'writing', 'done'] as const).map((state) => (
            <li key={state}>
              <i className="swatch" data-barrier={state} />
              {t(`barriers.state.${state}`)}
            </li>
          ))}
        </ul>
        <p className="soft small">{t('barriers.measured')}</p>
      </section>
    </>
  );
}

interface Player {
  readonly atMs: number;
  readonly isPlaying: boolean;
  readonly seek: (atMs: number) => void;
  readonly play: () => void;
  readonly pause: () => void;
}

function usePlayer(totalMs: number, { starts, ended }: Pick<PlayProps, 'starts' | 'ended'>): Player {
  const [atMs, setAtMs] = useState(0);
  const [isPlaying, setPlaying] = useState(starts);
  const at = useRef(0);
  at.current = atMs;
  const tell = useRef(ended);
  tell.current = ended;
  useEffect(() => {
    if (!isPlaying) return undefined;
    let before: number | undefined;
    let frame = window.requestAnimationFrame(function step(now) {
      const next = at.current + ((now - (before ?? now)) / playMs) * totalMs;
      before = now;
      setAtMs(Math.min(totalMs, next));
      if (next >= totalMs) {
        setPlaying(false);
        tell.current();
      } else frame = window.requestAnimationFrame(step);
    });
    return () => window.cancelAnimationFrame(frame);
  }, [isPlaying, totalMs]);
  return {
    atMs,
    isPlaying,
    seek(to) {
      setPlaying(false);
      setAtMs(to);
    },
    play() {
      if (at.current >= totalMs) setAtMs(0);
      setPlaying(true);
    },
    pause: () => setPlaying(false),
  };
}

function Picture({
  description,
  frame,
  isPublished,
}: {
  readonly description: JobDescription;
  readonly frame: BarrierFrame;
  readonly isPublished: boolean;
}): ReactNode {
  const { t } = useText();
  const columns = columnsOf(description);
  const rows = Math.max(
    ...description.vertices.map((_, vertex) => rowsOf(description, columns, vertex).height),
  );
  const height = head + rows * (boxHeight + rowGap);
  // The frame of a box is half outside of it.
  const width = (Math.max(...columns) + 1) * (boxWidth + columnGap) + boxWidth + 2;
  const place = (vertex: number, subtask: number): { x: number; y: number } => ({
    x: (columns[vertex]! + 1) * (boxWidth + columnGap),
    y: head + (rowsOf(description, columns, vertex).start + subtask) * (boxHeight + rowGap),
  });
  const manager = { x: 0, y: head + ((rows - 1) * (boxHeight + rowGap)) / 2 };
  const isDrawn = ({ subtask }: { subtask: number }): boolean => subtask < rowsMax;
  const barriers = frame.barriers.filter(({ from, to }) => isDrawn(to) && (from === null || isDrawn(from)));
  return (
    <svg
      className="barriers"
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      role="img"
      aria-label={t('barriers.picture')}
    >
      {barriers.map(({ from, to, progress }) => {
        const start = from === null ? manager : place(from.vertex, from.subtask);
        const end = place(to.vertex, to.subtask);
        const [x1, y1, x2, y2] = [start.x + boxWidth, start.y + boxHeight / 2, end.x, end.y + boxHeight / 2];
        const x = x1 + (x2 - x1) * progress;
        const y = y1 + (y2 - y1) * progress;
        const id = `${from === null ? 'manager' : `${from.vertex}/${from.subtask}`}>${to.vertex}/${to.subtask}`;
        return (
          <g key={id}>
            <line className="barriers-way" data-trigger={from === null} x1={x1} y1={y1} x2={x2} y2={y2} />
            {progress > 0 && progress < 1 && (
              <rect className="barriers-barrier" x={x - 3} y={y - 11} width={6} height={22} rx={2} />
            )}
          </g>
        );
      })}
      <g className="barriers-box" data-barrier={isPublished ? 'done' : 'before'}>
        <rect x={manager.x + 1} y={manager.y} width={boxWidth} height={boxHeight} rx={8} />
        <text x={manager.x + 12} y={manager.y + 20}>
          JobManager
        </text>
        <text className="barriers-word" x={manager.x + 12} y={manager.y + 37}>
          {t(isPublished ? 'barriers.manager.done' : 'barriers.manager.waits')}
        </text>
      </g>
      {frame.subtasks.filter(isDrawn).map(({ vertex, subtask, state }) => {
        const { x, y } = place(vertex, subtask);
        return (
          <g key={`${vertex}/${subtask}`} className="barriers-box" data-barrier={state}>
            <rect x={x} y={y} width={boxWidth} height={boxHeight} rx={8} />
            <text x={x + 12} y={y + 20}>
              {shortened(labelOf(description, vertex))}[{subtask}]
            </text>
            <text className="barriers-word" x={x + 12} y={y + 37}>
              {t(`barriers.state.${state}`)}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

function shortened(name: string): string {
  return name.length <= 20 ? name : `${name.slice(0, 19)}…`;
}

/** How many edges a vertex is away from the sources. */
function columnsOf(description: JobDescription): number[] {
  const columns = description.vertices.map(() => 0);
  // Vertices come in the order of the data, so one pass is enough.
  for (const { from, to } of [...description.edges].sort((left, right) => left.from - right.from)) {
    columns[to] = Math.max(columns[to] ?? 0, (columns[from] ?? 0) + 1);
  }
  return columns;
}

/** Where a vertex begins in its column, and how many rows it has. */
function rowsOf(
  description: JobDescription,
  columns: readonly number[],
  vertex: number,
): { readonly start: number; readonly height: number } {
  const sizeOf = (index: number): number => Math.min(rowsMax, description.vertices[index]?.parallelism ?? 0);
  let start = 0;
  for (let index = 0; index < vertex; index += 1) {
    if (columns[index] === columns[vertex]) start += sizeOf(index);
  }
  return { start, height: start + sizeOf(vertex) };
}
