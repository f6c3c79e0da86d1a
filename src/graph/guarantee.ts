/**
 * What a job promises from its sources to its sinks, and why: for people, as `millrace check` prints it.
 *
 * Each sink has the weakest promise of all that reaches it. Losing and repeating are kept apart:
 *
 * | | repeats nothing | may repeat |
 * |---|---|---|
 * | loses nothing | exactly once | at least once |
 * | may lose      | at most once | no guarantee  |
 *
 * A source that cannot go back loses what came after the last checkpoint. A sink that shows what it gets at once
 * repeats what came after it, and so does a checkpoint that does not align. After Flink's "fault tolerance guarantees of
 * sources and sinks", which tells the same as two tables.
 */

import { MillraceError } from '../base/errors.ts';
import type { CompiledJob, JobGraph, PlannedOperator } from './job-graph.ts';

/** From the strongest to the weakest. */
export type Guarantee = 'exactly once' | 'at least once' | 'at most once' | 'no guarantee';

/** How the run of a job takes checkpoints. */
export interface GuaranteeSettings {
  /** Periodic checkpoints are on. */
  readonly checkpointing: boolean;
  readonly mode: 'exactly-once' | 'at-least-once';
}

/** What one sink promises. */
export interface SinkPromise {
  readonly sink: string;
  readonly sources: readonly string[];
  readonly guarantee: Guarantee;
  /** Clauses without a full stop; none is empty. */
  readonly reasons: readonly string[];
}

/** What a job promises. */
export interface JobPromise {
  /** It loses if one of its sinks does, and repeats if one of them does. */
  readonly guarantee: Guarantee;
  readonly sinks: readonly SinkPromise[];
}

/** What the job promises with these settings. */
export function guaranteeOf(
  job: Pick<CompiledJob, 'graph' | 'sources' | 'sinks'>,
  settings: GuaranteeSettings,
): JobPromise {
  const sinks = [...reaching(job.graph)].map(([sink, sources]) => promiseOf(job, settings, sink, sources));
  return { guarantee: together(sinks.map(({ guarantee }) => guarantee)), sinks };
}

/** Throws GUARANTEE_NOT_KEPT when a source or sink that must be exactly once is not. */
export function checkExactlyOnce(
  job: Pick<CompiledJob, 'graph' | 'sources' | 'sinks' | 'exactlyOnce'>,
  settings: GuaranteeSettings,
): void {
  const asked = job.exactlyOnce ?? new Set<string>();
  for (const [uid, reached] of asked.size === 0 ? [] : reaching(job.graph)) {
    const asking = [...reached.sources, reached.operator].filter((operator) => asked.has(operator.uid));
    if (asking.length === 0) continue;
    const promise = promiseOf(job, settings, uid, reached);
    if (promise.guarantee === 'exactly once') continue;
    throw new MillraceError(
      'GUARANTEE_NOT_KEPT',
      `${listOf(asking.map(nameOf))} must be exactly once, and the job promises ${sentence(promise)}`,
      { where: { uid: asking[0]!.uid } },
    );
  }
}

/** The promise as text: a sentence for the job, and one for each sink when there are several. */
export function guaranteeText(name: string, { guarantee, sinks }: JobPromise): string {
  if (sinks.length === 0) return `${name} has no sink: nothing is promised about what leaves it.\n`;
  const [only, ...others] = sinks;
  if (others.length === 0) return `${name}: ${sentence(only!)}\n`;
  const lines = sinks.map((sink) => `  ${sentence(sink)}\n`).join('');
  return `${name}: ${guarantee} for the job as a whole, over its ${sinks.length} sinks.\n${lines}`;
}

function sentence({ guarantee, sources, sink, reasons }: SinkPromise): string {
  return `${guarantee} from ${listOf(sources)} to ${quoted(sink)}: ${reasons.join('; ')}.`;
}

interface Reaching {
  readonly operator: PlannedOperator;
  readonly sources: readonly PlannedOperator[];
}

function promiseOf(
  { sources, sinks }: Pick<CompiledJob, 'sources' | 'sinks'>,
  { checkpointing, mode }: GuaranteeSettings,
  uid: string,
  { operator, sources: origins }: Reaching,
): SinkPromise {
  const sink = sinks.get(uid)!;
  const fixed = origins.filter((origin) => !sources.get(origin.uid)!.replayable);
  const rewinding = origins.filter((origin) => sources.get(origin.uid)!.replayable);
  // Without checkpoints the thread that called gets everything at once.
  const commits = sink.guarantee === 'exactly-once' && (checkpointing || sink.receive === undefined);
  const loses = fixed.length > 0;
  const repeats = !commits || (checkpointing && mode === 'at-least-once');
  const reasons: string[] = [];
  if (loses) {
    const cannot = `${listOf(fixed.map(nameOf))} cannot go back to a position`;
    const lost = checkpointing ? 'what it gave since the last checkpoint' : 'what it gave';
    reasons.push(`${cannot}, so that ${lost} is lost after a failure`);
  }
  if (rewinding.length > 0) {
    const from = checkpointing
      ? 'from the last checkpoint'
      : 'from the beginning, because checkpointing is off';
    reasons.push(`after a failure ${listOf(rewinding.map(nameOf))} is read again ${from}`);
  }
  if (checkpointing && mode === 'at-least-once') {
    reasons.push(
      'checkpoints do not align (execution.checkpointing.mode is AT_LEAST_ONCE), so that state may count a record twice',
    );
  }
  reasons.push(
    commits
      ? `${quoted(nameOf(operator))} shows its output only when ${checkpointing ? 'the checkpoint it belongs to is complete' : 'the job has ended'}`
      : `${quoted(nameOf(operator))} shows its output at once, so that some of it may come again`,
  );
  return { sink: nameOf(operator), sources: origins.map(nameOf), guarantee: named(loses, repeats), reasons };
}

function named(loses: boolean, repeats: boolean): Guarantee {
  if (loses) return repeats ? 'no guarantee' : 'at most once';
  return repeats ? 'at least once' : 'exactly once';
}

function together(guarantees: readonly Guarantee[]): Guarantee {
  const has = (...some: Guarantee[]): boolean => guarantees.some((each) => some.includes(each));
  return named(has('at most once', 'no guarantee'), has('at least once', 'no guarantee'));
}

/** By the uid of a sink: the sources whose records can reach it. */
function reaching(graph: JobGraph): Map<string, Reaching> {
  // Vertices, and the operators of each, are in topological order: what is before an operator has its origins already.
  const origins = new Map<PlannedOperator, Set<PlannedOperator>>();
  const add = (to: PlannedOperator, from: PlannedOperator): void => {
    const all = originsOf(origins, to);
    for (const origin of originsOf(origins, from)) all.add(origin);
  };
  const found = new Map<string, Reaching>();
  for (const [index, vertex] of graph.vertices.entries()) {
    const head = vertex.operators[0]!;
    if (vertex.source) originsOf(origins, head).add(head);
    for (const edge of graph.edges) {
      if (edge.to === index) add(head, graph.vertices[edge.from]!.operators[edge.fromOperator]!);
    }
    for (const operator of vertex.operators) {
      for (const { to } of operator.chained) add(vertex.operators[to]!, operator);
      if (operator.kind !== 'sink') continue;
      found.set(operator.uid, { operator, sources: [...originsOf(origins, operator)] });
    }
  }
  return found;
}

function originsOf(
  origins: Map<PlannedOperator, Set<PlannedOperator>>,
  operator: PlannedOperator,
): Set<PlannedOperator> {
  const known = origins.get(operator);
  if (known !== undefined) return known;
  const none = new Set<PlannedOperator>();
  origins.set(operator, none);
  return none;
}

function nameOf({ uid, explicitUid, name }: PlannedOperator): string {
  return explicitUid ? uid : name;
}

function quoted(name: string): string {
  return `"${name}"`;
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.map(quoted).join(' and ');
}
