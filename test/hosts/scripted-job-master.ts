// A job master whose every decision is drawn from a seed: triggers, aborts, delays, crashes. For tests of the slots.
//
// Owns: the attempts, the enumerators, the acknowledged snapshots. It does what the real one may do, only more often,
// and fails the test when a slot breaks the protocol.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { deserializeError } from '../../src/base/errors.ts';
import type { Random } from '../../src/base/env.ts';
import { describeCheckpoint } from '../../src/checkpoint/metadata.ts';
import { type RestoreAssignment, assignState } from '../../src/checkpoint/restore.ts';
import { decodeSubtaskSnapshot } from '../../src/checkpoint/snapshot-file.ts';
import type { StateHandle, SubtaskSnapshot } from '../../src/checkpoint/state-handle.ts';
import type { CheckpointBarrier } from '../../src/exchange/events.ts';
import { type CompiledJob, requiredSlots } from '../../src/graph/job-graph.ts';
import type { SlotGateway, SlotProvider, SlotReport, SlotSettings } from '../../src/hosts/messages.ts';
import type { SplitEnumerator, SourceSplit } from '../../src/operators/source.ts';
import type { Kernel } from '../../src/testing/kernel.ts';

export type Mode = 'aligned' | 'unaligned' | 'at-least-once';

/** What a run does. */
export interface Script {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly mode: Mode;
  readonly alignedTimeoutMs: number;
  /** Between two triggers, at most. */
  readonly intervalMs: number;
  readonly maxConcurrent: number;
  /** Of a hundred triggers so many are aborted at a random moment. */
  readonly aborts: number;
  readonly settings: Omit<SlotSettings, 'slots' | 'processAttempt'>;
}

/** A checkpoint that all tasks have acknowledged. */
interface Durable {
  readonly id: number;
  readonly compiled: CompiledJob;
  readonly barrier: CheckpointBarrier;
  readonly states: ReadonlyMap<string, StateHandle>;
  readonly enumerators: ReadonlyMap<string, unknown>;
}

interface Pending {
  readonly barrier: CheckpointBarrier;
  readonly enumerators: ReadonlyMap<string, unknown>;
  readonly states: Map<string, StateHandle>;
  readonly declined: Set<string>;
  answer: 'pending' | 'complete' | 'aborted';
}

/** How an attempt ended. */
export type AttemptEnd = 'finished' | 'failed' | 'canceled' | 'stopped' | 'crashed';

export class ScriptedJobMaster {
  readonly #script: Script;
  /** Over all attempts. */
  latest: Durable | undefined;
  lastError: Error | undefined;
  readonly answered = { acknowledged: 0, declined: 0, aborted: 0, cutOff: 0 };
  inFlightBytes = 0;
  #nextId = 1;
  #attempt = 0;

  constructor(script: Script) {
    this.#script = script;
  }

  /** Runs one attempt until it ends; `after` ends it from outside at a virtual time. */
  async run(job: {
    readonly compiled: CompiledJob;
    readonly provider: SlotProvider;
    readonly processAttempt: number;
    readonly after?: { readonly ms: number; readonly how: 'cancel' | 'stop' | 'crash' } | undefined;
    /** Told before the barrier of a stop is sent. */
    readonly onStop?: (checkpointId: number) => void;
  }): Promise<AttemptEnd> {
    const { kernel, settings } = this.#script;
    this.#attempt++;
    const attempt = new Attempt(this.#script, job.compiled, this.#attempt, this.#nextId, job.onStop);
    const restored = this.latest === undefined ? undefined : restore(this.latest, job.compiled);
    await attempt.startSources(restored);
    const gateways = await kernel.settle(
      job.provider.start(
        { ...settings, slots: requiredSlots(job.compiled.graph), processAttempt: job.processAttempt },
        (report) => attempt.report(report),
        (slot, error) => assert.fail(`slot ${slot} was lost: ${error.message}`),
      ),
    );
    attempt.deploy(gateways, restored);
    let crashed = false;
    if (job.after !== undefined) {
      const { ms, how } = job.after;
      kernel.schedule({
        afterMs: ms,
        why: how,
        run: () => {
          if (how === 'cancel') attempt.cancel('canceled');
          else if (how === 'stop') attempt.stop();
          else crashed = true;
        },
      });
    }
    await kernel.run({
      until: () => crashed || attempt.end !== undefined,
      maxEvents: 400_000,
      maxVirtualMs: 120_000,
    });
    attempt.forget();
    this.#nextId = attempt.nextId;
    this.latest = attempt.durable ?? this.latest;
    this.lastError = attempt.error;
    this.inFlightBytes += attempt.inFlightBytes;
    for (const key of ['acknowledged', 'declined', 'aborted', 'cutOff'] as const)
      this.answered[key] += attempt.answered[key];
    if (!crashed) for (const gateway of gateways) await kernel.settle(gateway.terminate());
    return crashed ? 'crashed' : attempt.end!;
  }
}

class Attempt {
  readonly #script: Script;
  readonly #compiled: CompiledJob;
  readonly #attempt: number;
  readonly #tasks: readonly string[];
  readonly #enumerators = new Map<number, SplitEnumerator<SourceSplit>>();
  readonly #pending = new Map<number, Pending>();
  readonly #seen = new Map<string, Set<string>>();
  readonly #left = new Set<number>();
  readonly #open = new Map<number, Set<string>>();
  #gateways: readonly SlotGateway[] = [];
  #forgotten = false;
  #leaving: AttemptEnd | undefined;
  #ending: 'no' | 'final' | 'stop' = 'no';
  nextId: number;
  end: AttemptEnd | undefined;
  durable: Durable | undefined;
  error: Error | undefined;
  inFlightBytes = 0;
  readonly #onStop: ((checkpointId: number) => void) | undefined;
  readonly answered = { acknowledged: 0, declined: 0, aborted: 0, cutOff: 0 };

  constructor(
    script: Script,
    compiled: CompiledJob,
    attempt: number,
    nextId: number,
    onStop?: (checkpointId: number) => void,
  ) {
    this.#script = script;
    this.#onStop = onStop;
    this.#compiled = compiled;
    this.#attempt = attempt;
    this.nextId = nextId;
    this.#tasks = compiled.graph.vertices.flatMap(({ parallelism }, vertex) =>
      Array.from({ length: parallelism }, (_, subtask) => `${vertex}/${subtask}`),
    );
  }

  async startSources(restored: RestoreAssignment | undefined): Promise<void> {
    const { kernel } = this.#script;
    const env = kernel.env('master');
    for (const [vertex, { source, operators, parallelism }] of this.#compiled.graph.vertices.entries()) {
      if (!source) continue;
      const { uid } = operators[0]!;
      const state = restored?.enumerators.get(uid);
      const context = { files: env.files, clock: env.clock, log: env.log, parallelism };
      const enumerator = this.#compiled.sources.get(uid)!.createEnumerator(context, state);
      if (state === undefined) await kernel.settle(enumerator.start());
      this.#enumerators.set(vertex, enumerator);
    }
  }

  deploy(gateways: readonly SlotGateway[], restored: RestoreAssignment | undefined): void {
    this.#gateways = gateways;
    for (const gateway of gateways) {
      gateway.send({
        kind: 'deploy',
        attempt: this.#attempt,
        restoredCheckpointId: restored?.checkpointId,
        tasks: this.#compiled.graph.vertices.flatMap(({ parallelism }, vertex) =>
          gateway.slot < parallelism
            ? [{ vertex, subtask: gateway.slot, restore: restored?.vertices[vertex]?.[gateway.slot] }]
            : [],
        ),
      });
    }
  }

  forget(): void {
    this.#forgotten = true;
    for (const pending of this.#pending.values()) if (pending.answer === 'pending') this.answered.cutOff++;
  }

  cancel(end: AttemptEnd): void {
    if (this.#leaving !== undefined) return;
    this.#leaving = end;
    for (const gateway of this.#gateways) gateway.send({ kind: 'cancel', attempt: this.#attempt });
  }

  stop(): void {
    if (this.#ending !== 'no' || this.#leaving !== undefined || !this.#allSaid('running'))
      return this.cancel('canceled');
    this.#ending = 'stop';
    this.#abortAll();
    this.#trigger('stop');
  }

  // ---- what slots say ----

  report(report: SlotReport): void {
    if (this.#forgotten || report.kind === 'ready' || report.kind === 'figures' || report.kind === 'log')
      return;
    assert.equal(report.attempt, this.#attempt, 'a report carries its attempt');
    assert.ok(
      !this.#left.has(report.slot) || this.#leaving === 'crashed',
      `X4: a slot that left reports ${report.kind}`,
    );
    switch (report.kind) {
      case 'inspected':
      case 'tapped':
        return;
      case 'canceled':
      case 'finished':
        this.#left.add(report.slot);
        if (this.#left.size === this.#gateways.length) this.end = this.#leaving;
        return;
      case 'failed':
        this.#once('failed', report);
        this.error ??= deserializeError(report.error);
        return this.cancel('failed');
      case 'running':
        this.#once('running', report);
        if (this.#allSaid('running'))
          this.#later(this.#script.intervalMs, 'the first trigger', () => this.#periodic());
        return;
      case 'ended':
        this.#once('ended', report);
        if (this.#allSaid('ended') && this.#ending === 'no') {
          this.#ending = 'final';
          this.#abortAll();
          this.#trigger('final');
        }
        return;
      case 'request-split':
        return this.#later(3, 'a split', () => this.#answer(report.vertex, report.subtask, report.slot));
      case 'acknowledge':
        return this.#acknowledged(report);
      case 'decline':
        return this.#declined(report);
      case 'committed':
        return this.#committed(report.checkpointId, key(report));
      case 'client':
        return assert.fail('nobody sends to the client');
      case 'restored':
        return assert.fail('the state of every subtask is dealt out');
      case 'watermark':
        return assert.fail('no source is in an alignment group');
    }
  }

  #once(what: string, report: { vertex: number; subtask: number }): void {
    const said = this.#seen.get(what) ?? new Set();
    this.#seen.set(what, said);
    assert.ok(!said.has(key(report)), `${key(report)} says ${what} once`);
    said.add(key(report));
  }

  #allSaid(what: string): boolean {
    return this.#seen.get(what)?.size === this.#tasks.length;
  }

  #later(ms: number, why: string, run: () => void): void {
    this.#script.kernel.schedule({
      afterMs: this.#script.random.float() * ms,
      why,
      run: () => {
        if (!this.#forgotten && this.#leaving === undefined) run();
      },
    });
  }

  /** SC-1: a split is taken and sent in one turn. */
  #answer(vertex: number, subtask: number, slot: number): void {
    const split = this.#enumerators.get(vertex)!.next(subtask);
    const none = split === 'none';
    const splits = none ? [] : [new TextEncoder().encode(JSON.stringify(split))];
    this.#gateways[slot]!.send({
      kind: 'splits',
      attempt: this.#attempt,
      vertex,
      subtask,
      splits,
      noMore: none,
    });
  }

  // ---- checkpoints ----

  #periodic(): void {
    if (this.#ending !== 'no') return;
    const open = [...this.#pending.values()].filter(({ answer }) => answer === 'pending');
    if (open.length < this.#script.maxConcurrent) this.#trigger('periodic');
    this.#later(this.#script.intervalMs, 'a trigger', () => this.#periodic());
  }

  #trigger(kind: CheckpointBarrier['kind']): void {
    const { mode, alignedTimeoutMs, kernel, random, aborts } = this.#script;
    const id = this.nextId++;
    const alignment = mode === 'unaligned' && kind !== 'periodic' ? 'aligned' : mode;
    const barrier = {
      id,
      timestamp: kernel.now,
      alignment,
      alignedTimeoutMs: alignment === 'unaligned' ? alignedTimeoutMs : 0,
      kind,
    };
    if (kind === 'stop') this.#onStop?.(id);
    const enumerators = new Map(
      [...this.#enumerators].map(([vertex, enumerator]) => [
        this.#compiled.graph.vertices[vertex]!.operators[0]!.uid,
        structuredClone(enumerator.snapshot()),
      ]),
    );
    this.#pending.set(id, {
      barrier,
      enumerators,
      states: new Map(),
      declined: new Set(),
      answer: 'pending',
    });
    for (const gateway of this.#gateways) gateway.send({ kind: 'trigger', attempt: this.#attempt, barrier });
    if (kind === 'periodic' && random.int(100) < aborts) {
      this.#later(this.#script.intervalMs * 2, 'an abort', () => this.#abort(id));
    }
  }

  #abortAll(): void {
    for (const id of this.#pending.keys()) this.#abort(id);
  }

  #abort(id: number): void {
    const pending = this.#pending.get(id)!;
    if (pending.answer !== 'pending') return;
    pending.answer = 'aborted';
    this.answered.aborted++;
    for (const gateway of this.#gateways)
      gateway.send({ kind: 'abort', attempt: this.#attempt, checkpointId: id });
  }

  #declined(report: SlotReport & { kind: 'decline' }): void {
    const pending = this.#pending.get(report.checkpointId)!;
    assert.ok(!pending.states.has(key(report)) && !pending.declined.has(key(report)), 'one answer a task');
    pending.declined.add(key(report));
    this.answered.declined++;
    this.#abort(report.checkpointId);
  }

  #acknowledged(report: SlotReport & { kind: 'acknowledge' }): void {
    const pending = this.#pending.get(report.checkpointId)!;
    assert.ok(
      !pending.states.has(key(report)) && !pending.declined.has(key(report)),
      'R4: one answer a task',
    );
    pending.states.set(key(report), report.state);
    this.inFlightBytes += report.figures.inFlightBytes;
    if (pending.answer !== 'pending' || pending.states.size < this.#tasks.length) return;
    pending.answer = 'complete';
    this.answered.acknowledged++;
    const { barrier, states, enumerators } = pending;
    this.durable = { id: barrier.id, compiled: this.#compiled, barrier, states, enumerators };
    for (const [id, lower] of this.#pending)
      if (id < barrier.id && lower.answer === 'pending') this.#abort(id);
    this.#open.set(barrier.id, new Set(this.#tasks));
    this.#later(2, 'complete', () => {
      for (const gateway of this.#gateways)
        gateway.send({ kind: 'complete', attempt: this.#attempt, checkpointId: barrier.id });
    });
  }

  #committed(id: number, task: string): void {
    const open = this.#open.get(id)!;
    assert.ok(open.delete(task), `${task} commits ${id} once`);
    const kind = this.#pending.get(id)!.barrier.kind;
    if (open.size > 0 || kind === 'periodic' || this.#leaving !== undefined) return;
    if (kind === 'stop') return this.cancel('stopped');
    this.#leaving = 'finished';
    for (const gateway of this.#gateways) gateway.send({ kind: 'finish', attempt: this.#attempt });
  }
}

function key({ vertex, subtask }: { vertex: number; subtask: number }): string {
  return `${vertex}/${subtask}`;
}

function restore(
  { id, compiled, barrier, states, enumerators }: Durable,
  plan: CompiledJob,
): RestoreAssignment {
  const metadata = describeCheckpoint({
    jobId: 'job',
    jobName: 'job',
    attempt: 1,
    barrier: { id, timestamp: 0, kind: barrier.kind },
    plan: compiled.graph,
    stateOf: (vertex, subtask) => states.get(`${vertex}/${subtask}`),
    enumerators,
  });
  const snapshots = metadata.vertices.map(({ subtasks }) => subtasks.map(decode));
  const checkpoint = { metadata: JSON.parse(JSON.stringify(metadata)) as typeof metadata, snapshots };
  return assignState({ checkpoint, plan: plan.graph, allowNonRestored: false });
}

function decode(handle: StateHandle): SubtaskSnapshot {
  assert.ok(handle.inline !== undefined, 'small state is inline');
  return decodeSubtaskSnapshot(new Uint8Array(Buffer.from(handle.inline, 'base64')), 'inline');
}
