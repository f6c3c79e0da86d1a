// The reference: what a random job must produce, computed by a naive sequential program. Written from the semantics
// of Flink (keyed state, event-time timers, partitioners); imports nothing from `src/`.

import { type Item, type JobSpec, type Step, isKeyedPoison, isPoisoned, itemsOf } from './job-spec.ts';

/** The results of one job: lines per output, in no particular order, but for `rolling`, whose order per key counts. */
export interface Expected {
  readonly main: readonly string[];
  readonly side: readonly string[];
  /** Lines per key in order, for `rolling`. */
  readonly sequences: ReadonlyMap<string, readonly string[]> | undefined;
}

/** The sequential interpretation of a job. */
export function expectedOf(spec: JobSpec): Expected {
  const side: string[] = [];
  const apply = (items: Item[], steps: readonly Step[], stage: string): Item[] =>
    steps.reduce(
      (found, step, index) => applyStep(found, step, spec.parallelism, side, `${stage}.${index}`),
      items,
    );
  let items = spec.sources.flatMap((source, index) =>
    apply(itemsOf(source, index), source.steps, source.name),
  );
  if (spec.selfUnion) items = [...items, ...items];
  items = apply(items, spec.steps, 'all');
  return { ...keyedResults(spec, items), side };
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
    case 'poison':
      return items.filter((item) => !isPoisoned(step, item.v));
  }
}

function keyedResults(spec: JobSpec, items: Item[]): Omit<Expected, 'side'> {
  const byKey = new Map<string, Item[]>();
  const good = items.filter((item) => !isKeyedPoison(spec, item.v));
  for (const item of good) byKey.set(item.key, [...(byKey.get(item.key) ?? []), item]);
  const main: string[] = [];
  const sequences = new Map<string, string[]>();
  for (const [key, own] of byKey) {
    const lines = keyLines(spec, key, own);
    main.push(...lines);
    sequences.set(key, lines);
  }
  return { main, sequences: spec.keyed.kind === 'rolling' ? sequences : undefined };
}

function keyLines(spec: JobSpec, key: string, items: Item[]): string[] {
  const keyed = spec.keyed;
  switch (keyed.kind) {
    case 'totals':
      return [JSON.stringify(['totals', key, items.length, sum(items)])];
    case 'distinct':
      return [JSON.stringify(['distinct', key, new Set(items.map((item) => item.id)).size])];
    case 'buckets': {
      const buckets = new Map<number, Item[]>();
      for (const item of items) {
        const bucket = Math.floor(item.at / keyed.size) * keyed.size;
        buckets.set(bucket, [...(buckets.get(bucket) ?? []), item]);
      }
      return [...buckets].map(([bucket, own]) =>
        JSON.stringify(['bucket', key, bucket, own.length, sum(own)]),
      );
    }
    case 'rolling': {
      let running = 0;
      return items.map((item, index) => {
        running += item.v;
        return JSON.stringify(['rolling', key, index + 1, running]);
      });
    }
  }
}

function sum(items: readonly Item[]): number {
  return items.reduce((total, item) => total + item.v, 0);
}
