// Job graph: what goes over each edge, how each vertex spends its time, and who slows the others down.
import {
  BaseEdge,
  Controls,
  type Edge,
  EdgeLabelRenderer,
  type EdgeProps,
  getBezierPath,
  Handle,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
} from '@xyflow/react';
import '@xyflow/react/dist/style.css';
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import type {
  EdgeDescription,
  EdgeFigures,
  VertexDescription,
  VertexFiguresMessage,
  WatermarkValue,
} from '../../../../src/rest/contract.ts';
import { culpritOf } from '../conclusions/culprit.ts';
import { graphPicture, type PictureColour, pictureColours, writtenBy } from '../conclusions/graph-picture.ts';
import { vertexLabel } from '../conclusions/names.ts';
import { orderOf, watermarkLanes } from '../conclusions/watermark.ts';
import { addressNumber } from '../live/address.ts';
import { download } from '../live/download.ts';
import { Badge, PaneHead, TimeBar, TimeLegend, Verdict } from '../parts/basic.tsx';
import { layoutOf, nodeWidth } from '../parts/graph-layout.ts';
import { type ReadyJob, WithJob } from '../parts/job.tsx';
import { VertexDetail } from '../parts/vertex-detail.tsx';
import { WhichKey } from '../parts/which-key.tsx';
import { useText } from '../settings.tsx';

const narrow = '(max-width: 700px)';

/** The pane. */
export function GraphPane(): ReactNode {
  return (
    <>
      <PaneHead title="graph.title" lead="graph.lead" />
      <WithJob>{(job) => <Graph job={job} />}</WithJob>
    </>
  );
}

interface VertexData extends Record<string, unknown> {
  readonly plan: VertexDescription;
  /** Records flow from top to bottom instead of from left to right. */
  readonly isNarrow: boolean;
  /** The operators of its chain are shown. */
  readonly isOpened: boolean;
  readonly toggle: () => void;
  readonly figures: VertexFiguresMessage | undefined;
  readonly isCulprit: boolean;
  readonly isVictim: boolean;
  readonly watermark: WatermarkValue;
  /** How far that is behind the furthest one of the job; not finite where there is none. */
  readonly behindMs: number;
}

interface EdgeData extends Record<string, unknown> {
  readonly plan: EdgeDescription;
  readonly figures: EdgeFigures | undefined;
}

function Graph({ job }: { readonly job: ReadyJob }): ReactNode {
  const { description, figures } = job;
  const { t, say } = useText();
  const [chosen, setChosen] = useState(() => addressNumber('vertex'));
  const isNarrow = useIsNarrow();
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const places = useMemo(() => layoutOf(description, { isNarrow, opened }), [description, isNarrow, opened]);
  const chains = description.vertices.flatMap(({ operators }, index) =>
    operators.length > 1 ? [index] : [],
  );
  const toggle = (index: number): void =>
    setOpened(
      opened.has(index) ? new Set([...opened].filter((each) => each !== index)) : new Set([...opened, index]),
    );
  const watermarks = watermarkLanes(description, figures)
    .filter(({ split }) => split === null)
    .map(({ watermark }) => watermark);
  const front = Math.max(...watermarks.map(orderOf).filter(Number.isFinite));
  const shown = chosen ?? figures.culprit?.vertex ?? description.vertices.length - 1;
  const nodes: Node<VertexData>[] = description.vertices.map((plan, index) => {
    const own = figures.vertices[index];
    return {
      id: String(index),
      type: 'vertex',
      position: places.nodes[index] ?? { x: 0, y: 0 },
      width: nodeWidth,
      height: places.nodes[index]?.height ?? 0,
      selected: shown === index,
      draggable: false,
      connectable: false,
      ariaLabel: vertexLabel(plan),
      data: {
        plan,
        isNarrow,
        isOpened: opened.has(index),
        toggle: () => toggle(index),
        figures: own,
        isCulprit: figures.culprit?.vertex === index,
        isVictim: figures.culprit?.victims.includes(index) ?? false,
        watermark: watermarks[index] ?? 'none',
        behindMs: front - orderOf(watermarks[index] ?? 'none'),
      },
    };
  });
  const edges: Edge<EdgeData>[] = description.edges.map((plan, index) => ({
    id: String(plan.edge),
    type: 'rate',
    source: String(plan.from),
    target: String(plan.to),
    focusable: false,
    data: { plan, figures: figures.edges[index] },
  }));
  return (
    <>
      <Verdict conclusion={culpritOf(description, figures)}>
        {figures.culprit?.why === 'hot-key' && <WhichKey job={job} vertex={figures.culprit.vertex} />}
      </Verdict>
      <section className="card">
        <div className="row">
          {chains.length > 0 && (
            <button
              type="button"
              className="button"
              aria-pressed={opened.size > 0}
              onClick={() => setOpened(opened.size > 0 ? new Set() : new Set(chains))}
            >
              {t(opened.size > 0 ? 'graph.close-all' : 'graph.open-all')}
            </button>
          )}
          <button
            type="button"
            className="button"
            onClick={() =>
              download(
                'millrace-graph.svg',
                graphPicture({
                  ...{ description, figures, nodeWidth, layout: places, isNarrow, opened },
                  colours: coloursOf(),
                  rate: (value) => say({ kind: 'rate', value }),
                  words: {
                    culprit: `✕ ${t('graph.culprit')}`,
                    waits: `‖ ${t('graph.waits')}`,
                    busy: (value) => t('graph.busy', { share: { kind: 'share', value } }),
                  },
                }),
                'image/svg+xml',
              )
            }
          >
            {t('graph.download')}
          </button>
        </div>
        <div
          className="graph"
          style={{ height: Math.min(isNarrow ? 1200 : 620, Math.max(240, places.height + 64)) }}
        >
          <ReactFlow
            key={`${isNarrow}/${[...opened].join()}`}
            nodes={nodes}
            edges={edges}
            nodeTypes={nodeTypes}
            edgeTypes={edgeTypes}
            onNodeClick={(_event, node) => setChosen(Number(node.id))}
            onNodesChange={(changes) => {
              // Keys select a node by this alone.
              const selected = changes.find((change) => change.type === 'select' && change.selected);
              if (selected?.type === 'select') setChosen(Number(selected.id));
            }}
            fitView
            fitViewOptions={{ padding: { x: '16px', y: '16px', right: '72px' }, maxZoom: 1.1 }}
            minZoom={0.2}
            zoomOnScroll={false}
            preventScrolling={false}
            nodesConnectable={false}
            proOptions={{ hideAttribution: true }}
          >
            <Controls showInteractive={false} position="bottom-right" />
          </ReactFlow>
        </div>
        <TimeLegend />
      </section>
      <p className="soft">{t('graph.choose')}</p>
      <VertexDetail job={job} vertex={shown} />
    </>
  );
}

function VertexNode({ data, selected }: NodeProps<Node<VertexData>>): ReactNode {
  const { t, say } = useText();
  const { plan, figures, isNarrow, isOpened, toggle, isCulprit, isVictim, watermark, behindMs } = data;
  const rates =
    figures === undefined
      ? []
      : [
          plan.isSource
            ? { name: t('graph.reads'), value: figures.operators[0]?.recordsOutPerSecond ?? 0 }
            : { name: t('graph.in'), value: figures.recordsInPerSecond },
          plan.isSink
            ? { name: t('graph.writes'), value: writtenBy(plan, figures) }
            : { name: t('graph.out'), value: figures.recordsOutPerSecond },
        ];
  return (
    <div
      className="vertex"
      data-vertex={vertexLabel(plan)}
      data-culprit={isCulprit}
      data-victim={isVictim}
      data-selected={selected}
    >
      {!plan.isSource && (
        <Handle type="target" position={isNarrow ? Position.Top : Position.Left} isConnectable={false} />
      )}
      <div className="vertex-name">
        <b title={plan.name}>{vertexLabel(plan)}</b>
        <span className="number soft" title={t('word.parallelism')}>
          ×{plan.parallelism}
        </span>
      </div>
      {plan.operators.length > 1 ? (
        <button
          type="button"
          className="vertex-chain link soft nodrag nopan"
          title={plan.name}
          aria-expanded={isOpened}
          onClick={(event) => {
            event.stopPropagation();
            toggle();
          }}
          // What is pressed here does not choose the vertex as well.
          onKeyDown={(event) => event.stopPropagation()}
        >
          <span className="unseen">
            {t(isOpened ? 'graph.close' : 'graph.open', { operator: vertexLabel(plan) })}:{' '}
          </span>
          <span aria-hidden="true">{isOpened ? '▾' : '▸'}</span> {plan.name}
        </button>
      ) : (
        <div className="vertex-chain soft" title={plan.name}>
          {plan.name}
        </div>
      )}
      <dl className="vertex-rates number">
        {rates.map(({ name, value }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{say({ kind: 'rate', value })}</dd>
          </div>
        ))}
      </dl>
      <TimeBar busy={figures?.busyShare ?? 0} pressure={figures?.backPressuredShare ?? 0} />
      <div className="vertex-foot soft number">
        {isCulprit ? (
          <Badge tone="bad">✕ {t('graph.culprit')}</Badge>
        ) : isVictim ? (
          <Badge tone="warn">‖ {t('graph.waits')}</Badge>
        ) : (
          <span>{t('graph.busy', { share: { kind: 'share', value: figures?.busyShareMax ?? 0 } })}</span>
        )}
        <span>
          {Number.isFinite(behindMs)
            ? t('graph.behind', { age: say({ kind: 'duration', ms: behindMs }) })
            : t(watermark === 'end' ? 'watermark.word.end' : 'graph.no-watermark')}
        </span>
      </div>
      {isOpened && (
        <ol className="vertex-operators small">
          {plan.operators.map((operator, index) => {
            const own = figures?.operators[index];
            const value =
              (operator.kind === 'source' ? own?.recordsOutPerSecond : own?.recordsInPerSecond) ?? 0;
            return (
              <li key={operator.uid} data-kind={operator.kind}>
                <span title={`${operator.name} (${operator.uid})`}>{operator.uid}</span>
                <span className="number soft">{say({ kind: 'rate', value })}</span>
              </li>
            );
          })}
        </ol>
      )}
      {!plan.isSink && (
        <Handle type="source" position={isNarrow ? Position.Bottom : Position.Right} isConnectable={false} />
      )}
    </div>
  );
}

function RateEdge(props: EdgeProps<Edge<EdgeData>>): ReactNode {
  const { say } = useText();
  const [path, labelX, labelY] = getBezierPath(props);
  const rate = props.data?.figures?.recordsPerSecond ?? 0;
  const width = 1.5 + Math.min(6, Math.log10(1 + rate) * 1.3);
  return (
    <>
      <BaseEdge path={path} className="edge" style={{ strokeWidth: width }} />
      {rate > 0 && <path d={path} className="edge-flow" style={{ strokeWidth: Math.max(2, width * 0.6) }} />}
      <EdgeLabelRenderer>
        <div
          className="edge-label number"
          style={{ transform: `translate(-50%, -50%) translate(${labelX}px, ${labelY}px)` }}
        >
          <b>{say({ kind: 'rate', value: rate })}</b>
          <span className="soft">
            {props.data?.plan.partitioner}
            {props.data?.plan.tag !== null && ` · ${props.data?.plan.tag}`}
          </span>
        </div>
      </EdgeLabelRenderer>
    </>
  );
}

/** The colours as they are on the page now, light or dark. */
function coloursOf(): Record<PictureColour, string> {
  const probe = document.createElement('span');
  document.body.append(probe);
  const colours = Object.fromEntries(
    pictureColours.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    }),
  ) as Record<PictureColour, string>;
  probe.remove();
  return colours;
}

function useIsNarrow(): boolean {
  const [isNarrow, setNarrow] = useState(() => window.matchMedia(narrow).matches);
  useEffect(() => {
    const query = window.matchMedia(narrow);
    const change = (): void => setNarrow(query.matches);
    query.addEventListener('change', change);
    return () => query.removeEventListener('change', change);
  }, []);
  return isNarrow;
}

const nodeTypes = { vertex: VertexNode };
const edgeTypes = { rate: RateEdge };
