/** What savepoints hold as text and as JSON: values of any kind on one line. */

import { inspect } from 'node:util';
import type { OperatorContents, OperatorDiff } from '../savepoints/index.ts';
import { formatBytes, formatCount } from './format.ts';

/** A value on one line, cut where it is long. */
export function valueText(value: unknown): string {
  const text = inspect(value, {
    depth: 6,
    breakLength: Number.POSITIVE_INFINITY,
    maxArrayLength: 20,
    maxStringLength: 200,
    compact: true,
    sorted: true,
  });
  return text.length <= VALUE_LENGTH_MAX ? text : `${text.slice(0, VALUE_LENGTH_MAX)}…`;
}

const VALUE_LENGTH_MAX = 400;

/** A value as JSON data: maps as pairs, sets as arrays, bytes as base64, dates in ISO 8601, large integers as text. */
export function jsonOf(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([key, each]) => [jsonOf(key), jsonOf(each)]);
  if (value instanceof Set) return [...value].map(jsonOf);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, jsonOf(each)]));
}

/** The lines of an operator: what it is, and each part of its state. */
export function contentsText(contents: OperatorContents): string {
  const { uid, name, parallelism, maxParallelism, bytes, states, sections } = contents;
  const named = name === uid ? '' : ` (${name})`;
  const head = `${uid}${named}, ${formatCount(parallelism)} of ${formatCount(maxParallelism)}, ${formatBytes(bytes)}`;
  const timers = [
    ['event-time', contents.eventTimers],
    ['processing-time', contents.processingTimers],
  ] as const;
  const lines = [
    ...states.map(
      ({ name: state, kind, entries, bytes: size }) =>
        `${state}: ${kind}, ${formatCount(entries)} keys, ${formatBytes(size)}`,
    ),
    ...timers.flatMap(([domain, count]) =>
      count === 0 ? [] : [`${formatCount(count)} ${domain} timer${count === 1 ? '' : 's'}`],
    ),
    ...sections.flatMap(({ name: section, redistribution, items, bytes: size }) =>
      items === 0 ? [] : [`${section}: ${redistribution}, ${formatCount(items)} items, ${formatBytes(size)}`],
    ),
  ];
  return `${[head, ...lines.map((line) => `  ${line}`)].join('\n')}\n`;
}

/** The lines of the differences of an operator. */
export function diffText({ uid, in: side, states, sections, timers, notCompared }: OperatorDiff): string {
  if (side !== 'both') return `${uid}: only in the ${side === 'left' ? 'first' : 'second'} one\n`;
  const lines = [
    ...(notCompared === undefined ? [] : [`keyed state was not compared: ${notCompared}`]),
    ...states.flatMap(({ name, added, removed, changed, examples }) => [
      `${name}: ${formatCount(added)} added, ${formatCount(removed)} removed, ${formatCount(changed)} changed`,
      ...examples.map(
        ({ key, namespace, left, right }) =>
          `  ${valueText(key)}${namespace === undefined ? '' : ` ${valueText(namespace)}`}: ${sideText(left)} → ${sideText(right)}`,
      ),
    ]),
    ...sections.map((section) => `${section} differs`),
    ...(timers === 0 ? [] : [`timers differ in ${formatCount(timers)} key groups`]),
  ];
  return `${[`${uid}:`, ...lines.map((line) => `  ${line}`)].join('\n')}\n`;
}

function sideText(value: unknown): string {
  return value === undefined ? 'nothing' : valueText(value);
}
