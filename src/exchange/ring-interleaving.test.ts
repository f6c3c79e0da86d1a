// Interleavings of a ring's two ends, which are stopped before each access to shared memory:
// all of them up to a number of preemptions. Switching from a party that waits for its bell is no preemption.
//
// A party is a program over the real RingWriter or RingReader. To stop it in the middle it is run again from its start:
// accesses that it has made give what they gave then, the next ones are made, and the first one too many throws.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChannelElement } from './channel.ts';
import { toldFrom } from './channel-window.ts';
import type { CheckpointBarrier } from './events.ts';
import { decodeElement, encodeElement, FLAGS_AT, FRAME_HEADER_BYTES, MORE_PIECES } from './frame.ts';
import { DATA, LINK_HEADER_BYTES, readBarrierPayload, readLinkHeader } from './link-layout.ts';
import { RingInlet } from './ring-inlet.ts';
import type { RingMemory } from './ring-memory.ts';
import { RingOutlet } from './ring-outlet.ts';
import { RingReader } from './ring-reader.ts';
import { RingWriter } from './ring-writer.ts';

const WORDS = 96;
const WRITER = 0;
const READER = 1;

/** What both parties see: the words and the data of the ring, and the two doorbells. */
interface World {
  readonly words: Int32Array;
  readonly data: Uint8Array;
  readonly bells: number[];
}

type Result = number | Uint8Array;
type Program = (party: Party) => void;

class Stopped {
  /** The bell count that the party waits to change; `undefined` when it can go on. */
  readonly parkedAt: number | undefined;

  constructor(parkedAt: number | undefined) {
    this.parkedAt = parkedAt;
  }
}

class Party implements RingMemory {
  readonly capacity: number;
  readonly #self: number;
  readonly #world: World;
  readonly #history: Result[];
  #position = 0;
  #mayAct: number;
  #putOff = false;

  constructor(self: number, world: World, history: Result[], mayAct: number) {
    this.#mayAct = mayAct;
    this.#self = self;
    this.#world = world;
    this.#history = history;
    this.capacity = world.data.length;
  }

  load(word: number): number {
    return this.#access(() => this.#world.words[word]!) as number;
  }

  store(word: number, value: number): void {
    this.#access(() => (this.#world.words[word] = value));
  }

  exchange(word: number, value: number): number {
    return this.#access(() => {
      const before = this.#world.words[word]!;
      this.#world.words[word] = value;
      return before;
    }) as number;
  }

  copyIn(at: number, bytes: Uint8Array): void {
    this.#access(() => {
      this.#world.data.set(bytes, at);
      return 0;
    });
  }

  copyOut(at: number, into: Uint8Array): void {
    into.set(this.#access(() => this.#world.data.slice(at, at + into.length)) as Uint8Array);
  }

  ring(): void {
    this.#putOff = false;
    this.#access(() => this.#world.bells[1 - this.#self]!++);
  }

  // As in thread.ts: what is put off is made up for before the thread rests.
  ringLater(): void {
    this.#putOff = true;
  }

  hurry(): void {
    if (this.#putOff) this.ring();
  }

  bell(): number {
    return this.#access(() => this.#world.bells[this.#self]!) as number;
  }

  park(seen: number): void {
    this.#access(() => 0, seen);
  }

  #access(act: () => Result, parkedAt?: number): Result {
    const position = this.#position++;
    if (position < this.#history.length) return this.#history[position]!;
    // A party that has just found nothing stops in any case, so that the other one may go on.
    if (this.#mayAct === 0 || parkedAt === this.#world.bells[this.#self]) throw new Stopped(parkedAt);
    this.#mayAct--;
    const result = act();
    this.#history.push(result);
    return result;
  }
}

/** What a thread does until `done` says so: try, register, wait for the own bell; as in `thread.ts`. */
function untilDone(
  party: Party,
  done: () => boolean,
  register: (run: () => void) => void,
  poll: () => void,
): void {
  while (!done()) {
    let ready = false;
    register(() => {
      ready = true;
    });
    while (!ready) {
      party.hurry();
      const seen = party.bell();
      poll();
      if (!ready) party.park(seen);
    }
  }
}

type Sent = ChannelElement | CheckpointBarrier;

function writing(sent: readonly Sent[]): Program {
  return (party) => {
    const writer = new RingWriter(party, party);
    for (const item of sent) {
      if (!('kind' in item && (item.kind === 'batch' || item.kind === 'event'))) {
        writer.writePriority(item as CheckpointBarrier);
        continue;
      }
      untilDone(
        party,
        () => writer.tryWrite(item),
        (run) => writer.onWritable(run),
        () => writer.poll(),
      );
    }
    party.hurry();
  };
}

/** Reads `count` elements and the barrier `last`; tells what it saw in the end. */
function reading(count: number, last: number, saw: (log: string[]) => void): Program {
  return (party) => {
    const reader = new RingReader(party, party);
    const log: string[] = [];
    let barrier = 0;
    const more = (): boolean => {
      const priority = reader.readPriority();
      if (priority !== undefined) {
        barrier = priority.barrier.id;
        assert.deepEqual(priority.barrier, barrierOf(barrier), 'a barrier is never half of another one');
        const frames = reader.peekFrames(priority.position);
        log.push(`barrier ${barrier} over [${frames.map((frame) => nameOf(decodeElement(frame))).join()}]`);
        return true;
      }
      const element = reader.read();
      if (element !== undefined) log.push(nameOf(element));
      return element !== undefined;
    };
    untilDone(
      party,
      () => {
        while (more());
        return reader.position() === count && barrier === last;
      },
      (run) => reader.onReadable(run),
      () => reader.poll(),
    );
    saw(log);
  };
}

function nameOf(element: ChannelElement): string {
  if (element.kind === 'batch') return `batch ${element.batch.values.join()}`;
  return element.event.kind === 'watermark' ? String(element.event.timestamp) : element.event.kind;
}

function barrierOf(id: number): CheckpointBarrier {
  return { id, timestamp: id * 1e12 + 0.5, alignment: 'unaligned', alignedTimeoutMs: id, kind: 'periodic' };
}

interface State {
  readonly world: World;
  readonly histories: readonly [Result[], Result[]];
  readonly parkedAt: readonly (number | undefined)[];
  readonly done: readonly boolean[];
  readonly schedule: string;
}

/** Runs every schedule with at most so many preemptions; returns how many there are. */
function explore(capacity: number, programs: readonly [Program, Program], preemptions: number): number {
  const world = { words: new Int32Array(WORDS), data: new Uint8Array(capacity), bells: [0, 0] };
  let schedules = 0;
  const start: State = {
    world,
    histories: [[], []],
    parkedAt: [undefined, undefined],
    done: [false, false],
    schedule: '',
  };
  const go = (state: State, self: number, left: number): void => {
    const other = 1 - self;
    if (canMove(state, self)) {
      if (left > 0 && canMove(state, other) && state.histories[self]!.length > 0) go(state, other, left - 1);
      go(move(state, self, programs[self]!, left === 0 ? Number.POSITIVE_INFINITY : 1), self, left);
    } else if (canMove(state, other)) {
      go(state, other, left);
    } else {
      assert.deepEqual(state.done, [true, true], `lost wake-up: ${state.schedule}`);
      schedules++;
    }
  };
  go(start, WRITER, preemptions);
  go(start, READER, preemptions);
  return schedules;
}

function canMove(state: State, self: number): boolean {
  if (state.done[self]) return false;
  return state.parkedAt[self] === undefined || state.parkedAt[self] !== state.world.bells[self];
}

function move(state: State, self: number, program: Program, accesses: number): State {
  const world = {
    words: state.world.words.slice(),
    data: state.world.data.slice(),
    bells: [...state.world.bells],
  };
  const histories: [Result[], Result[]] = [[...state.histories[WRITER]], [...state.histories[READER]]];
  const parkedAt = [...state.parkedAt];
  const done = [...state.done];
  const before = histories[self]!.length;
  let failure: unknown;
  try {
    program(new Party(self, world, histories[self]!, accesses));
    done[self] = true;
  } catch (error) {
    if (error instanceof Stopped) parkedAt[self] = error.parkedAt;
    else failure = error;
  }
  const schedule = state.schedule + 'wr'[self]!.repeat(histories[self]!.length - before);
  if (failure !== undefined) throw new Error(`schedule ${schedule}`, { cause: failure });
  return { world, histories, parkedAt, done, schedule };
}

function watermark(timestamp: number): ChannelElement {
  return { kind: 'event', event: { kind: 'watermark', timestamp } };
}

interface Scenario {
  readonly name: string;
  readonly capacity: number;
  readonly sent: readonly Sent[];
  readonly preemptions: number;
  readonly minimum: number;
  readonly last?: number;
  /** What the consumer in another process says, one after the other; without them the ring's capacity. */
  readonly windows?: readonly number[];
  /** What the reader may have seen; all of these must occur. */
  readonly outcomes: readonly string[];
}

const large: ChannelElement = { kind: 'batch', batch: { values: ['abcdefgh'], timestamps: [5] } };
const wide: ChannelElement = {
  kind: 'batch',
  batch: { values: ['abcdefghijklmnopqrstuvwxyz'], timestamps: [5] },
};

const scenarios: Scenario[] = [
  {
    name: 'a ring that holds one frame',
    capacity: 16,
    sent: [watermark(1), watermark(2), watermark(3)],
    preemptions: 3,
    minimum: 8000,
    outcomes: ['1 2 3'],
  },
  {
    name: 'a ring that holds two frames',
    capacity: 32,
    sent: [watermark(1), watermark(2), watermark(3)],
    preemptions: 3,
    minimum: 8000,
    outcomes: ['1 2 3'],
  },
  {
    name: 'a frame in pieces',
    capacity: 32,
    sent: [watermark(1), large, watermark(2)],
    preemptions: 3,
    minimum: 8000,
    outcomes: ['1 batch abcdefgh 2'],
  },
  {
    name: 'a barrier between frames, never passed by what comes after it',
    capacity: 32,
    sent: [watermark(1), barrierOf(1), watermark(2)],
    last: 1,
    preemptions: 3,
    minimum: 8000,
    outcomes: ['1 barrier 1 over [] 2', 'barrier 1 over [1] 1 2'],
  },
  {
    name: 'a barrier over a full ring',
    capacity: 16,
    sent: [watermark(1), barrierOf(1), watermark(2)],
    last: 1,
    preemptions: 3,
    minimum: 8000,
    outcomes: ['1 barrier 1 over [] 2', 'barrier 1 over [1] 1 2'],
  },
  {
    name: 'barriers that replace each other, one slot written twice',
    capacity: 16,
    sent: [barrierOf(1), barrierOf(2), barrierOf(3)],
    last: 3,
    preemptions: 3,
    minimum: 8000,
    outcomes: [
      'barrier 1 over [] barrier 2 over [] barrier 3 over []',
      'barrier 1 over [] barrier 3 over []',
      'barrier 2 over [] barrier 3 over []',
      'barrier 3 over []',
    ],
  },
];

for (const { name, capacity, sent, preemptions, minimum, last = 0, outcomes } of scenarios) {
  test(`no interleaving loses, tears or reorders anything: ${name}`, () => {
    const seen = new Set<string>();
    const frames = sent.filter((item) => 'kind' in item && (item.kind === 'batch' || item.kind === 'event'));
    const reader = reading(frames.length, last, (log) => seen.add(log.join(' ')));
    const schedules = explore(capacity, [writing(sent), reader], preemptions);
    console.log(`cases: ring schedules, ${name} ${schedules} (minimum ${minimum})`);
    assert.ok(schedules >= minimum);
    assert.deepEqual([...seen].sort(), [...outcomes].sort());
  });
}

/** What an endpoint does: reads its bell, looks at its ring, and waits for a change. */
function untilQuiet(party: Party, look: () => boolean): void {
  for (;;) {
    const seen = party.bell();
    if (look()) return;
    party.park(seen);
  }
}

/** A frame and its next piece. */
function joined(before: Uint8Array, piece: Uint8Array): Uint8Array {
  if (before.length === 0) return piece;
  const frame = Uint8Array.from([...before, ...piece.subarray(FRAME_HEADER_BYTES)]);
  frame[FLAGS_AT] = piece[FLAGS_AT]!;
  new DataView(frame.buffer).setUint32(0, frame.length - FRAME_HEADER_BYTES, true);
  return frame;
}

/** The network takes all that comes out of a ring; the peer reads it at once. */
function forwarding(
  count: number,
  last: number,
  saw: (log: string[]) => void,
  windows: readonly number[] = [],
): Program {
  return (party) => {
    const outlet = new RingOutlet(0, party, party);
    let credits = 0;
    const log: string[] = [];
    const out = new Uint8Array(512);
    let frame: Uint8Array = new Uint8Array(0);
    let frames = 0;
    let barrier = 0;
    untilQuiet(party, () => {
      for (let bytes = outlet.pull(out, 0, out.length); bytes > 0; bytes = outlet.pull(out, 0, out.length)) {
        const { type, length } = readLinkHeader(out);
        const payload = out.slice(LINK_HEADER_BYTES, LINK_HEADER_BYTES + length);
        if (type !== DATA) {
          const found = readBarrierPayload(payload);
          barrier = found.barrier.id;
          assert.deepEqual(found.barrier, barrierOf(barrier), 'a barrier is never half of another one');
          assert.equal(
            found.position,
            frames,
            'it leaves when all before it has left, and nothing behind it',
          );
          log.push(`barrier ${barrier}`);
          continue;
        }
        for (let at = 0; at < payload.length; ) {
          const end = at + FRAME_HEADER_BYTES + new DataView(payload.buffer).getUint32(at, true);
          const isLast = (payload[at + FLAGS_AT]! & MORE_PIECES) === 0;
          frame = joined(frame, payload.slice(at, end));
          at = end;
          if (!isLast) continue;
          log.push(nameOf(decodeElement(frame)));
          frame = new Uint8Array(0);
          frames++;
        }
        outlet.credit({ bytes: length, window: windows[credits++ % windows.length] ?? party.capacity });
      }
      return frames === count && barrier === last;
    });
    saw(log);
  };
}

/**
 * What came from another process goes into the ring as far as its window allows; the producer asks for credit where it has to,
 * and in the end for what it is still owed.
 */
function arriving(sent: readonly Sent[]): Program {
  return (party) => {
    const inlet = new RingInlet(party, party, () => 0);
    const window = party.capacity / 2;
    let outstanding = 0;
    let hasAsked = false;
    let next = 0;
    let frames = 0;
    const credit = (): boolean => {
      const freed = inlet.takeFreed();
      outstanding -= freed;
      if (freed > 0) hasAsked = false;
      return freed > 0;
    };
    /** True when credit came by it. */
    const ask = (): boolean => {
      if (hasAsked || outstanding >= toldFrom(window)) return false;
      hasAsked = true;
      inlet.ask();
      return credit();
    };
    const send = (): boolean => {
      for (; next < sent.length; next++) {
        const item = sent[next]!;
        if (!('kind' in item && (item.kind === 'batch' || item.kind === 'event'))) {
          inlet.overtake({ barrier: item as CheckpointBarrier, position: frames });
          continue;
        }
        const frame = encodeElement(item);
        while (outstanding > 0 && outstanding + frame.length > window) if (!ask()) return false;
        inlet.accept(frame);
        frames++;
        outstanding += frame.length;
        credit();
      }
      while (outstanding > 0) if (!ask()) return false;
      return true;
    };
    untilQuiet(party, () => {
      credit();
      const isOver = send();
      inlet.settle();
      return isOver;
    });
  };
}

const leaving: Scenario[] = [
  {
    name: 'frames of a small ring',
    capacity: 32,
    sent: [watermark(1), watermark(2), watermark(3)],
    preemptions: 3,
    minimum: 2000,
    outcomes: ['1 2 3'],
  },
  {
    name: 'a window that shrinks and grows, with a frame that is larger than the small one',
    capacity: 64,
    windows: [16, 64],
    sent: [watermark(1), large, watermark(2), watermark(3)],
    preemptions: 3,
    minimum: 2000,
    outcomes: ['1 batch abcdefgh 2 3'],
  },
  {
    name: 'pieces of a frame that is larger than the ring, in a window that shrinks and grows',
    capacity: 32,
    windows: [16, 32],
    sent: [watermark(1), large],
    preemptions: 3,
    minimum: 2000,
    outcomes: ['1 batch abcdefgh'],
  },
  {
    name: 'a barrier between frames',
    capacity: 32,
    sent: [watermark(1), barrierOf(1), watermark(2), barrierOf(2), watermark(3)],
    last: 2,
    preemptions: 3,
    minimum: 2000,
    outcomes: ['1 barrier 1 2 barrier 2 3', '1 2 barrier 2 3'],
  },
];

for (const { name, capacity, sent, preemptions, minimum, last = 0, windows, outcomes } of leaving) {
  test(`no interleaving loses or reorders what leaves for another process: ${name}`, () => {
    const seen = new Set<string>();
    const frames = sent.filter((item) => 'kind' in item && (item.kind === 'batch' || item.kind === 'event'));
    const outlet = forwarding(frames.length, last, (log) => seen.add(log.join(' ')), windows);
    const schedules = explore(capacity, [writing(sent), outlet], preemptions);
    console.log(`cases: outlet schedules, ${name} ${schedules} (minimum ${minimum})`);
    assert.ok(schedules >= minimum);
    assert.deepEqual([...seen].sort(), [...outcomes].sort());
  });
}

const coming: Scenario[] = [
  {
    name: 'a window of one frame',
    capacity: 32,
    sent: [watermark(1), watermark(2), watermark(3)],
    preemptions: 3,
    minimum: 2000,
    outcomes: ['1 2 3'],
  },
  {
    name: 'a window of two frames and a barrier',
    capacity: 64,
    sent: [watermark(1), watermark(2), barrierOf(1), watermark(3)],
    last: 1,
    preemptions: 3,
    minimum: 2000,
    outcomes: ['1 2 barrier 1 over [] 3', '1 barrier 1 over [2] 2 3', 'barrier 1 over [1,2] 1 2 3'],
  },
  {
    name: 'a frame for which credit has to be asked, as less is out than is told by itself',
    capacity: 128,
    sent: [watermark(1), wide, watermark(2)],
    preemptions: 3,
    minimum: 2000,
    outcomes: ['1 batch abcdefghijklmnopqrstuvwxyz 2'],
  },
];

for (const { name, capacity, sent, preemptions, minimum, last = 0, outcomes } of coming) {
  test(`no interleaving loses what came from another process, or its credit: ${name}`, () => {
    const seen = new Set<string>();
    const frames = sent.filter((item) => 'kind' in item && (item.kind === 'batch' || item.kind === 'event'));
    const reader = reading(frames.length, last, (log) => seen.add(log.join(' ')));
    const schedules = explore(capacity, [arriving(sent), reader], preemptions);
    console.log(`cases: inlet schedules, ${name} ${schedules} (minimum ${minimum})`);
    assert.ok(schedules >= minimum);
    assert.deepEqual([...seen].sort(), [...outcomes].sort());
  });
}
