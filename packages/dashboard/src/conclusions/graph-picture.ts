// The job graph as a picture of its own: an SVG text that needs no page, for a document or a slide.
import type {
  JobDescription,
  JobFiguresMessage,
  VertexDescription,
  VertexFiguresMessage,
} from '../../../../src/rest/contract.ts';
import { vertexLabel } from './names.ts';

/** What is drawn besides the plan. */
export interface PictureParts {
  readonly description: JobDescription;
  readonly figures: JobFiguresMessage;
  readonly nodeWidth: number;
  readonly layout: {
    /** By index of the vertex. */
    readonly nodes: readonly { readonly x: number; readonly y: number; readonly height: number }[];
    readonly width: number;
    readonly height: number;
  };
  readonly isNarrow: boolean;
  readonly opened: ReadonlySet<number>;
  readonly colours: Readonly<Record<PictureColour, string>>;
  /** A rate with its unit. */
  readonly rate: (value: number) => string;
  readonly words: {
    readonly culprit: string;
    readonly waits: string;
    readonly busy: (share: number) => string;
  };
}

/** The colours of the page that a picture takes. */
export const pictureColours = [
  'ground',
  'surface',
  'line-strong',
  'ink',
  'ink-soft',
  'accent',
  'busy',
  'pressure',
  'idle',
  'bad',
  'warn',
] as const;
/** One of them. */
export type PictureColour = (typeof pictureColours)[number];

const margin = 24;
/** Letters of a name; longer ones are cut, as text in a picture does not wrap. */
const lettersMax = 30;
const rowHeight = 26;

/** The whole picture. */
export function graphPicture(parts: PictureParts): string {
  const { description, layout, colours } = parts;
  const width = layout.width + 2 * margin;
  const height = layout.height + 2 * margin;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, 'Noto Sans', 'Noto Sans KR', sans-serif" font-size="13">`,
    `<title>${escaped(description.name)}</title>`,
    `<rect width="100%" height="100%" fill="${colours.ground}"/>`,
    `<g transform="translate(${margin} ${margin})">`,
    ...description.edges.map((edge, index) => edgePicture(parts, edge, index)),
    ...description.vertices.map((_vertex, index) => vertexPicture(parts, index)),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

function edgePicture(
  { layout, nodeWidth, isNarrow, figures, colours, rate }: PictureParts,
  { from, to, partitioner, tag }: JobDescription['edges'][number],
  index: number,
): string {
  const [source, target] = [layout.nodes[from], layout.nodes[to]];
  if (source === undefined || target === undefined) return '';
  const [x1, y1] = isNarrow
    ? [source.x + nodeWidth / 2, source.y + source.height]
    : [source.x + nodeWidth, source.y + source.height / 2];
  const [x2, y2] = isNarrow ? [target.x + nodeWidth / 2, target.y] : [target.x, target.y + target.height / 2];
  const [midX, midY] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const bend = isNarrow ? `${x1} ${midY} ${x2} ${midY}` : `${midX} ${y1} ${midX} ${y2}`;
  const perSecond = figures.edges[index]?.recordsPerSecond ?? 0;
  const width = 1.5 + Math.min(6, Math.log10(1 + perSecond) * 1.3);
  const how = tag === null ? partitioner : `${partitioner} · ${tag}`;
  return [
    `<path d="M${x1} ${y1} C${bend} ${x2} ${y2}" fill="none" stroke="${colours['line-strong']}" stroke-width="${width.toFixed(1)}"/>`,
    `<g text-anchor="middle" stroke="${colours.ground}" stroke-width="4" paint-order="stroke">`,
    `<text x="${midX}" y="${midY - 4}" fill="${colours.ink}" font-weight="600">${escaped(rate(perSecond))}</text>`,
    `<text x="${midX}" y="${midY + 12}" fill="${colours['ink-soft']}" font-size="12">${escaped(how)}</text>`,
    '</g>',
  ].join('');
}

function vertexPicture(parts: PictureParts, index: number): string {
  const { description, figures, layout, nodeWidth, opened, colours, rate, words } = parts;
  const [plan, own, place] = [description.vertices[index], figures.vertices[index], layout.nodes[index]];
  if (plan === undefined || place === undefined) return '';
  const isCulprit = figures.culprit?.vertex === index;
  const isVictim = figures.culprit?.victims.includes(index) ?? false;
  const frame = isCulprit ? colours.bad : isVictim ? colours.warn : colours['line-strong'];
  const barWidth = nodeWidth - 32;
  const busy = Math.min(1, own?.busyShare ?? 0) * barWidth;
  const pressure = Math.min(1, own?.backPressuredShare ?? 0) * barWidth;
  const reads = plan.isSource ? own?.operators[0]?.recordsOutPerSecond : own?.recordsInPerSecond;
  const text = (y: number, content: string, more = ''): string =>
    `<text x="16" y="${y}" fill="${colours['ink-soft']}" ${more}>${escaped(content)}</text>`;
  const end = isCulprit ? words.culprit : isVictim ? words.waits : words.busy(own?.busyShareMax ?? 0);
  return [
    `<g transform="translate(${place.x} ${place.y})">`,
    `<rect width="${nodeWidth}" height="${place.height}" rx="10" fill="${colours.surface}" stroke="${frame}" stroke-width="${isCulprit ? 3 : 1.5}"${isVictim ? ' stroke-dasharray="6 4"' : ''}/>`,
    `<text x="16" y="28" fill="${colours.ink}" font-size="15" font-weight="600">${escaped(cut(vertexLabel(plan)))}</text>`,
    `<text x="${nodeWidth - 16}" y="28" text-anchor="end" fill="${colours['ink-soft']}">×${plan.parallelism}</text>`,
    text(50, cut(plan.name, 36), 'font-size="12"'),
    text(
      76,
      `${rate(reads ?? 0)} → ${rate((plan.isSink ? own && writtenBy(plan, own) : own?.recordsOutPerSecond) ?? 0)}`,
    ),
    `<rect x="16" y="92" width="${barWidth}" height="8" rx="4" fill="${colours.idle}"/>`,
    `<rect x="16" y="92" width="${busy.toFixed(1)}" height="8" rx="4" fill="${colours.busy}"/>`,
    `<rect x="${(16 + busy).toFixed(1)}" y="92" width="${pressure.toFixed(1)}" height="8" rx="4" fill="${colours.pressure}"/>`,
    text(126, end),
    ...(opened.has(index)
      ? plan.operators.map((operator, at) => {
          const perSecond = own?.operators[at]?.recordsInPerSecond ?? 0;
          const shown =
            operator.kind === 'source' ? (own?.operators[at]?.recordsOutPerSecond ?? 0) : perSecond;
          const y = 158 + at * rowHeight;
          return [
            text(y, cut(operator.uid, 22), 'font-size="12"'),
            `<text x="${nodeWidth - 16}" y="${y}" text-anchor="end" fill="${colours.ink}" font-size="12">${escaped(rate(shown))}</text>`,
          ].join('');
        })
      : []),
    '</g>',
  ].join('');
}

/** What the sinks of a vertex write, records a second. */
export function writtenBy(plan: VertexDescription, figures: VertexFiguresMessage): number {
  return plan.operators.reduce(
    (sum, { kind }, index) =>
      kind === 'sink' ? sum + (figures.operators[index]?.recordsInPerSecond ?? 0) : sum,
    0,
  );
}

function cut(text: string, letters = lettersMax): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

/** Names come from jobs: they are text, whatever is in them. XML takes no control characters. */
function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\u{fffd}')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
