// What a world must give, by a naive sequential program over all of its records. Imports nothing from `src/`.

import { countOf, type Item, itemOf, type JobSpec, type Keyed, type SourceSpec, type Step } from './world.ts';

/** The number, the sum and the exclusive-or of the hashes of records: what is lost and doubled cannot cancel out. */
export interface Tally {
  readonly count: number;
  readonly sum: number;
  readonly xor: number;
}

/** The results of a world. A group may come in parts, which are added up; lines come as they are. */
export interface Expected {
  readonly lines: ReadonlyMap<string, number>;
  readonly groups: ReadonlyMap<string, Tally>;
  readonly side: ReadonlyMap<string, number>;
}

/** What a line of output says. */
export type OutputLine =
  | { readonly kind: 'group'; readonly group: string; readonly tally: Tally }
  | { readonly kind: 'line'; readonly line: string };

export const EMPTY: Tally = { count: 0, sum: 0, xor: 0 };

/** FNV-1a of the text of a record, 32 bits. */
export function hashOf({ id, v }: Item): number {
  let hash = 0x811c9dc5;
  for (const character of `${id}:${v}`) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  return hash >>> 0;
}

/** A tally with one record more. */
export function tallyWith({ count, sum, xor }: Tally, item: Item): Tally {
  return { count: count + 1, sum: sum + item.v, xor: (xor ^ hashOf(item)) >>> 0 };
}

/** Two tallies as one. */
export function tallyOfBoth(left: Tally, right: Tally): Tally {
  return {
    count: left.count + right.count,
    sum: left.sum + right.sum,
    xor: (left.xor ^ right.xor) >>> 0,
  };
}

/** The text of a group of the output. */
export function groupLine(group: readonly (string | number)[], { count, sum, xor }: Tally): string {
  return JSON.stringify(['group', group, count, sum, xor]);
}

/** Reads a line of output. */
export function parseLine(line: string): OutputLine {
  if (!line.startsWith('["group"')) return { kind: 'line', line };
  const [, group, count, sum, xor] = JSON.parse(line) as [string, unknown[], number, number, number];
  return { kind: 'group', group: JSON.stringify(group), tally: { count, sum, xor } };
}

/** The sequential interpretation of a job. */
export function expectedOf(job: JobSpec): Expected {
  const side: string[] = [];
  const streams = job.sources.map((source) =>
    source.steps.reduce(
      (items, step, index) => applyStep(items, step, job.parallelism, side, `${source.name}.${index}`),
      itemsOf(source),
    ),
  );
  const all = streams.flat();
  const results = keyedResults(job.keyed, job.selfUnion ? [...all, ...all] : all, streams);
  return {
    lines: counted(results.flatMap((each) => (each.kind === 'line' ? [each.line] : []))),
    groups: summed(results),
    side: counted(side),
  };
}

/** The sums of all groups among lines of output. */
export function summed(lines: readonly OutputLine[]): Map<string, Tally> {
  const groups = new Map<string, Tally>();
  for (const each of lines) {
    if (each.kind !== 'group') continue;
    groups.set(each.group, tallyOfBoth(groups.get(each.group) ?? EMPTY, each.tally));
  }
  return groups;
}

/** How often each line is there. */
export function counted(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

function itemsOf(source: SourceSpec): Item[] {
  return Array.from({ length: source.splits }, (_, split) =>
    Array.from({ length: countOf(source, split) }, (_, index) => itemOf(source, split, index)),
  ).flat();
}

function applyStep(items: Item[], step: Step, parallelism: number, side: string[], stage: string): Item[] {
  switch (step.kind) {
    case 'map':
      return items.map((item) => ({ ...item, v: item.v + step.add }));
    case 'filter':
      return items.filter((item) => item.v % step.modulus !== step.rest);
    case 'flat-map':
      return items.flatMap((item) =>
        Array.from({ length: step.copies }, (_, copy) => ({ ...item, id: `${item.id}/${copy}` })),
      );
    case 'partition':
      return step.by === 'broadcast'
        ? items.flatMap((item) => Array.from({ length: parallelism }, () => item))
        : items;
    case 'split-off':
      for (const item of items) if (item.v % step.modulus === 0) side.push(`${stage} ${item.id} ${item.v}`);
      return items.filter((item) => item.v % step.modulus !== 0);
    case 'async':
      return items;
  }
}

function keyedResults(keyed: Keyed, items: readonly Item[], streams: readonly Item[][]): OutputLine[] {
  if (keyed.kind === 'pairs') return pairs(keyed, streams);
  const byKey = Map.groupBy(items, ({ key }) => key);
  return [...byKey].flatMap(([key, own]) => resultsOfKey(keyed, key, own));
}

function pairs(
  { lower, upper }: { readonly lower: number; readonly upper: number },
  [left = [], right = []]: readonly Item[][],
): OutputLine[] {
  return left.flatMap((one) =>
    right
      .filter(({ key, at }) => key === one.key && at >= one.at + lower && at <= one.at + upper)
      .map((two): OutputLine => ({ kind: 'line', line: `pair ${one.id} ${two.id}` })),
  );
}

function resultsOfKey(
  keyed: Exclude<Keyed, { kind: 'pairs' }>,
  key: string,
  items: readonly Item[],
): OutputLine[] {
  const group = (name: readonly (string | number)[], own: readonly Item[]): OutputLine =>
    parseLine(groupLine(name, own.reduce(tallyWith, EMPTY)));
  switch (keyed.kind) {
    case 'totals':
      return [group(['totals', key], items)];
    case 'each':
      return [
        group(['each', key], items),
        ...items.map(({ id, v }): OutputLine => ({ kind: 'line', line: `each ${key} ${id} ${v}` })),
      ];
    case 'distinct':
      return [{ kind: 'line', line: `distinct ${key} ${new Set(items.map(({ id }) => id)).size}` }];
    case 'rules':
      return [
        group(['rules', key], items),
        { kind: 'line', line: `rules ${key} ${Array.from({ length: keyed.rules }, (_, at) => at).join()}` },
      ];
    case 'origins':
      return [...counted(items.map(({ id }) => `origin ${key} ${id}`))].map(
        ([line, count]): OutputLine => ({ kind: 'line', line: `${line} ${count}` }),
      );
    case 'ticks':
      return [group(['ticks', key], items)];
    case 'evicted':
      return windowed(items, ({ at }) => [Math.floor(at / keyed.size) * keyed.size]).flatMap(
        ([start, own]) => {
          const left = own.filter(({ v }) => v % keyed.modulus !== 0);
          return left.length === 0 ? [] : [group(['evicted', key, start], left)];
        },
      );
    case 'buckets':
    case 'tumbling':
      return windowed(items, ({ at }) => [Math.floor(at / keyed.size) * keyed.size]).map(([start, own]) =>
        group([keyed.kind, key, start], own),
      );
    case 'sliding':
      return windowed(items, ({ at }) => startsOf(at, keyed)).map(([start, own]) =>
        group(['sliding', key, start], own),
      );
    case 'session':
      return sessionsOf(items, keyed.gap).map((own) =>
        group(['session', key, own[0]!.at, own.at(-1)!.at + keyed.gap], own),
      );
  }
}

function windowed(items: readonly Item[], startsOfItem: (item: Item) => number[]): [number, Item[]][] {
  const windows = new Map<number, Item[]>();
  for (const item of items) {
    for (const start of startsOfItem(item)) windows.set(start, [...(windows.get(start) ?? []), item]);
  }
  return [...windows];
}

function startsOf(at: number, { size, slide }: { readonly size: number; readonly slide: number }): number[] {
  const starts: number[] = [];
  for (let start = Math.floor(at / slide) * slide; start > at - size; start -= slide) starts.push(start);
  return starts;
}

/** Two records are in one session when less than the gap, or exactly the gap, lies between them. */
function sessionsOf(items: readonly Item[], gap: number): Item[][] {
  const sessions: Item[][] = [];
  for (const item of items.toSorted((left, right) => left.at - right.at)) {
    const last = sessions.at(-1);
    if (last !== undefined && item.at <= last.at(-1)!.at + gap) last.push(item);
    else sessions.push([item]);
  }
  return sessions;
}
