// Lines over time, drawn by uPlot in the colours of the page; follows its width and redraws without flicker.
import { type ReactNode, useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useSettings } from '../settings.tsx';
import { moment } from '../text/units.ts';

/** A plot that has just begun shows at least so much time. */
const windowSecondsMin = 60;

/** One line. */
export interface Series {
  readonly name: string;
  /** One for each time; `null` is a hole. */
  readonly values: readonly (number | null)[];
  /** 1 to 6: a colour of the page. */
  readonly colour: number;
  /** Filled down to zero. */
  readonly isArea?: boolean;
}

/** What a plot shows. */
export interface PlotProps {
  /** For those who cannot see it. */
  readonly label: string;
  /** ms since the epoch, ascending. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly height?: number;
  /** A value with its unit, for the legend. */
  readonly format: (value: number) => string;
  /** A value for the axis; default: with its unit too. */
  readonly formatAxis?: (value: number) => string;
  readonly max?: number;
  /** A line goes on over holes: its values come at other times than those of other lines. */
  readonly spansGaps?: boolean;
}

/** A plot. */
export function Plot(props: PlotProps): ReactNode {
  const { label, series, height = 180 } = props;
  const { settings } = useSettings();
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shape = `${series.map(({ name, colour }) => `${name}/${colour}`).join('|')}/${height}/${props.max ?? ''}`;

  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew when its lines or the colours change; data follow below
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const made = new uPlot(
      optionsOf(element, latest.current, {
        height,
        isUtc: settings.zone === 'UTC',
        times: () => latest.current.times,
      }),
      dataOf(latest.current),
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width > 0 && width !== made.width) made.setSize({ width, height });
    });
    observer.observe(element);
    const scheme = window.matchMedia('(prefers-color-scheme: dark)');
    const redraw = (): void => made.redraw();
    scheme.addEventListener('change', redraw);
    return () => {
      scheme.removeEventListener('change', redraw);
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, settings.scheme, settings.language, settings.zone]);

  useEffect(() => plot.current?.setData(dataOf(props)));
  return (
    <figure className="plot" role="img" aria-label={label}>
      <div ref={place} className="plot-place" />
      <figcaption>
        <ul className="legend">
          {series.map(({ name, colour, values }) => (
            <li key={name}>
              <i className="swatch" data-series={colour} />
              {name} <b className="number">{lastText(values, props.format)}</b>
            </li>
          ))}
        </ul>
      </figcaption>
    </figure>
  );
}

function lastText(values: readonly (number | null)[], format: (value: number) => string): string {
  const last = values.findLast((value) => value !== null);
  return last === undefined || last === null ? '–' : format(last);
}

function dataOf({ times, series }: PlotProps): uPlot.AlignedData {
  return [times.map((at) => at / 1000), ...series.map(({ values }) => [...values])];
}

function optionsOf(
  element: HTMLElement,
  { series, format, formatAxis = format, max, spansGaps = false }: PlotProps,
  {
    height,
    isUtc,
    times,
  }: { readonly height: number; readonly isUtc: boolean; readonly times: () => readonly number[] },
): uPlot.Options {
  const colour =
    (name: string): (() => string) =>
    () =>
      colourOf(element, name);
  const axis: uPlot.Axis = {
    stroke: colour('--ink-soft'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  };
  return {
    width: Math.max(200, element.clientWidth),
    height,
    // Half of the last time is beyond the end of its axis.
    padding: [8, 30, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      x: { range: () => rangeOf(times()) },
      y: { range: (_plot, _low, high) => [0, max ?? niceTop(high)] },
    },
    axes: [
      {
        ...axis,
        size: 28,
        space: 90,
        values: (_plot, values) =>
          values.map((value) => moment(value * 1000, { zone: isUtc ? 'UTC' : 'local', now: value * 1000 })),
      },
      {
        ...axis,
        size: (_plot, texts) => 14 + 6.5 * Math.max(4, ...(texts ?? []).map((text) => text.length)),
        space: 34,
        values: (_plot, values) => values.map((value) => (value === null ? '' : formatAxis(value))),
      },
    ],
    series: [
      {},
      ...series.map(({ name, colour: index, isArea }) => ({
        label: name,
        width: 1.75,
        stroke: colour(`--series-${index}`),
        points: { show: false },
        spanGaps: spansGaps,
        ...(isArea === true && {
          fill: (): string =>
            `color-mix(in srgb, ${colourOf(element, `--series-${index}`)} 14%, transparent)`,
        }),
      })),
    ],
  };
}

// Not from what the library found: of a single moment it makes years.
function rangeOf(times: readonly number[]): [number, number] {
  const last = (times.at(-1) ?? 0) / 1000;
  return [Math.min((times[0] ?? 0) / 1000, last - windowSecondsMin), last];
}

function niceTop(high: number | null): number {
  if (high === null || !(high > 0)) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(high));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * magnitude >= high * 1.05) ?? 12;
  return step * magnitude;
}

// A canvas knows no custom properties: the colour is what a probe element has after the scheme was taken into account.
function colourOf(element: HTMLElement, name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
