/**
 * Makes the bytes of large snapshots in a thread of its own, so that the thread of the slot only copies pages.
 *
 * ```
 * slot    tables ──▶   sees the progress ─ kept ──▶ … claim ─ pages ──▶ … ─ finish ──▶ … read ──▶ stores it … drop ──▶
 * encoder        copies, ◀── copied                            ◀── memory         ◀── encoded | failed   ◀── piece
 * ```
 *
 * Owner: the thread of the slot. Partner: worker-encoder.ts, which it starts with the first large snapshot.
 *
 * N1 Memory is moved, not shared: only one thread can touch it at a time.
 * N2 {@link MEMORIES_MAX} memories are there at a time, unless more must be; none while no snapshot is on its way.
 * N3 The end of the thread rejects what waits for it, once; the next large snapshot starts another one. So does a thread
 *    that cannot be started, or sent something: the snapshots fail, and nobody else.
 * N4 What was moved to the thread is not looked at any more.
 * N5 What is shared is the memory of typed tables, which the thread copies while they change: F5 of state/memory/snapshot.ts
 *    says why that is right. The number of tables that are copied is written after they are, and read before anything that
 *    changes later is changed. Each operator of a chain has tables of its own, which are told from those of the others.
 * N6 The slot reads large bytes piece by piece while it stores them, and has two at a time: to a thread that gets and gives up
 *    as much memory as a state has, the collector would come at each checkpoint. The thread has them until they are dropped.
 * N7 A thread that had nothing to do for {@link IDLE_MS} is ended, and with it goes all memory that it has used: garbage of an
 *    idle thread is not collected.
 */

import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../base/env.ts';
import { type deserializeError as deserialize, deserializeError, MillraceError } from '../base/errors.ts';
import type { PiecedBytes } from '../base/object-store.ts';
import { ownModule } from '../base/own-package.ts';
import type { KeptRun, SharedCopying, SharedTable } from '../state/backend.ts';
import type { NamedRun } from '../state/memory/number-columns.ts';
import { encoderHere } from '../state/memory/snapshot.ts';
import { plainColumns, type WrittenKeyGroup, type WrittenTable } from '../state/written-key-group.ts';
import {
  type EncodedSnapshot,
  LARGE_BYTES,
  PIECE_BYTES,
  type ReadSnapshot,
  SnapshotAssembly,
  type SnapshotEncoder,
  type SnapshotEncoding,
} from './snapshot-encoder.ts';

/** What the thread is sent. */
export type EncoderCommand =
  | {
      readonly kind: 'pages';
      readonly id: number;
      readonly memory: Int32Array<ArrayBuffer>;
      readonly runs: readonly NamedRun[];
    }
  | {
      readonly kind: 'tables';
      readonly id: number;
      /** Which tables of the snapshot these are: each operator of a chain has some. One more than those before. */
      readonly sharing: number;
      readonly tables: readonly SharedTable[];
      /** How many are copied. */
      readonly progress: Int32Array;
    }
  | {
      readonly kind: 'kept';
      readonly id: number;
      readonly sharing: number;
      readonly kept: readonly KeptRun[];
      /** Of so many tables it is all. */
      readonly settled: number;
    }
  | {
      readonly kind: 'rest';
      readonly id: number;
      readonly sharing: number;
      readonly kept: readonly KeptRun[];
      readonly memories: readonly Int32Array[];
    }
  | { readonly kind: 'finish'; readonly id: number; readonly snapshot: ReadSnapshot }
  | { readonly kind: 'read'; readonly id: number; readonly reading: number; readonly from: number }
  | { readonly kind: 'drop'; readonly id: number };

/** What it sends. */
export type EncoderReport =
  | { readonly kind: 'memory'; readonly memory: Int32Array<ArrayBuffer> }
  /** Tables were copied. */
  | { readonly kind: 'copied' }
  | {
      readonly kind: 'encoded';
      readonly id: number;
      readonly length: number;
      readonly sha256: string;
      /** All of them, when they are not more than a piece. */
      readonly bytes: Uint8Array | undefined;
    }
  | { readonly kind: 'piece'; readonly reading: number; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly id: number; readonly error: Parameters<typeof deserialize>[0] };

/** Eight pages. */
const MEMORY_WORDS = 131_072;
const MEMORIES_MAX = 8;
/** N7. Longer than the usual time from one checkpoint to the next of those that take many. */
const IDLE_MS = 5_000;

const entry = ownModule('hosts/worker-encoder');

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** How a thread is started; tests start others. */
export type StartEncoder = () => Worker;

const startEncoder: StartEncoder = () => new Worker(entry, { name: 'millrace snapshots' });

/** An encoder with a thread of its own. */
export function threadEncoder(
  clock: Pick<Clock, 'timer'>,
  start: StartEncoder = startEncoder,
): SnapshotEncoder {
  return new ThreadEncoder(clock, start);
}

class ThreadEncoder implements SnapshotEncoder {
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #start: StartEncoder;
  #worker: Worker | undefined;
  /** N7. */
  #idle: Timer | undefined;
  #ids = 0;
  /** Snapshots on their way. */
  readonly #active = new Set<number>();
  readonly #waiting = new Map<number, Waiting<EncodedSnapshot>>();
  readonly #readings = new Map<number, Waiting<Uint8Array>>();
  #readingIds = 0;
  readonly #free: Int32Array<ArrayBuffer>[] = [];
  /** Claimed, or in the thread. */
  #out = 0;
  readonly #onRoom = new Set<() => void>();
  #isClosed = false;

  constructor(clock: Pick<Clock, 'timer'>, start: StartEncoder) {
    this.#clock = clock;
    this.#start = start;
  }

  prepare(): void {
    if (this.#worker !== undefined || this.#isClosed) return;
    try {
      this.#thread();
      this.#rest();
    } catch {
      // The snapshot that needs it tries again, and fails with the reason (N3).
    }
  }

  begin(onRoom: () => void): SnapshotEncoding {
    const id = this.#ids++;
    this.#idle?.cancel();
    this.#active.add(id);
    return new ThreadEncoding(this, id, onRoom);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#idle?.cancel();
    const worker = this.#worker;
    this.#lose(worker, 'its slot was closed');
    await worker?.terminate();
  }

  /** N2. */
  claim(must: boolean, onRoom: () => void): Int32Array<ArrayBuffer> | undefined {
    if (this.#out >= MEMORIES_MAX && !must) {
      this.#onRoom.add(onRoom);
      return undefined;
    }
    this.#out++;
    return this.#free.pop() ?? new Int32Array(MEMORY_WORDS);
  }

  /** To be called once, when something comes back. */
  onRoom(onRoom: () => void): void {
    this.#onRoom.add(onRoom);
  }

  /** Never throws (N3): a record may be at work. */
  send(command: EncoderCommand, moved: readonly ArrayBuffer[] = []): void {
    try {
      this.#thread().postMessage(command, [...moved]);
    } catch (error) {
      const worker = this.#worker;
      this.#lose(worker, error instanceof Error ? error.message : String(error));
      void worker?.terminate();
    }
  }

  encoded(id: number, snapshot: ReadSnapshot): Promise<EncodedSnapshot> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.send({ kind: 'finish', id, snapshot }, ownBuffers(snapshot));
    });
  }

  /** N6: a piece of the bytes of a snapshot that was encoded. */
  read(id: number, from: number): Promise<Uint8Array> {
    if (!this.isActive(id)) return Promise.reject(lost('it had the bytes of this snapshot'));
    return new Promise((resolve, reject) => {
      const reading = this.#readingIds++;
      this.#readings.set(reading, { resolve, reject });
      this.send({ kind: 'read', id, reading, from });
    });
  }

  /** The snapshot is over: `unused` is memory that it had claimed. */
  end(id: number, unused: number): void {
    if (!this.#active.delete(id)) return;
    this.#out -= unused;
    this.#waiting.delete(id);
    if (this.#active.size > 0) {
      if (unused > 0) this.#tellRoom();
      return;
    }
    this.#free.length = 0;
    if (this.#worker !== undefined && !this.#isClosed) this.#rest();
  }

  /** N7. */
  #rest(): void {
    this.#idle?.cancel();
    this.#idle = this.#clock.timer(
      IDLE_MS,
      () => {
        const worker = this.#worker;
        this.#worker = undefined;
        // What is still out is memory that the thread has not given back.
        this.#out = 0;
        void worker?.terminate();
      },
      'the thread that makes the bytes of snapshots is idle',
    );
  }

  /** Drops what the thread may have of a snapshot. */
  forget(id: number): void {
    this.#worker?.postMessage({ kind: 'drop', id } satisfies EncoderCommand);
  }

  isActive(id: number): boolean {
    return this.#active.has(id);
  }

  #thread(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    if (this.#isClosed) throw lost('its slot was closed');
    const worker = this.#start();
    this.#worker = worker;
    // The slot lives as long as its own port says.
    worker.unref();
    worker.on('message', (report: EncoderReport) => {
      if (worker === this.#worker) this.#take(report);
    });
    worker.on('error', (error) => this.#lose(worker, error instanceof Error ? error.message : String(error)));
    worker.on('exit', (code) => this.#lose(worker, `it exited with code ${code}`));
    return worker;
  }

  #take(report: EncoderReport): void {
    if (report.kind === 'copied') return this.#tellRoom();
    if (report.kind === 'memory') {
      this.#out--;
      if (this.#active.size > 0 && this.#free.length + this.#out < MEMORIES_MAX)
        this.#free.push(report.memory);
      return this.#tellRoom();
    }
    if (report.kind === 'piece') {
      this.#readings.get(report.reading)?.resolve(report.bytes);
      this.#readings.delete(report.reading);
      return;
    }
    const { id } = report;
    const waiting = this.#waiting.get(id);
    if (report.kind === 'encoded' && report.bytes === undefined) {
      const { length, sha256 } = report;
      this.#waiting.delete(id);
      waiting?.resolve({ bytes: new BytesThere(this, id, length), sha256, release: () => this.release(id) });
      return;
    }
    this.end(id, 0);
    if (report.kind === 'failed') waiting?.reject(deserializeError(report.error));
    else {
      const bytes = report.bytes!;
      waiting?.resolve({ bytes, sha256: report.sha256, release: () => giveUp(bytes) });
    }
  }

  /** N6: nobody reads its bytes any more. */
  release(id: number): void {
    if (!this.isActive(id)) return;
    this.end(id, 0);
    this.forget(id);
  }

  #tellRoom(): void {
    const told = [...this.#onRoom];
    this.#onRoom.clear();
    for (const onRoom of told) onRoom();
  }

  /** N3. Those that have not got as far as to wait find their snapshot over. */
  #lose(worker: Worker | undefined, cause: string): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    this.#out = 0;
    const waiting = [...this.#waiting.values(), ...this.#readings.values()];
    this.#waiting.clear();
    this.#readings.clear();
    this.#active.clear();
    this.#free.length = 0;
    for (const { reject } of waiting) reject(lost(cause));
    this.#tellRoom();
  }
}

/** N6: bytes that the thread has. */
class BytesThere implements PiecedBytes {
  readonly length: number;
  readonly #encoder: ThreadEncoder;
  readonly #id: number;

  constructor(encoder: ThreadEncoder, id: number, length: number) {
    this.#encoder = encoder;
    this.#id = id;
    this.length = length;
  }

  async *pieces(): AsyncGenerator<Uint8Array, void> {
    let next = this.#read(0);
    for (let from = 0; from < this.length; from += PIECE_BYTES) {
      const piece = await next;
      // While this one is written.
      if (from + PIECE_BYTES < this.length) next = this.#read(from + PIECE_BYTES);
      yield piece;
      giveUp(piece);
    }
  }

  #read(from: number): Promise<Uint8Array> {
    const piece = this.#encoder.read(this.#id, from);
    // Whoever reads may have given up before it asks for this one.
    piece.catch(() => undefined);
    return piece;
  }
}

/** Moved to nobody, its memory is free at once; the collector may come late to a thread that does little. */
function giveUp({ buffer }: Uint8Array): void {
  (buffer as ArrayBuffer).transfer(0);
}

function lost(cause: string): MillraceError {
  return new MillraceError('WORKER_LOST', `the thread that makes the bytes of snapshots ended: ${cause}`);
}

/** One snapshot: small, and made here, or large, and made there. */
class ThreadEncoding implements SnapshotEncoding {
  readonly #encoder: ThreadEncoder;
  readonly #id: number;
  readonly #onRoom: () => void;
  readonly #here = new SnapshotAssembly();
  readonly #hereEncoder = encoderHere(this.#here.numbers);
  #bytes = 0;
  #names = 0;
  #sharings = 0;
  /** Memory of the encoder that is claimed and not sent. */
  #claimed = 0;

  constructor(encoder: ThreadEncoder, id: number, onRoom: () => void) {
    this.#encoder = encoder;
    this.#id = id;
    this.#onRoom = onRoom;
  }

  expect(bytes: number): void {
    this.#bytes += bytes;
  }

  columns(): number {
    return this.#names++;
  }

  get #isLarge(): boolean {
    return this.#bytes > LARGE_BYTES;
  }

  claim(must: boolean): Int32Array | undefined {
    if (!this.#isLarge) return this.#hereEncoder.claim(must);
    // What is copied for a thread that ended is for nobody: `finish` tells.
    if (!this.#encoder.isActive(this.#id)) return new Int32Array(MEMORY_WORDS);
    const memory = this.#encoder.claim(must, this.#onRoom);
    if (memory !== undefined) this.#claimed++;
    return memory;
  }

  add(memory: Int32Array, runs: readonly NamedRun[]): void {
    if (!this.#isLarge) return this.#hereEncoder.add(memory, runs);
    if (!this.#encoder.isActive(this.#id)) return;
    this.#claimed--;
    const moved = memory as Int32Array<ArrayBuffer>;
    this.#encoder.send({ kind: 'pages', id: this.#id, memory: moved, runs }, [moved.buffer]);
  }

  share(tables: readonly SharedTable[]): SharedCopying | undefined {
    const encoder = this.#encoder;
    const id = this.#id;
    if (!this.#isLarge || !encoder.isActive(id)) return undefined;
    const sharing = this.#sharings++;
    const progress = new Int32Array(new SharedArrayBuffer(4));
    encoder.onRoom(this.#onRoom);
    encoder.send({ kind: 'tables', id, sharing, tables, progress });
    return {
      copied: () => {
        // A thread that ended copies nothing, and `finish` tells.
        if (!encoder.isActive(id)) return tables.length;
        const copied = Atomics.load(progress, 0);
        if (copied < tables.length) encoder.onRoom(this.#onRoom);
        return copied;
      },
      give: (kept, settled) => {
        if (encoder.isActive(id))
          encoder.send({ kind: 'kept', id, sharing, kept, settled }, buffersOf(entriesOf(kept)));
      },
      giveRest: (kept, memories) => {
        const moved = buffersOf([...entriesOf(kept), ...memories]);
        if (encoder.isActive(id)) encoder.send({ kind: 'rest', id, sharing, kept, memories }, moved);
      },
    };
  }

  finish(snapshot: ReadSnapshot): Promise<EncodedSnapshot> {
    const encoder = this.#encoder;
    if (!encoder.isActive(this.#id)) return Promise.reject(lost('it had copies of this snapshot'));
    if (this.#isLarge) return encoder.encoded(this.#id, snapshot);
    if (bytesIn(snapshot) > LARGE_BYTES) return encoder.encoded(this.#id, this.#withColumns(snapshot));
    encoder.end(this.#id, 0);
    return Promise.resolve(this.#here.encode(snapshot));
  }

  drop(): void {
    if (!this.#encoder.isActive(this.#id)) return;
    this.#encoder.end(this.#id, this.#claimed);
    this.#encoder.forget(this.#id);
  }

  /** With the numbers that were made columns here. */
  #withColumns({ operators, ...rest }: ReadSnapshot): ReadSnapshot {
    const tableWith = (table: WrittenTable): WrittenTable =>
      table.kind === 'numbers' && typeof table.columns === 'number'
        ? { ...table, columns: plainColumns(this.#here.numbers.of(table.columns)) }
        : table;
    const groupWith = ({ sections, ...group }: WrittenKeyGroup): WrittenKeyGroup => ({
      ...group,
      sections: sections.map((section) => ({ ...section, table: tableWith(section.table) })),
    });
    return {
      ...rest,
      operators: operators.map(({ keyGroups, ...operator }) => ({
        ...operator,
        keyGroups: keyGroups.map(groupWith),
      })),
    };
  }
}

function entriesOf(kept: readonly KeptRun[]): Int32Array[] {
  return kept.map(({ entries }) => entries);
}

function buffersOf(memories: readonly Int32Array[]): ArrayBuffer[] {
  return memories.filter(({ length }) => length > 0).map(({ buffer }) => buffer as ArrayBuffer);
}

function* bytesOf({ operators }: ReadSnapshot): Iterable<{ bytes: Uint8Array; isOwn: boolean }> {
  for (const { keyGroups } of operators) {
    for (const { sections, timers } of keyGroups) {
      yield { bytes: timers, isOwn: true };
      for (const { table } of sections) {
        if (table.kind === 'bytes') yield table;
        else {
          const plain = typeof table.columns === 'number' ? [table.cells] : [table.cells, table.columns];
          for (const { keys, values } of plain) {
            yield { bytes: keys, isOwn: true };
            yield { bytes: values, isOwn: true };
          }
        }
      }
    }
  }
}

function bytesIn(snapshot: ReadSnapshot): number {
  let sum = 0;
  for (const { bytes } of bytesOf(snapshot)) sum += bytes.length;
  return sum;
}

/** N4: what was made for this snapshot alone, and can be moved instead of copied. */
function ownBuffers(snapshot: ReadSnapshot): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { bytes, isOwn } of bytesOf(snapshot)) {
    if (isOwn && bytes.length > 0) buffers.add(bytes.buffer as ArrayBuffer);
  }
  return [...buffers];
}
