/**
 * The simulation kernel: virtual time, one event at a time, everything decided by one seed.
 *
 * Owns the queue of events, the clock, the disk and the life of every node (a simulated process).
 * Talks to the code under test through the `Env` that it hands out, to the test through `run`, `crash`, `pause`.
 *
 * 1. Events run in the order of their time; what follows from one by promises is done before the next begins.
 * 2. An event belongs to an incarnation of a node and is dropped when that is gone: this is all that a crash of
 *    volatile memory means.
 * 3. Within a lane (the timers, or the deferred calls, of one thread) events of equal time keep their order;
 *    between lanes chance orders them when `shuffle` is on.
 * 4. Same seed, same code: same {@link Kernel.hash}.
 */

import { takeTurn, takeTurns } from '../base/clock-turn.ts';
import { type Env, FilesError, type Random, type Timer } from '../base/env.ts';
import { keyHash, murmurHash } from '../base/key-groups.ts';
import { type RecordingLog, recordingLog } from '../base/log.ts';
import { PriorityQueue } from '../base/priority-queue.ts';
import { seededRandom } from '../base/random.ts';
import { EventTrace } from './event-trace.ts';
import { type Outside, OutsideTrap } from './outside-trap.ts';
import { SimulatedOutside } from './simulated-outside.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { type SeatEvent, simulatedEnv } from './simulated-env.ts';
import type { FileFaults } from './simulated-files.ts';

/** What may be chosen about a simulation. */
export interface KernelOptions {
  readonly seed: number;
  /** Whether chance orders what happens at the same time in different places, and delays deferred calls. */
  readonly shuffle?: boolean;
  /** Deferred calls and file operations take no time: only timers move the clock. Default false. */
  readonly instant?: boolean;
  /** The wall clock at the beginning, ms since the epoch; default 2017-07-14. */
  readonly wallStartMs?: number;
  /**
   * What code meets that reaches past its `Env`: an error (default), or, for functions of users, the clock and the
   * chance of the simulation.
   */
  readonly outside?: 'trap' | 'simulated';
  /** Faults of the disk; the kernel adds chance. */
  readonly faults?: Omit<FileFaults, 'random'>;
  readonly diskCapacityBytes?: number;
  /** The line that runs this seed again; it is part of every failure. */
  readonly replay?: string;
}

/** When a run ends, and what it may cost; more than that is a failure. */
export interface RunOptions {
  /** Ends the run after the event that made it true; without it the run ends when nothing is left to happen. */
  readonly until?: () => boolean;
  /** Default {@link EVENTS_MAX}. */
  readonly maxEvents?: number;
  /** Default: a day. */
  readonly maxVirtualMs?: number;
}

/** Something that will happen. */
export interface KernelEvent extends SeatEvent {
  /** Whose it is; a crash of the node drops it. Default: nobody's, it always happens. */
  readonly node?: string;
}

/** How many events one `run` may take by default. */
export const EVENTS_MAX = 2_000_000;
/** How many of the last events a failure tells. */
const TRACE_EVENTS_MAX = 30;
const VIRTUAL_MS_MAX = 86_400_000;
/** The wall clock of every node at the beginning: 2017-07-14. */
const WALL_START_MS = 1_500_000_000_000;

interface Scheduled {
  readonly dueUs: number;
  readonly tie: number;
  readonly sequence: number;
  readonly node: Node | undefined;
  readonly incarnation: number;
  readonly why: string;
  readonly run: () => void;
  /** When it happens: later than due if its node was paused. */
  timeUs: number;
  isCanceled: boolean;
}

/** A simulated process. */
interface Node {
  readonly name: string;
  /** {@link textHash} of what its events begin with: its name. */
  readonly nameHash: number;
  incarnation: number;
  isUp: boolean;
  /** Events that came due while the node was paused; `undefined` when it runs. */
  held: Scheduled[] | undefined;
  wallShiftMs: number;
  readonly envOfThread: Map<string, Env>;
  readonly inFlight: Set<(random: Random) => void>;
}

/**
 * Runs whole jobs, or parts of one, on a seed: see the head of this file. A failure tells the seed and the last events.
 *
 * ```ts
 * const kernel = new Kernel({ seed: 7, shuffle: true });
 * const env = kernel.env('node');
 * env.clock.timer(1_000, () => console.log('a second later'), 'an example');
 * await kernel.settle(env.files.makeDirectory('/data'));
 * kernel.crash('node'); // its timers are gone, the disk is not
 * await kernel.run();
 * ```
 */
export class Kernel {
  readonly seed: number;
  /** What each look of a node at its monotonic clock costs, µs: how slow processors are. */
  clockReadUs = 0;
  /** Chance for the test itself: workload, plans of faults. */
  readonly random: Random;
  readonly disk: SimulatedDisk;
  /** What all nodes logged. */
  readonly log: RecordingLog = recordingLog();
  readonly #options: KernelOptions;
  readonly #chance: Random;
  readonly #queue = new PriorityQueue<Scheduled>(compareEvents);
  readonly #nodes = new Map<string, Node>();
  readonly #trap: Outside;
  readonly #trace = new EventTrace(TRACE_EVENTS_MAX);
  /** Hashes of the names of lanes, of which there are few. */
  readonly #hashOfLane = new Map<string, number>();
  #nowUs = 0;
  #sequence = 0;
  #steps = 0;
  #hash = 0;
  #lastEvent = '';
  #isRunning = false;
  /** What the event that happened last threw. */
  #thrown: { readonly error: unknown } | undefined;
  /** Whose event is happening. */
  #current: Node | undefined;

  constructor(options: KernelOptions) {
    const { seed, diskCapacityBytes } = options;
    const root = seededRandom(seed);
    this.seed = seed;
    this.random = root.fork('test');
    this.#chance = root.fork('kernel');
    this.#options = options;
    this.#trap =
      options.outside === 'simulated' ? this.#simulatedOutside(root.fork('outside')) : new OutsideTrap();
    const now = (): number => this.#wallMs();
    this.disk = new SimulatedDisk(
      diskCapacityBytes === undefined ? { now } : { now, capacityBytes: diskCapacityBytes },
    );
  }

  /** Virtual milliseconds since the beginning. */
  get now(): number {
    return this.#nowUs / 1_000;
  }

  /** Events that happened so far. A test that ends a run at every step crashes at every point there is. */
  get steps(): number {
    return this.#steps;
  }

  /** What happened last: the node and the event. For a test that asks where in a protocol it crashes. */
  get lastEvent(): string {
    return this.#lastEvent;
  }

  /** Sums up everything that happened, in order (4). */
  get hash(): string {
    return this.#hash.toString(16).padStart(8, '0');
  }

  /** The seams of a node, which is started if it never was. Its threads live and die together and wait by themselves. */
  env(name: string, thread = 'main'): Env {
    const node = this.#nodes.get(name) ?? this.#addNode(name);
    if (!node.isUp) throw new Error(`${name} crashed; restart it first`);
    const env = node.envOfThread.get(thread) ?? this.#newEnv(node, thread);
    node.envOfThread.set(thread, env);
    return env;
  }

  /** Starts a node that crashed; its new incarnation remembers nothing but the disk. */
  restart(name: string, thread = 'main'): Env {
    const node = this.#node(name);
    if (node.isUp) throw new Error(`${name} is up; crash it first`);
    node.isUp = true;
    node.held = undefined;
    node.incarnation++;
    return this.env(name, thread);
  }

  /**
   * Ends a node at once, as `kill -9` does: its events are gone (2), the disk keeps what was done,
   * and of operations under way chance keeps a part.
   */
  crash(name: string): void {
    const node = this.#node(name);
    if (!node.isUp) return;
    this.#note(`crash ${name}`);
    node.isUp = false;
    node.held = undefined;
    node.envOfThread.clear();
    for (const interrupted of node.inFlight) leaveBehind(interrupted, this.#chance);
    node.inFlight.clear();
  }

  /** All nodes crash, and the disk loses what was not synchronized. */
  losePower(): void {
    for (const name of this.#nodes.keys()) this.crash(name);
    this.#note('lose power');
    this.disk.losePower(this.#chance);
  }

  /** Stops a node as `SIGSTOP` or a long garbage collection does; time and the others go on. */
  pause(name: string, forMs?: number): void {
    this.#node(name).held ??= [];
    if (forMs === undefined) return;
    this.schedule({ afterMs: forMs, why: `resume ${name}`, run: () => this.resume(name) });
  }

  /** Lets a paused node go on: first it sees, in order, what came due meanwhile. */
  resume(name: string): void {
    const node = this.#node(name);
    const held = node.held ?? [];
    node.held = undefined;
    for (const event of held) {
      event.timeUs = this.#nowUs;
      this.#queue.push(event);
    }
  }

  /** Lets the wall clock of a node jump. */
  shiftWall(name: string, byMs: number): void {
    this.#node(name).wallShiftMs += byMs;
  }

  /** Adds an event: for networks and threads that a test simulates, and for plans of faults. */
  schedule(event: KernelEvent): Timer {
    return this.#schedule(event.node === undefined ? undefined : this.#node(event.node), event);
  }

  /** Runs events, one at a time, until `until` holds or nothing is left; whatever goes wrong fails with the seed. */
  async run(options: RunOptions = {}): Promise<void> {
    const { until, maxEvents = EVENTS_MAX, maxVirtualMs = VIRTUAL_MS_MAX } = options;
    const lastUs = this.#nowUs + maxVirtualMs * 1_000;
    const hasEnded = await this.#drive(lastUs, maxEvents, until);
    if (hasEnded) return;
    if (this.#peek() !== undefined) throw this.#failure(`the run is not over after ${maxVirtualMs} ms`);
    if (until !== undefined) throw this.#failure(this.#idleReason());
  }

  /** Runs whatever happens within `ms` of virtual time. */
  async runFor(ms: number): Promise<void> {
    const endUs = this.#nowUs + Math.round(ms * 1_000);
    await this.#drive(endUs, EVENTS_MAX);
    this.#nowUs = Math.max(this.#nowUs, endUs);
  }

  /** Waits for a promise of the code under test by running events; fails when nothing is left that could settle it. */
  async settle<T>(promise: Promise<T>, options: Omit<RunOptions, 'until'> = {}): Promise<T> {
    let isSettled = false;
    const watched = promise.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    // What needs no event settles in an empty turn.
    await takeTurn();
    if (!isSettled) await this.run({ ...options, until: () => isSettled });
    await watched;
    return promise;
  }

  // Returns whether `until` ended it; otherwise nothing is left to happen up to `lastUs`.
  async #drive(lastUs: number, maxEvents: number, until?: () => boolean): Promise<boolean> {
    if (this.#isRunning) throw new Error('the kernel runs already; one run at a time');
    this.#isRunning = true;
    this.#trap.install();
    const lastStep = this.#steps + maxEvents;
    try {
      return await takeTurns(() => {
        this.#trap.isArmed = false;
        if (this.#thrown !== undefined) throw this.#failedWith(this.#thrown.error);
        if (this.#steps > lastStep) throw this.#failure(`the run is not over after ${maxEvents} events`);
        if (until?.() === true) return true;
        const event = this.#next(lastUs);
        if (event === undefined) return false;
        this.#happen(event);
        return undefined;
      });
    } finally {
      this.#trap.remove();
      this.#isRunning = false;
    }
  }

  // The next event up to `lastUs` whose node is not paused.
  #next(lastUs: number): Scheduled | undefined {
    for (;;) {
      const event = this.#peek();
      if (event === undefined || event.timeUs > lastUs) return undefined;
      this.#queue.pop();
      if (event.node?.held === undefined) return event;
      event.node.held.push(event);
    }
  }

  // The next event, without those of nodes that are gone (2).
  #peek(): Scheduled | undefined {
    for (;;) {
      const event = this.#queue.peek();
      if (event === undefined) return undefined;
      const { node, incarnation, isCanceled } = event;
      if (!isCanceled && (node === undefined || (node.isUp && node.incarnation === incarnation)))
        return event;
      this.#queue.pop();
    }
  }

  // What follows by promises has happened when the next turn begins, which also tells what was thrown.
  #happen(event: Scheduled): void {
    this.#nowUs = Math.max(this.#nowUs, event.timeUs);
    this.#steps++;
    const { node, why } = event;
    this.#lastEvent = node === undefined ? why : `${node.name}: ${why}`;
    // Not of the whole text, which would have to be put together first.
    this.#note(this.#lastEvent, textHash(why, node?.nameHash));
    this.#current = node;
    this.#trap.isArmed = true;
    try {
      event.run();
    } catch (error) {
      this.#thrown = { error };
    }
  }

  #failedWith(error: unknown): Error {
    this.#thrown = undefined;
    return this.#failure(error instanceof Error ? error.message : String(error), error);
  }

  #schedule(node: Node | undefined, { lane, afterMs, why, run }: SeatEvent): Timer {
    const dueUs = this.#nowUs + Math.max(0, Math.round(afterMs * 1_000));
    const sequence = this.#sequence++;
    const tie = this.#options.shuffle === true ? this.#tie(lane, sequence, dueUs) : 0;
    const incarnation = node?.incarnation ?? 0;
    const event = { dueUs, timeUs: dueUs, tie, sequence, node, incarnation, why, run, isCanceled: false };
    const entry = this.#queue.push(event);
    return {
      cancel: () => {
        // A paused node may hold the event outside of the queue.
        event.isCanceled = true;
        this.#queue.remove(entry);
      },
    };
  }

  #tie(lane: string | undefined, sequence: number, dueUs: number): number {
    return murmurHash((lane === undefined ? this.#seeded(sequence) : this.#laneHash(lane)) ^ dueUs);
  }

  #laneHash(lane: string): number {
    let hash = this.#hashOfLane.get(lane);
    if (hash === undefined) {
      hash = this.#seeded(keyHash(lane));
      this.#hashOfLane.set(lane, hash);
    }
    return hash;
  }

  #seeded(hash: number): number {
    return murmurHash(hash ^ this.seed);
  }

  #simulatedOutside(random: Random): SimulatedOutside {
    return new SimulatedOutside({
      now: () => this.#wallMs() + (this.#current?.wallShiftMs ?? 0),
      monotonic: () => this.now,
      random,
      timer: (afterMs, run) => this.#schedule(this.#current, { afterMs, why: 'timer of a function', run }),
    });
  }

  #addNode(name: string): Node {
    const node: Node = {
      name,
      nameHash: textHash(`${name}: `),
      incarnation: 1,
      isUp: true,
      held: undefined,
      wallShiftMs: 0,
      envOfThread: new Map(),
      inFlight: new Set(),
    };
    this.#nodes.set(name, node);
    return node;
  }

  #node(name: string): Node {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}; env('${name}') starts it`);
    return node;
  }

  #newEnv(node: Node, thread: string): Env {
    const { incarnation } = node;
    const { faults, shuffle = false, instant = false } = this.#options;
    const place = `${node.name}/${incarnation}/${thread}`;
    return simulatedEnv({
      place,
      isCurrent: () => node.isUp && node.incarnation === incarnation,
      now: () => this.now,
      monotonic: () => {
        this.#nowUs += this.clockReadUs;
        return this.now;
      },
      wall: () => this.#wallMs() + node.wallShiftMs,
      schedule: (event) => this.#schedule(node, event),
      chance: this.#chance,
      random: seededRandom(this.seed).fork(place),
      shuffle,
      instant,
      disk: this.disk,
      faults: faults === undefined ? undefined : { ...faults, random: this.#chance },
      log: this.log.child({ node: place }),
      inFlight: node.inFlight,
    });
  }

  #wallMs(): number {
    return (this.#options.wallStartMs ?? WALL_START_MS) + Math.floor(this.now);
  }

  #note(what: string, hash = textHash(what)): void {
    this.#hash = murmurHash(this.#hash ^ murmurHash(hash ^ (this.#nowUs | 0) ^ this.#steps));
    this.#trace.note(this.now, what);
  }

  #idleReason(): string {
    const paused = [...this.#nodes.values()].filter(({ held }) => held !== undefined);
    const who = paused.length === 0 ? '' : ` (paused: ${paused.map(({ name }) => name).join(', ')})`;
    return `nothing is left to happen, and the run is not over${who}`;
  }

  #failure(message: string, cause?: unknown): Error {
    const replay = this.#options.replay ?? `new Kernel({ seed: ${this.seed} })`;
    const where = `seed ${this.seed}, step ${this.#steps}, ${this.now} ms`;
    const last = this.#trace.lines(' ms  ').join('\n    ');
    return new Error(
      `${message}\n  at: ${where}\n  replay: ${replay}\n  last events:\n    ${last}`,
      cause === undefined ? undefined : { cause },
    );
  }
}

function compareEvents(a: Scheduled, b: Scheduled): number {
  return a.timeUs - b.timeUs || a.dueUs - b.dueUs || a.tie - b.tie || a.sequence - b.sequence;
}

/** As `keyHash` of a string; `before` is that of what stands before it. */
function textHash(text: string, before = 0): number {
  let hash = before;
  for (let index = 0; index < text.length; index++) hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0;
  return hash;
}

// What a process was doing when it was killed may have failed as well; nobody is left to be told.
function leaveBehind(interrupted: (random: Random) => void, random: Random): void {
  try {
    interrupted(random);
  } catch (error) {
    if (!(error instanceof FilesError)) throw error;
  }
}
