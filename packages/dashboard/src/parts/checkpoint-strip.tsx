// All checkpoints that are kept as bars: height is duration, colour and mark say how they ended.
import { type ReactNode, useEffect, useRef } from 'react';
import type { CheckpointSummary } from '../../../../src/rest/contract.ts';
import { useText } from '../settings.tsx';

const barWidth = 7;
const gap = 3;
const height = 92;

/** The strip; the newest at the right. Arrow keys go from one to the next. */
export function CheckpointStrip({
  checkpoints,
  chosen,
  choose,
}: {
  readonly checkpoints: readonly CheckpointSummary[];
  readonly chosen: number;
  readonly choose: (id: number) => void;
}): ReactNode {
  const { t, say } = useText();
  const place = useRef<HTMLDivElement>(null);
  const longest = Math.max(1, ...checkpoints.map(({ durationMs }) => durationMs));
  const index = checkpoints.findIndex(({ checkpointId }) => checkpointId === chosen);
  const current = checkpoints[index];
  const newest = checkpoints.at(-1)?.checkpointId;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new checkpoint at the end is brought into view
  useEffect(() => {
    const element = place.current;
    if (element !== null) element.scrollLeft = element.scrollWidth;
  }, [newest]);
  const step = (by: number): void => {
    const next = checkpoints[Math.max(0, Math.min(checkpoints.length - 1, index + by))];
    if (next !== undefined) choose(next.checkpointId);
  };
  return (
    <div className="strip-frame">
      <div className="strip-axis soft small number" aria-hidden="true">
        <span>{say({ kind: 'duration', ms: longest })}</span>
        <span>0</span>
      </div>
      <div
        ref={place}
        className="strip"
        role="slider"
        tabIndex={0}
        aria-label={t('checkpoints.strip')}
        aria-valuemin={checkpoints[0]?.checkpointId ?? 0}
        aria-valuemax={newest ?? 0}
        aria-valuenow={chosen}
        aria-valuetext={
          current === undefined
            ? `#${chosen}`
            : `#${chosen}: ${t(`checkpoint.status.${current.status}`)}, ${say({ kind: 'duration', ms: current.durationMs })}`
        }
        onKeyDown={(event) => {
          const by = { ArrowLeft: -1, ArrowRight: 1, Home: -checkpoints.length, End: checkpoints.length }[
            event.key
          ];
          if (by === undefined) return;
          event.preventDefault();
          step(by);
        }}
      >
        <svg width={checkpoints.length * (barWidth + gap)} height={height} aria-hidden="true">
          <title>{t('checkpoints.strip')}</title>
          {checkpoints.map((checkpoint, at) => {
            const size = Math.max(3, (checkpoint.durationMs / longest) * (height - 14));
            return (
              // biome-ignore lint/a11y/noStaticElementInteractions: the strip around it takes the keys
              <g
                key={checkpoint.checkpointId}
                className="strip-bar"
                data-status={checkpoint.status}
                data-chosen={checkpoint.checkpointId === chosen}
                onClick={() => choose(checkpoint.checkpointId)}
              >
                <title>
                  {`#${checkpoint.checkpointId}: ${t(`checkpoint.status.${checkpoint.status}`)}, ${say({ kind: 'duration', ms: checkpoint.durationMs })}`}
                </title>
                <rect
                  className="strip-hit"
                  x={at * (barWidth + gap)}
                  y={0}
                  width={barWidth + gap}
                  height={height}
                />
                <rect x={at * (barWidth + gap) + 1} y={height - size} width={barWidth} height={size} rx={2} />
                {checkpoint.status === 'FAILED' && (
                  <text
                    x={at * (barWidth + gap) + 1 + barWidth / 2}
                    y={height - size - 3}
                    textAnchor="middle"
                  >
                    ✕
                  </text>
                )}
                {checkpoint.kind === 'savepoint' && (
                  <circle cx={at * (barWidth + gap) + 1 + barWidth / 2} cy={height - size - 6} r={2.5} />
                )}
              </g>
            );
          })}
        </svg>
      </div>
    </div>
  );
}
