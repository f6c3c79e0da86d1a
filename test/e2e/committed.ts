// Reads the committed output of a file sink, and holds alerts against the known answer, and counts against what was counted.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { Alert } from './known-answer.ts';

/** The committed files of a folder: what begins with a dot or an underscore is in progress or administration. */
export function committedFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/(?:^|[/\\])[._]/.test(relative(folder, path)))
    .sort((left, right) => (left < right ? -1 : 1));
}

/** The committed alerts, file by file. */
export function committedAlerts(folder: string): Alert[] {
  return committedRecords<Alert>(folder);
}

/** The committed records, file by file; every line has to be whole. */
export function committedRecords<T>(folder: string): T[] {
  return committedFiles(folder).flatMap((path) => {
    const text = readFileSync(path, 'utf8');
    assert.ok(text === '' || text.endsWith('\n'), `${path} ends in the middle of a line`);
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as T);
  });
}

/** Right as far as it goes: of each key exactly its first alerts, each once, in their order within a file. */
export function assertPrefix(folder: string, answer: readonly Alert[]): number {
  const expected = Map.groupBy(answer, ({ key }) => key);
  const committed = committedAlerts(folder);
  for (const [key, alerts] of Map.groupBy(committed, (alert) => alert.key)) {
    const wanted = (expected.get(key) ?? []).slice(0, alerts.length).map((alert) => JSON.stringify(alert));
    const found = alerts.map(({ count, at }) => JSON.stringify({ key, count, at }));
    assert.deepEqual(
      found.toSorted(),
      wanted.toSorted(),
      `the committed alerts of "${key}" are its first ones`,
    );
  }
  for (const path of committedFiles(folder)) assertOrder(path, expected);
  return committed.length;
}

/** All of the answer, nothing else. */
export function assertComplete(folder: string, answer: readonly Alert[]): void {
  assert.equal(assertPrefix(folder, answer), answer.length, 'every alert was committed once');
}

/** Of a count by `keys` keys, `count` records in all: each count of each key once. */
export function assertCounts(
  folder: string,
  { keys, count }: { readonly keys: number; readonly count: number },
): void {
  const counts = new Map<string, Set<number>>();
  let records = 0;
  for (const { key, count: counted } of committedRecords<{ key: string; count: number }>(folder)) {
    records++;
    const seen = counts.get(key) ?? new Set();
    assert.ok(!seen.has(counted), `${key} was counted to ${counted} twice`);
    counts.set(key, seen.add(counted));
  }
  assert.equal(records, count);
  assert.equal(counts.size, keys);
}

// Equal alerts of a key (a repeated line) may stand for each other, so that only the way forward counts.
function assertOrder(path: string, expected: ReadonlyMap<string, readonly Alert[]>): void {
  const next = new Map<string, number>();
  for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) {
    const { key, count, at } = JSON.parse(line) as Alert;
    const alerts = expected.get(key) ?? [];
    const from = next.get(key) ?? 0;
    const found = alerts.findIndex(
      (alert, index) => index >= from && alert.count === count && alert.at === at,
    );
    assert.ok(found >= 0, `${path.split(sep).at(-1)}: ${line} stands in its order`);
    next.set(key, found + 1);
  }
}
