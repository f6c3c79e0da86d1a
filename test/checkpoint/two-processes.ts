// A zombie that publishes and commits while another process starts: both go on step by step, in an order that is given.
import assert from 'node:assert/strict';
import { type StartedAttempt, startAttempt } from '../../src/checkpoint/start.ts';
import { CheckpointStorage } from '../../src/checkpoint/storage.ts';
import type { StoreEnv } from '../../src/checkpoint/stores.ts';
import { INLINE_THRESHOLD_BYTES, JOB_ID, publishCheckpoint } from './small-job.ts';

/** What outlives both processes. */
export interface World {
  readonly jobDirectory: string;
  /** What one process has of it; `step` is awaited before everything that it does there. */
  envOf(step: (name: string) => Promise<void>): StoreEnv;
}

/** A process that stops before each step (of those that `isStep` names) until it is let go on. */
class Process {
  readonly env: StoreEnv;
  readonly #isStep: (step: string) => boolean;
  #goOn: (() => void) | undefined;
  #isOver = false;

  constructor(world: World, isStep: (step: string) => boolean) {
    this.#isStep = isStep;
    this.env = world.envOf((name) => this.step(name));
  }

  async step(name: string): Promise<void> {
    if (!this.#isStep(name)) return;
    await new Promise<void>((resolve) => {
      this.#goOn = resolve;
    });
  }

  /** Lets it do one step; nothing when it has ended. A process that is not let go on any more was killed. */
  async goOn(): Promise<void> {
    const resolve = this.#goOn;
    this.#goOn = undefined;
    resolve?.();
    await this.settled();
  }

  /** Waits until it stands before a step, or has ended. */
  async settled(): Promise<void> {
    while (this.#goOn === undefined && !this.#isOver) await new Promise((done) => setImmediate(done));
  }

  /** It does nothing more. */
  over(): void {
    this.#isOver = true;
  }
}

interface Story {
  readonly world: World;
  readonly zombie: Process;
  readonly starter: Process;
  readonly zombieCommitted: number[];
  readonly released: number[];
  /** What the starter recorded, as soon as it acts on it. */
  starterBase: number | undefined;
  /** What went wrong where nothing may. */
  readonly problems: unknown[];
}

/** The life before: attempt 1 has released checkpoint 1. */
export async function firstLife(world: World): Promise<void> {
  const env = world.envOf(() => Promise.resolve());
  const first = await start(world, env);
  await first.recordBase();
  assert.equal((await publishCheckpoint(storageOf(world, env, 1), 1, 1)).kind, 'published');
}

/** A zombie with a released checkpoint 1 that is about to publish 9; a starter that begins at once. */
async function begin(world: World, isStep: (step: string) => boolean): Promise<Story> {
  const story: Story = {
    world,
    zombie: new Process(world, isStep),
    starter: new Process(world, isStep),
    zombieCommitted: [1],
    released: [1],
    starterBase: undefined,
    problems: [],
  };
  const note = (error: unknown): void => {
    story.problems.push(error);
  };
  const { zombie, starter } = story;
  void zombieLife(story)
    .catch(note)
    .finally(() => zombie.over());
  void starterLife(story)
    .catch(note)
    .finally(() => starter.over());
  await Promise.all([zombie.settled(), starter.settled()]);
  return story;
}

async function zombieLife({ world, zombie, zombieCommitted, released }: Story): Promise<void> {
  const outcome = await publishCheckpoint(storageOf(world, zombie.env, 1), 9, 1);
  if (outcome.kind !== 'published') return;
  await zombie.step('commit');
  zombieCommitted.push(9);
  released.push(9);
}

async function starterLife(story: Story): Promise<void> {
  const { world, starter, released } = story;
  const attempt = await start(world, starter.env);
  await attempt.recordBase();
  const base = attempt.checkpoint?.metadata.checkpointId ?? 0;
  story.starterBase = base;
  await starter.step('commit');
  // Restoring a checkpoint commits what it holds.
  released.push(base);
  const storage = storageOf(world, starter.env, attempt.attempt);
  const outcome = await publishCheckpoint(storage, attempt.nextId, attempt.attempt);
  assert.equal(outcome.kind, 'published');
  released.push(attempt.nextId);
}

async function start({ jobDirectory }: World, env: StoreEnv): Promise<StartedAttempt> {
  const options = { jobDirectory, jobId: JOB_ID, choice: { kind: 'latest' as const } };
  const found = await startAttempt(env, options);
  assert.ok(found.kind === 'started');
  return found;
}

function storageOf({ jobDirectory }: World, env: StoreEnv, attempt: number): CheckpointStorage {
  const options = { jobDirectory, attempt, inlineThresholdBytes: INLINE_THRESHOLD_BYTES };
  return new CheckpointStorage(env, options);
}

/** After {@link firstLife}: both go on as `order` says (`z` or `s`, one step each) and are then killed; whoever comes after must be right. */
export async function check(world: World, order: string, isStep: (step: string) => boolean): Promise<string> {
  const story = await begin(world, isStep);
  for (const who of order) await (who === 'z' ? story.zombie : story.starter).goOn();
  assert.deepEqual(story.problems, [], order);
  const { starterBase, zombieCommitted, released } = story;
  if (starterBase !== undefined)
    assert.ok(
      starterBase >= Math.max(...zombieCommitted),
      `${order}: the starter lacks what the zombie committed`,
    );
  const third = await start(
    world,
    world.envOf(() => Promise.resolve()),
  );
  const restored = third.checkpoint!.metadata;
  const isDead = starterBase === 1 && restored.checkpointId === 9 && restored.attempt === 1;
  assert.ok(!isDead, `${order}: a dead branch was restored`);
  assert.ok(restored.checkpointId >= released.at(-1)!, `${order}: below a released checkpoint`);
  assert.ok(third.nextId > Math.max(...released), `${order}: an id comes again`);
  return `zombie ${zombieCommitted.includes(9) ? 'committed' : 'did not'}, starter ${starterBase ?? 'did not'}`;
}

/** Every order of up to 4 steps of the zombie and 8 of the starter; how often each end came. */
export async function checkAllOrders(
  world: () => Promise<World>,
  isStep: (step: string) => boolean,
): Promise<ReadonlyMap<string, number>> {
  const outcomes = new Map<string, number>();
  const visit = async (order: string, zombieSteps: number, starterSteps: number): Promise<void> => {
    const outcome = await check(await world(), order, isStep);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (zombieSteps < 4) await visit(`${order}z`, zombieSteps + 1, starterSteps);
    if (starterSteps < 8) await visit(`${order}s`, zombieSteps, starterSteps + 1);
  };
  await visit('', 0, 0);
  return outcomes;
}

/** How two processes end, over all orders. */
export const ALL_OUTCOMES = [
  'zombie committed, starter 9',
  'zombie committed, starter did not',
  'zombie did not, starter 1',
  'zombie did not, starter 9',
  'zombie did not, starter did not',
];
