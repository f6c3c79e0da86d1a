/**
 * `millrace upgrade --dry-run`: what becomes of the state of a savepoint in a new version of the job; nothing runs.
 *
 * The verdict is that of a start from it. Without `--dry-run` an upgrade is carried out by a cluster, which has the old
 * version running to go back to.
 */

import { deserializeError } from '../base/errors.ts';
import { locationOf } from '../base/locations.ts';
import type { planOf } from '../run.ts';
import { openSavepoint, type Savepoint } from '../savepoints/index.ts';
import {
  compareUpgrade,
  holdsAnything,
  type OperatorChange,
  type UpgradeComparison,
} from '../savepoints/upgrade.ts';
import { configuredEnv } from './configured-env.ts';
import type { Request } from './arguments.ts';
import { EXIT } from './exit.ts';
import { formatBytes, formatCount } from './format.ts';
import type { Screen } from './terminal.ts';

/** The process in which the command runs. */
export interface UpgradeHost {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** An error as a person reads it. */
  readonly describe: (error: unknown) => string;
}

/** What was asked for. */
export type UpgradeRequest = Request & { readonly kind: 'upgrade' };

/** Shows what an upgrade would do; exit code 1 when a start would be refused. */
export async function compareWithSavepoint(
  { json }: Pick<UpgradeRequest, 'json'>,
  savepoint: Savepoint,
  planned: Awaited<ReturnType<typeof planOf>>,
  { allowNonRestored, host }: { readonly allowNonRestored: boolean; readonly host: UpgradeHost },
): Promise<number> {
  const { compiled } = planned;
  const comparison = await compareUpgrade(savepoint, {
    plan: compiled.graph,
    declaredState: (uid) => compiled.factories.get(uid)?.(),
    allowNonRestored,
  });
  const wouldStart = comparison.problems.length === 0;
  const { path } = savepoint;
  if (json) host.stdout.write(`${JSON.stringify({ savepoint: path, wouldStart, ...comparison })}\n`);
  else host.stdout.write(upgradeText(comparison, savepoint, compiled.graph.name, allowNonRestored));
  if (!json)
    for (const problem of comparison.problems) host.stderr.write(host.describe(deserializeError(problem)));
  return wouldStart ? EXIT.done : EXIT.failed;
}

/** The savepoint that a request names. */
export async function savepointOf(
  path: string,
  host: UpgradeHost,
  commandLine: Readonly<Record<string, unknown>>,
): Promise<Savepoint> {
  const env = await configuredEnv(host, commandLine);
  return openSavepoint(locationOf(path, host.workingDirectory), { env });
}

function upgradeText(
  { operators, problems }: UpgradeComparison,
  savepoint: Savepoint,
  jobName: string,
  allowNonRestored: boolean,
): string {
  const what = savepoint.isSavepoint ? 'savepoint' : 'checkpoint';
  const head = `${jobName}, from the ${what} ${savepoint.path} of ${savepoint.jobName}\n\n`;
  const rows = operators.map((operator) => rowOf(operator, allowNonRestored));
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map(
    ([change, uid, rest]) => `  ${change!.padEnd(widths[0]!)}  ${uid!.padEnd(widths[1]!)}  ${rest}\n`,
  );
  const verdict =
    problems.length === 0
      ? 'The job would start from it.'
      : `The job would not start from it: ${problems.length === 1 ? 'one reason' : `${problems.length} reasons`}.`;
  return `${head}${lines.join('')}\n${verdict}\n`;
}

function rowOf(operator: OperatorChange, allowNonRestored: boolean): readonly [string, string, string] {
  const { uid, name, change } = operator;
  const parts = [name === uid ? '' : `(${name})`, scaleText(operator), stateText(operator, allowNonRestored)];
  if (operator.isRechained) parts.push('in another chain');
  if (operator.isAtRisk) parts.push('found by the shape of the job: give it a uid');
  return [change, uid, parts.filter((part) => part !== '').join(', ')];
}

function scaleText({ parallelismBefore: before, parallelismAfter: after }: OperatorChange): string {
  if (before === undefined || after === undefined) return subtasks(after ?? before ?? 0);
  return before === after ? subtasks(after) : `${before} → ${subtasks(after)}`;
}

function subtasks(count: number): string {
  return `${formatCount(count)} subtask${count === 1 ? '' : 's'}`;
}

function stateText({ change, contents }: OperatorChange, allowNonRestored: boolean): string {
  if (contents === undefined) return 'begins empty';
  if (!holdsAnything(contents)) return '';
  const states = contents.states.map(
    ({ name, kind, entries }) => `${name}: ${kind}, ${formatCount(entries)} keys`,
  );
  const timers = contents.eventTimers + contents.processingTimers;
  if (timers > 0) states.push(`${formatCount(timers)} timers`);
  for (const { name, items } of contents.sections)
    if (items > 0) states.push(`${name}: ${formatCount(items)} items`);
  const held = `${states.join('; ')} (${formatBytes(contents.bytes)})`;
  if (change !== 'gone') return held;
  return `${held} ${allowNonRestored ? 'is left behind' : 'would be left behind'}`;
}
