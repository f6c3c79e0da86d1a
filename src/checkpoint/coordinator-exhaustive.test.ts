// All orders of facts, up to a depth, for two tasks and at most three barriers: the invariants of coordinator.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckpointCoordinator } from './coordinator.ts';
import type { CheckpointDecision, CheckpointFact, CoordinatorConfig } from './coordinator-messages.ts';
import type { StateHandle } from './state-handle.ts';

const TASKS = ['a', 'b'];
const CHECKPOINTS_MAX = 3;
const STATE: StateHandle = { file: undefined, inline: '', length: 1, sha256: '' };
const BROKEN = new Error('broken');
const CONFIG: CoordinatorConfig = {
  intervalMs: 10,
  timeoutMs: 25,
  minPauseMs: 0,
  maxConcurrent: 2,
  tolerableFailures: 1,
  retained: 1,
  mode: 'exactly-once',
  unaligned: false,
  alignedTimeoutMs: 0,
  storage: true,
};

/** What a watcher from outside knows: enough to judge every decision. */
interface Watched {
  now: number;
  running: boolean;
  /** Checkpoints in flight, with the tasks that have not answered. */
  readonly collecting: Map<number, string[]>;
  publishing: number | undefined;
  /** Ids whose publication may have happened or not. */
  unknown: boolean;
  readonly outcomes: Map<number, 'complete' | 'abort' | 'dropped' | 'unknown'>;
  readonly published: Set<number>;
  /** Barriers of savepoints, and of stops that take one. */
  readonly savepoints: Set<number>;
  readonly targets: Set<number>;
  readonly answered: Set<string>;
  readonly discarded: Set<number>;
  idMax: number;
  exclusive: number | undefined;
  requested: boolean;
  failed: boolean;
  attempts: number;
}

interface Node {
  readonly coordinator: CheckpointCoordinator;
  readonly watched: Watched;
}

function start(config: CoordinatorConfig): Node {
  const coordinator = new CheckpointCoordinator(config);
  const watched: Watched = {
    now: 0,
    running: true,
    collecting: new Map(),
    publishing: undefined,
    unknown: false,
    outcomes: new Map(),
    published: new Set(),
    savepoints: new Set(),
    targets: new Set(),
    answered: new Set(),
    discarded: new Set(),
    idMax: 0,
    exclusive: undefined,
    requested: false,
    failed: false,
    attempts: 1,
  };
  judge(config, coordinator, watched, coordinator.handle({ kind: 'tasks-running', tasks: TASKS }, 0));
  return { coordinator, watched };
}

/** Every fact that may come next, late and repeated ones included. */
function possible(config: CoordinatorConfig, { coordinator, watched }: Node): CheckpointFact[] {
  const facts: CheckpointFact[] = [];
  const ids = Array.from({ length: watched.idMax }, (_, index) => index + 1);
  if (watched.idMax < CHECKPOINTS_MAX || watched.collecting.size > 0) facts.push({ kind: 'tick' });
  for (const checkpointId of ids) {
    const missing = watched.collecting.get(checkpointId);
    // One ended id is enough to try late facts on.
    if (missing === undefined && checkpointId !== 1) continue;
    for (const task of TASKS) facts.push({ kind: 'acknowledge', task, checkpointId, state: STATE });
    facts.push({ kind: 'decline', task: 'a', checkpointId, reason: 'error', error: BROKEN });
    if (missing?.length === TASKS.length) {
      facts.push({ kind: 'trigger-failed', checkpointId, taken: true, error: BROKEN });
      if (watched.targets.has(checkpointId))
        facts.push({ kind: 'trigger-failed', checkpointId, taken: false, error: BROKEN });
    }
  }
  const id = watched.publishing;
  if (id !== undefined) {
    facts.push({ kind: 'published', checkpointId: id });
    for (const outcomeKnown of [true, false])
      facts.push({ kind: 'publish-failed', checkpointId: id, error: BROKEN, outcomeKnown });
  }
  if (watched.running && !watched.requested) {
    facts.push({ kind: 'request', request: 'savepoint', token: 'p', target: '/savepoints' });
    if (config.maxConcurrent > 1) facts.push({ kind: 'request', request: 'manual', token: 'm' });
    if (config.minPauseMs === 0) facts.push({ kind: 'request', request: 'stop', token: 's' });
    else facts.push({ kind: 'request', request: 'stop', token: 't', target: '/savepoints' });
  }
  if (watched.running) facts.push({ kind: 'tasks-stopped' });
  else if (coordinator.restorePoint().kind !== 'unsettled' && watched.attempts < 2)
    facts.push({ kind: 'restored', checkpointId: coordinator.retained.at(-1), nextId: 1 });
  return facts;
}

function step(config: CoordinatorConfig, node: Node, fact: CheckpointFact): Node {
  const coordinator = new CheckpointCoordinator(config, node.coordinator);
  const watched = structuredClone(node.watched);
  if (fact.kind === 'tick') watched.now = Math.max(watched.now + 1, coordinator.state.wakeAt ?? 0);
  note(watched, fact);
  judge(config, coordinator, watched, coordinator.handle(fact, watched.now));
  if (fact.kind === 'restored') {
    watched.running = true;
    watched.attempts++;
    const decisions = coordinator.handle({ kind: 'tasks-running', tasks: TASKS }, watched.now);
    judge(config, coordinator, watched, decisions);
  }
  return { coordinator, watched };
}

function note(watched: Watched, fact: CheckpointFact): void {
  if (fact.kind === 'acknowledge') {
    const missing = watched.collecting.get(fact.checkpointId);
    if (missing?.includes(fact.task))
      watched.collecting.set(
        fact.checkpointId,
        missing.filter((task) => task !== fact.task),
      );
  } else if (fact.kind === 'published') {
    watched.published.add(fact.checkpointId);
    watched.publishing = undefined;
    watched.collecting.delete(fact.checkpointId);
    if (!watched.running || watched.savepoints.has(fact.checkpointId))
      watched.outcomes.set(fact.checkpointId, 'dropped');
  } else if (fact.kind === 'publish-failed') {
    watched.publishing = undefined;
    if (fact.outcomeKnown && watched.running) return;
    watched.collecting.delete(fact.checkpointId);
    // The directory of a savepoint among the checkpoints is a mark without content.
    const isKnown = fact.outcomeKnown || watched.savepoints.has(fact.checkpointId);
    watched.outcomes.set(fact.checkpointId, isKnown ? 'dropped' : 'unknown');
  } else if (fact.kind === 'request') {
    watched.requested = true;
  } else if (fact.kind === 'tasks-stopped') {
    watched.running = false;
    watched.failed = false;
    watched.exclusive = undefined;
    for (const id of watched.collecting.keys()) {
      if (id === watched.publishing) continue;
      watched.collecting.delete(id);
      watched.outcomes.set(id, 'dropped');
    }
  }
}

function judge(
  config: CoordinatorConfig,
  coordinator: CheckpointCoordinator,
  watched: Watched,
  decisions: readonly CheckpointDecision[],
): void {
  for (const decision of decisions) {
    switch (decision.kind) {
      case 'trigger': {
        const { id, kind, savepoint = false } = decision.barrier;
        assert.equal(savepoint, decision.target !== undefined);
        if (savepoint) watched.targets.add(id);
        if (kind === 'savepoint') {
          assert.ok(savepoint);
          assert.ok(
            ![...watched.collecting.keys()].some((other) => watched.savepoints.has(other)),
            'one savepoint at a time',
          );
          if (config.unaligned) assert.equal(watched.collecting.size, 0, 'one barrier at a time');
          assert.equal(decision.barrier.alignment, 'aligned');
          watched.savepoints.add(id);
        }
        assert.ok(id > watched.idMax, 'ids strictly increase');
        assert.ok(watched.running && !watched.failed, 'only a running job is triggered');
        assert.equal(watched.exclusive, undefined, 'nothing follows a stop');
        if (kind === 'stop') {
          assert.equal(watched.collecting.size, 0, 'a stop runs alone');
          watched.exclusive = id;
        }
        watched.idMax = id;
        watched.collecting.set(id, [...TASKS]);
        break;
      }
      case 'publish': {
        const { id } = decision.barrier;
        assert.deepEqual(watched.collecting.get(id), [], 'published after all have acknowledged');
        assert.deepEqual(decision.acknowledgements.map(({ task }) => task).sort(), TASKS);
        assert.equal(watched.publishing, undefined, 'one publication at a time');
        watched.publishing = id;
        break;
      }
      case 'complete':
        assert.ok(!watched.savepoints.has(decision.checkpointId), 'nothing is committed for a savepoint');
        assert.ok(watched.published.has(decision.checkpointId), 'complete only after published');
        end(watched, decision.checkpointId, 'complete');
        break;
      case 'abort':
        assert.ok(!watched.published.has(decision.checkpointId), 'what is published is not aborted');
        assert.notEqual(watched.publishing, decision.checkpointId, 'what may be published is not aborted');
        if (watched.savepoints.has(decision.checkpointId))
          assert.notEqual(decision.reason, 'subsumed', 'a savepoint is not subsumed');
        watched.collecting.delete(decision.checkpointId);
        if (
          watched.exclusive === decision.checkpointId &&
          (decision.reason === 'taken' || decision.reason === 'trigger-failed')
        )
          watched.exclusive = undefined;
        end(watched, decision.checkpointId, 'abort');
        break;
      case 'discard':
        for (const id of decision.checkpointIds) {
          assert.ok(!watched.collecting.has(id), 'what is pending is not discarded');
          assert.ok(!coordinator.retained.includes(id), 'what is retained is not discarded');
          assert.notEqual(watched.outcomes.get(id), 'unknown', 'what may be published is not discarded');
          assert.ok(!watched.discarded.has(id), 'discarded once');
          assert.ok(
            [...watched.published].some((newer) => newer > id && !watched.savepoints.has(newer)),
            'only below a durable checkpoint',
          );
          watched.discarded.add(id);
        }
        break;
      case 'fail-job':
        assert.ok(!watched.failed, 'a job fails once');
        watched.failed = true;
        break;
      case 'request-done':
        // Whoever asked for a savepoint gets the one that was asked for.
        if (decision.token === 'p') assert.ok(watched.savepoints.has(decision.checkpointId));
        if (decision.token === 'p' || decision.token === 't')
          assert.ok(
            watched.published.has(decision.checkpointId) && watched.targets.has(decision.checkpointId),
          );
        answer(watched, decision.token);
        break;
      case 'request-failed':
        answer(watched, decision.token);
        break;
      case 'wake':
        assert.ok(decision.at > watched.now, 'a wish lies in the future');
        break;
      default:
        break;
    }
  }
  const { retained } = coordinator;
  assert.ok(!retained.some((id) => watched.savepoints.has(id)), 'nothing is restored from a savepoint');
  const checkpoints = [...watched.collecting.keys()].filter((id) => !watched.savepoints.has(id));
  assert.ok(checkpoints.length <= config.maxConcurrent, 'as many pending as allowed');
}

function answer(watched: Watched, token: string): void {
  assert.ok(!watched.answered.has(token), 'a request is answered once');
  watched.answered.add(token);
}

function end(watched: Watched, id: number, outcome: 'complete' | 'abort'): void {
  assert.ok(id <= watched.idMax, 'only what was triggered ends');
  assert.equal(watched.outcomes.get(id), undefined, 'an id ends once');
  watched.outcomes.set(id, outcome);
}

/** Depth-first over all orders; a situation that was seen with as many steps left is not entered again. */
function explore(config: CoordinatorConfig, depth: number): { situations: number; steps: number } {
  const seen = new Map<string, number>();
  let steps = 0;
  const visit = (node: Node, left: number): void => {
    const key = JSON.stringify([node.coordinator.state, node.coordinator.retained, node.watched], plain);
    if ((seen.get(key) ?? -1) >= left) return;
    seen.set(key, left);
    if (left === 0 || node.watched.idMax > CHECKPOINTS_MAX) return;
    for (const fact of possible(config, node)) {
      steps++;
      visit(step(config, node, fact), left - 1);
    }
  };
  visit(start(config), depth);
  return { situations: seen.size, steps };
}

function plain(_key: string, value: unknown): unknown {
  return value instanceof Map || value instanceof Set ? [...value] : value;
}

test('the invariants hold in every order of facts', () => {
  let steps = 0;
  for (const changes of [
    {},
    { maxConcurrent: 1, tolerableFailures: 0 },
    { minPauseMs: 4, retained: 2 },
    { maxConcurrent: 1, unaligned: true, minPauseMs: 1 },
  ]) {
    steps += explore({ ...CONFIG, ...changes }, 8).steps;
  }
  console.log(`cases: coordinator-exhaustive ${steps} (minimum 10000)`);
  assert.ok(steps >= 10_000);
});
