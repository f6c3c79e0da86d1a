/**
 * The {@link Files} of a simulated disk: with latency and crash points from the kernel, and with faults.
 *
 * 1. Every operation takes effect in one step and settles in a later one, so a crash can fall between the two.
 * 2. A handle does one thing at a time, and after a failed write or sync it can only be closed: what it wrote is in doubt.
 */

import { assert } from '../base/assert.ts';
import { type FileHandle, type Files, FilesError, type FileStatus, type Random } from '../base/env.ts';
import { type FileNode, SimulatedDisk } from './simulated-disk.ts';

/** What can be done with files. */
export type FileOperation =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'sync'
  | 'close'
  | 'stat'
  | 'list'
  | 'make directory'
  | 'claim directory'
  | 'rename'
  | 'link'
  | 'remove'
  | 'remove tree'
  | 'sync directory';

/**
 * What goes wrong with an operation: an error and no effect; the effect although there is an error;
 * no effect and an error that does not tell; a disk that fills up in the middle.
 */
export type FileFault = 'io' | 'unknown-with-effect' | 'unknown-without-effect' | 'no-space';

/** An operation that is about to happen: the `count`-th of its disk, from 1; `path` is the target of a rename or link. */
export interface FileCall {
  readonly count: number;
  readonly operation: FileOperation;
  readonly path: string;
}

/** Faults by chance, each a probability per operation, and by plan. Reading and closing never change anything. */
export interface FileFaults {
  readonly random: Random;
  readonly io?: number;
  readonly unknown?: number;
  readonly noSpace?: number;
  /** How often a read returns less than was asked for. */
  readonly shortRead?: number;
  /** Called before each operation: a failpoint, which may name a fault, crash a node, or only look. */
  readonly onOperation?: (call: FileCall) => FileFault | undefined;
}

/** When an operation happens and when its promise settles. `interrupted` is what a process that is killed in it leaves behind. */
export type Perform = <T>(why: string, effect: () => T, interrupted: (random: Random) => void) => Promise<T>;

/**
 * Files in memory that do everything at once; without `faults` a plain file system for unit tests.
 *
 * ```ts
 * const memory = memoryFiles();
 * await memory.makeDirectory('/data');
 * const file = await memory.open('/data/a', 'create');
 * await file.write(Uint8Array.of(1, 2, 3));
 * await file.close();
 * console.log((await memory.read('/data/a')).length); // 3
 * ```
 */
export function memoryFiles(disk: SimulatedDisk = new SimulatedDisk(), faults?: FileFaults): SimulatedFiles {
  return new SimulatedFiles(disk, async (_why, effect) => effect(), faults);
}

/**
 * The file system of a simulated disk. {@link memoryFiles} makes one for unit tests, `Kernel.env` one with latency
 * and crash points.
 *
 * ```ts
 * const disk = new SimulatedDisk();
 * const seen: string[] = [];
 * const failing: SimulatedFiles = memoryFiles(disk, {
 *   random: new Kernel({ seed: 1 }).random,
 *   onOperation: ({ operation, path }) => {
 *     seen.push(`${operation} ${path}`);
 *     return operation === 'rename' ? 'io' : undefined; // fails, without effect
 *   },
 * });
 * await failing.makeDirectory('/data');
 * ```
 */
export class SimulatedFiles implements Files {
  readonly disk: SimulatedDisk;
  readonly #perform: Perform;
  readonly #faults: FileFaults | undefined;
  #openHandles = 0;

  constructor(disk: SimulatedDisk, perform: Perform, faults?: FileFaults) {
    this.disk = disk;
    this.#perform = perform;
    this.#faults = faults;
  }

  /** Handles that were opened and not closed. */
  get openHandles(): number {
    return this.#openHandles;
  }

  /** Opens a file to read it, or creates one that must not exist. */
  async open(path: string, mode: 'read' | 'create'): Promise<FileHandle> {
    const file = await this.run(mode === 'read' ? 'open' : 'create', path, () =>
      mode === 'read' ? this.disk.open(path) : this.disk.create(path),
    );
    this.#openHandles++;
    return new SimulatedHandle(this, file, path, () => this.#openHandles--);
  }

  /** The whole file. */
  read(path: string): Promise<Uint8Array> {
    return this.run('read', path, () => this.disk.read(path));
  }

  /** What a path is; `undefined` when there is nothing. */
  stat(path: string): Promise<FileStatus | undefined> {
    return this.run('stat', path, () => this.disk.stat(path));
  }

  /** There are no links. */
  realPath(path: string): Promise<string> {
    return this.run('stat', path, () => {
      if (this.disk.stat(path) === undefined) throw new FilesError('absent', 'real path', path);
      return path;
    });
  }

  /** Names in a directory, sorted. */
  list(path: string): Promise<string[]> {
    return this.run('list', path, () => this.disk.list(path));
  }

  /** Makes a directory and its parents. */
  makeDirectory(path: string): Promise<void> {
    return this.run('make directory', path, () => this.disk.makeDirectory(path));
  }

  /** Makes one directory, which must not exist. */
  claimDirectory(path: string): Promise<void> {
    return this.run('claim directory', path, () => this.disk.claimDirectory(path));
  }

  /** Replaces `to` in one step. */
  rename(from: string, to: string): Promise<void> {
    return this.run('rename', to, () => this.disk.rename(from, to));
  }

  /** Gives a file a second name, which must not exist. */
  link(from: string, to: string): Promise<void> {
    return this.run('link', to, () => this.disk.link(from, to));
  }

  /** Removes a file; fine when it is absent. */
  remove(path: string): Promise<void> {
    return this.run('remove', path, () => this.disk.remove(path));
  }

  /** Removes a directory with all that is in it. */
  removeTree(path: string): Promise<void> {
    return this.run('remove tree', path, () => this.disk.removeTree(path));
  }

  /** Makes the names of a directory durable. */
  syncDirectory(path: string): Promise<void> {
    return this.run('sync directory', path, () => this.disk.syncDirectory(path));
  }

  /** For handles: one operation with its faults. `partial` is a write of a part, `failed` what an error leaves behind. */
  run<T>(
    operation: FileOperation,
    path: string,
    effect: () => T,
    ways: { partial?: (random: Random) => void; failed?: () => void } = {},
  ): Promise<T> {
    const fault = this.#drawFault({ count: ++this.disk.calls, operation, path });
    const withFault = (): T => {
      if (fault === undefined) return effect();
      if (fault === 'unknown-with-effect') effect();
      else if (fault === 'no-space' && this.#faults !== undefined) ways.partial?.(this.#faults.random);
      else ways.failed?.();
      const kind = fault === 'no-space' || fault === 'io' ? fault : 'unknown';
      throw new FilesError(kind, operation, path, new Error('fault of the simulation'));
    };
    // Killed within a system call: a part of a write is there, or the whole effect, or nothing.
    const interrupted = (random: Random): void => {
      if (ways.partial !== undefined) ways.partial(random);
      else if (random.int(2) === 0) effect();
    };
    return this.#perform(`${operation} ${path}`, withFault, interrupted);
  }

  /** For handles: how many of `length` bytes a read may return. */
  readable(length: number): number {
    const { random, shortRead = 0 } = this.#faults ?? {};
    if (random === undefined || length < 2 || random.float() >= shortRead) return length;
    return 1 + random.int(length - 1);
  }

  #drawFault(call: FileCall): FileFault | undefined {
    const faults = this.#faults;
    if (faults === undefined) return undefined;
    const planned = faults.onOperation?.(call);
    if (planned !== undefined) return planned;
    const { random, io = 0, unknown = 0, noSpace = 0 } = faults;
    const drawn = random.float();
    if (drawn < io) return 'io';
    if (drawn < io + unknown) return random.int(2) === 0 ? 'unknown-with-effect' : 'unknown-without-effect';
    const takesSpace = call.operation === 'write' || call.operation === 'create';
    return takesSpace && drawn < io + unknown + noSpace ? 'no-space' : undefined;
  }
}

class SimulatedHandle implements FileHandle {
  readonly #files: SimulatedFiles;
  readonly #file: FileNode;
  readonly #path: string;
  readonly #onClose: () => void;
  #isBusy = false;
  #isInDoubt = false;
  #isClosed = false;

  constructor(files: SimulatedFiles, file: FileNode, path: string, onClose: () => void) {
    this.#files = files;
    this.#file = file;
    this.#path = path;
    this.#onClose = onClose;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#run('read', () => {
      const piece = into.subarray(0, this.#files.readable(into.length));
      return this.#files.disk.readAt(this.#file, piece, position);
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    assert(!this.#isInDoubt, 'a file is dropped after a failed write or sync');
    const append = (part: Uint8Array): void => this.#files.disk.append(this.#file, part, this.#path);
    const partial = (random: Random): void => append(bytes.subarray(0, random.int(bytes.length + 1)));
    return this.#run('write', () => append(bytes), { partial });
  }

  sync(): Promise<void> {
    assert(!this.#isInDoubt, 'a file is dropped after a failed write or sync');
    return this.#run('sync', () => this.#files.disk.sync(this.#file), {
      failed: () => this.#files.disk.failSync(this.#file),
    });
  }

  async close(): Promise<void> {
    await this.#run('close', () => undefined);
  }

  // Invariant 2 of the head.
  async #run<T>(
    operation: 'read' | 'write' | 'sync' | 'close',
    effect: () => T,
    ways: { partial?: (random: Random) => void; failed?: () => void } = {},
  ): Promise<T> {
    if (this.#isClosed) throw new FilesError('io', operation, this.#path, new Error('the file is closed'));
    assert(!this.#isBusy, 'a file does one thing at a time');
    this.#isBusy = true;
    if (operation === 'close') {
      this.#isClosed = true;
      this.#onClose();
    }
    try {
      return await this.#files.run(operation, this.#path, effect, ways);
    } catch (error) {
      if (operation === 'write' || operation === 'sync') this.#isInDoubt = true;
      throw error;
    } finally {
      this.#isBusy = false;
    }
  }
}
