/**
 * Flame graphs of tasks: taken on demand, one at a time for each task, the last one of each kept.
 *
 * FB-1 Nothing is profiled that nobody asked for.
 * FB-2 The last GRAPHS_KEPT graphs are kept; one that is being taken is not forgotten.
 */

import type { ClusterWatch } from './cluster-watch.ts';
import { badRequest, field } from './context.ts';
import type { FlameGraph, FlameGraphAnswer, FlameNode } from './contract.ts';
import { flameOf, type Profile, urlsIn } from './flame-graph.ts';
import type { JobWatch } from './job-watch.ts';
import { type Answer, Refusal } from './router.ts';
import { sourcePlaces } from './source-places.ts';

/** FB-2. */
export const GRAPHS_KEPT = 20;
const DURATION_MS_MIN = 100;
const DURATION_MS_MAX = 60_000;
/** Flink takes 100 samples, one every 50 ms. */
const DURATION_MS_DEFAULT = 5_000;
/** What a slot may take longer than the profile. */
const SLACK_MS = 15_000;

interface Entry {
  graph: FlameGraph;
  /** What Flink's route shows until this one is complete. */
  readonly before: FlameGraph | undefined;
  /** As V8 wrote them. */
  profiles: readonly string[];
}

/** A task, or all subtasks of a vertex. */
export interface FlameSubject {
  readonly watch: JobWatch;
  readonly vertex: number;
  readonly subtask: number | undefined;
}

/** See the head of the file. */
export class FlameBook {
  readonly #watch: ClusterWatch;
  readonly #entries = new Map<string, Entry>();

  constructor(watch: ClusterWatch) {
    this.#watch = watch;
  }

  /** Begins to take one; refuses while the same one is being taken. */
  begin(subject: FlameSubject, body: unknown): FlameGraph {
    const durationMs = field(body, 'durationMs') ?? DURATION_MS_DEFAULT;
    const isFit =
      typeof durationMs === 'number' && durationMs >= DURATION_MS_MIN && durationMs <= DURATION_MS_MAX;
    if (!isFit) throw badRequest(`"durationMs" is not between ${DURATION_MS_MIN} and ${DURATION_MS_MAX}`);
    if (this.#find(subject)?.graph.status === 'IN_PROGRESS') {
      throw new Refusal(409, 'A flame graph of it is being taken already.');
    }
    const slots = slotsOf(subject);
    if (slots.length === 0) throw new Refusal(409, `The job is ${subject.watch.job.source.state}.`);
    const known = this.#find(subject);
    const before = known?.graph.root === null ? known.before : known?.graph;
    const entry: Entry = { profiles: [], before, graph: this.#begun(subject, durationMs) };
    this.#keep(keyOf(subject), entry);
    const { source } = subject.watch.job;
    const profiles = slots.map((slot) =>
      source.inspect(slot, { kind: 'profile', durationMs, of: 'cpu' }, durationMs + SLACK_MS),
    );
    Promise.all(profiles)
      .then((answers) => this.#taken(entry, subject, answers.map(String)))
      .catch((error: unknown) => this.#failed(entry, error));
    return entry.graph;
  }

  /** The last one. */
  get(subject: FlameSubject): FlameGraphAnswer {
    return { graph: this.#find(subject)?.graph ?? null };
  }

  /** A profile as the tools of Node and of browsers read it; of a task whose thread does other things too. */
  file(subject: FlameSubject): Answer {
    const found = this.#find(subject);
    const [bytes] = found?.profiles ?? [];
    if (found === undefined || bytes === undefined) {
      throw new Refusal(404, 'NotFoundException: no flame graph was taken of it');
    }
    const name = `task-${subject.vertex}-${subject.subtask ?? 0}-${found.graph.startedAt}.cpuprofile`;
    return {
      kind: 'bytes',
      status: 200,
      type: 'application/json; charset=utf-8',
      bytes,
      headers: { 'Content-Disposition': `attachment; filename="${name}"` },
    };
  }

  /**
   * As Flink answers: the last graph, or why there is none (-1: the task has ended, -2: not enabled, -3: the first samples
   * are waited for). Where the configuration enables it and whoever asks may have one taken, asking does so when the last
   * one is too old.
   */
  asFlink(
    subject: FlameSubject,
    { type, mayTake }: { readonly type: string; readonly mayTake: boolean },
  ): unknown {
    const { configuration, env } = this.#watch.cluster;
    const isEnabled = mayTake && configuration.get('rest.flamegraph.enabled');
    const found = this.#find(subject);
    const isAlive = slotsOf(subject).length > 0;
    const age = env.clock.now() - (found?.graph.startedAt ?? Number.NEGATIVE_INFINITY);
    const isOld = age >= configuration.get('rest.flamegraph.refresh-interval');
    if (isEnabled && isAlive && isOld && found?.graph.status !== 'IN_PROGRESS')
      this.begin(subject, undefined);
    const { graph, before } = this.#find(subject) ?? {};
    const { root, startedAt, durationMs } = (graph?.root === null ? before : graph) ?? NOTHING;
    const isDue = isEnabled || graph?.status === 'IN_PROGRESS';
    if (root === null) return { endTimestamp: isDue ? (isAlive ? -3 : -1) : -2, data: null };
    // Where a thread waits, nothing runs in it: samples are of what computes.
    const data = type === 'OFF_CPU' ? { name: 'root', value: 0, children: [] } : plain(root);
    return { endTimestamp: startedAt + durationMs, data };
  }

  #begun({ watch, vertex, subtask }: FlameSubject, durationMs: number): FlameGraph {
    return {
      jobId: watch.jobId,
      vertex,
      subtask: subtask ?? null,
      startedAt: this.#watch.cluster.env.clock.now(),
      durationMs,
      status: 'IN_PROGRESS',
      failure: null,
      root: null,
      busiestShare: 0,
      isWholeThread: false,
    };
  }

  async #taken(entry: Entry, { vertex, subtask }: FlameSubject, texts: readonly string[]): Promise<void> {
    entry.profiles = texts;
    const profiles = texts.map((text) => JSON.parse(text) as Profile);
    const urls = profiles.flatMap((profile) => [...urlsIn(profile)]);
    const placeOf = await sourcePlaces(this.#watch.cluster.env.files, urls);
    entry.graph = {
      ...entry.graph,
      status: 'COMPLETED',
      ...flameOf(profiles, { vertex, subtask }, placeOf),
    };
  }

  #failed(entry: Entry, error: unknown): void {
    const failure = error instanceof Error ? error.message : String(error);
    entry.graph = { ...entry.graph, status: 'FAILED', failure };
  }

  #find(subject: FlameSubject): Entry | undefined {
    return this.#entries.get(keyOf(subject));
  }

  /** FB-2. */
  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    for (const [old, { graph }] of this.#entries) {
      if (this.#entries.size <= GRAPHS_KEPT) break;
      if (graph.status !== 'IN_PROGRESS') this.#entries.delete(old);
    }
  }
}

const NOTHING = { root: null, startedAt: 0, durationMs: 0 };

function keyOf({ watch, vertex, subtask }: FlameSubject): string {
  return `${watch.jobId}/${vertex}/${subtask ?? 'all'}`;
}

function slotsOf({ watch, vertex, subtask }: FlameSubject): number[] {
  const running = watch.job.source
    .executions()
    .filter((each) => each.vertex === vertex && each.state === 'RUNNING')
    .filter((each) => subtask === undefined || each.subtask === subtask);
  return [...new Set(running.map(({ slot }) => slot))];
}

/** In Flink's shape. */
function plain({ name, value, children }: FlameNode): unknown {
  return { name, value, children: children.map(plain) };
}
