/**
 * A disk in memory that can lose its power: what was not synchronized may be gone, torn, or there.
 *
 * Owns: inodes, directories, and what of them is durable. Its operations are synchronous and complete;
 * `SimulatedFiles` gives them latency, faults and the interface of the engine.
 *
 * 1. A file's bytes are durable up to what was written before its last successful sync.
 * 2. A name is durable after the directory that holds it was synchronized; a rename is one step, never half of one. What
 *    happened to one name is kept in its order: a durable step is never undone by an older one that follows it.
 * 3. Power loss decides about every other write and every other name independently: kept, dropped, or (a write) torn.
 * 4. A sync that failed makes nothing durable, and no later sync does it for those writes.
 */

import { posix } from 'node:path';
import { assert } from '../base/assert.ts';
import { FilesError, type FilesErrorKind, type FileStatus, type Random } from '../base/env.ts';

/** Where a write can be torn: disks write sectors. */
const SECTOR_BYTES = 512;
const KNOWN_PATHS_MAX = 4_096;

/** A run of bytes that one write appended and that is not durable. */
interface Write {
  readonly from: number;
  readonly to: number;
  /** True when a sync of it failed (4). */
  isDoomed: boolean;
}

/** A file of a {@link SimulatedDisk}, whatever its names. */
export interface FileNode {
  readonly kind: 'file';
  bytes: Uint8Array;
  length: number;
  unsynced: Write[];
  links: number;
  modifiedMs: number;
}

interface DirectoryNode {
  readonly kind: 'directory';
  entries: Map<string, Node>;
  durable: Map<string, Node>;
  /** Steps with a change here that are not durable, in their order. */
  readonly unsynced: Set<NameStep>;
  modifiedMs: number;
}

type Node = FileNode | DirectoryNode;

/** What becomes of a name in a directory. */
interface NameChange {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: Node | undefined;
}

/** One step of the directories that is not durable yet: all its changes survive or none. */
interface NameStep {
  readonly changes: readonly NameChange[];
}

/** What may be chosen about a disk. */
export interface SimulatedDiskOptions {
  /** Bytes that fit; default: no limit. */
  readonly capacityBytes?: number;
  /** Wall clock for times of modification; default: always 0. */
  readonly now?: () => number;
}

/**
 * The disk. Paths are absolute; errors are {@link FilesError}.
 *
 * ```ts
 * const disk = new SimulatedDisk({ capacityBytes: 1_000_000 });
 * disk.makeDirectory('/data');
 * disk.losePower(new Kernel({ seed: 1 }).random);
 * console.log(disk.contents()); // with '/data' or without: its name was not synchronized
 * ```
 */
export class SimulatedDisk {
  /** Operations of all who use the disk, counted by `SimulatedFiles`. */
  calls = 0;
  readonly #root: DirectoryNode;
  readonly #now: () => number;
  #capacityBytes: number;
  #usedBytes = 0;
  /** In their order. */
  readonly #unsyncedSteps = new Set<NameStep>();
  /** Paths that were taken apart before: a simulation uses few of them, again and again. */
  readonly #namesOfPath = new Map<string, readonly string[]>();

  constructor(options: SimulatedDiskOptions = {}) {
    this.#capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
    this.#now = options.now ?? (() => 0);
    this.#root = newDirectory(this.#now());
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Makes the disk larger or smaller from now on. */
  setCapacity(bytes: number): void {
    this.#capacityBytes = bytes;
  }

  /** The file of this name, which must exist. */
  open(path: string): FileNode {
    return this.#file('open', path);
  }

  /** A new file; its name must not exist. */
  create(path: string): FileNode {
    const { directory, name } = this.#parent('create', path);
    if (directory.entries.has(name)) throw new FilesError('exists', 'create', path);
    const file: FileNode = {
      kind: 'file',
      bytes: new Uint8Array(0),
      length: 0,
      unsynced: [],
      links: 1,
      modifiedMs: this.#now(),
    };
    this.#step([{ directory, name, node: file }]);
    return file;
  }

  /** Appends what fits; `no-space` when that was not all. */
  append(file: FileNode, bytes: Uint8Array, path: string): void {
    const fitting = bytes.subarray(0, Math.max(0, this.#capacityBytes - this.#usedBytes));
    const from = file.length;
    reserve(file, from + fitting.length);
    file.bytes.set(fitting, from);
    file.length += fitting.length;
    file.modifiedMs = this.#now();
    // A file without a name is freed when it is closed; that is not counted.
    if (file.links > 0) this.#usedBytes += fitting.length;
    if (fitting.length > 0) file.unsynced.push({ from, to: file.length, isDoomed: false });
    if (fitting.length < bytes.length) throw new FilesError('no-space', 'write', path);
  }

  /** Copies bytes from `position` on; returns how many. */
  readAt(file: FileNode, into: Uint8Array, position: number): number {
    const piece = file.bytes.subarray(position, Math.min(position + into.length, file.length));
    into.set(piece);
    return piece.length;
  }

  /** Makes what was written so far durable. */
  sync(file: FileNode): void {
    file.unsynced = file.unsynced.filter(({ isDoomed }) => isDoomed);
  }

  /** What a sync does that fails (4). */
  failSync(file: FileNode): void {
    for (const write of file.unsynced) write.isDoomed = true;
  }

  /** The bytes of a file. */
  read(path: string): Uint8Array {
    const file = this.#file('read', path);
    return file.bytes.slice(0, file.length);
  }

  /** What a path is; `undefined` when there is nothing. */
  stat(path: string): FileStatus | undefined {
    const node = this.#find('stat', path);
    if (node === undefined) return undefined;
    return { kind: node.kind, size: node.kind === 'file' ? node.length : 4096, modifiedMs: node.modifiedMs };
  }

  /** Names in a directory, sorted. */
  list(path: string): string[] {
    return [...this.#directory('list', path).entries.keys()].sort();
  }

  /** Makes a directory and its parents. */
  makeDirectory(path: string): void {
    let directory = this.#root;
    const names = this.#namesOf(path);
    for (const [depth, name] of names.entries()) {
      let next = directory.entries.get(name);
      if (next === undefined) {
        next = newDirectory(this.#now());
        this.#step([{ directory, name, node: next }]);
      }
      if (next.kind === 'file') {
        const kind = depth === names.length - 1 ? 'exists' : 'not-a-directory';
        throw new FilesError(kind, 'make directory', path);
      }
      directory = next;
    }
  }

  /** Makes one directory, which must not exist. */
  claimDirectory(path: string): void {
    const { directory, name } = this.#parent('claim directory', path);
    if (directory.entries.has(name)) throw new FilesError('exists', 'claim directory', path);
    this.#step([{ directory, name, node: newDirectory(this.#now()) }]);
  }

  /** Replaces `to` in one step. */
  rename(from: string, to: string): void {
    const operation = `rename ${from} to`;
    const source = this.#parent(operation, from);
    const target = this.#parent(operation, to);
    const node = source.directory.entries.get(source.name);
    if (node === undefined) throw new FilesError('absent', operation, to);
    const replaced = target.directory.entries.get(target.name);
    if (replaced === node) return;
    if (posix.normalize(to).startsWith(`${posix.normalize(from)}/`))
      throw new FilesError('io', operation, to);
    if (replaced !== undefined) checkReplaceable(node, replaced, operation, to);
    this.#step([
      { directory: source.directory, name: source.name, node: undefined },
      { directory: target.directory, name: target.name, node },
    ]);
    this.#unlinked(replaced);
  }

  /** Gives a file a second name, which must not exist. */
  link(from: string, to: string): void {
    const operation = `link ${from} to`;
    const node = this.#find(operation, from);
    if (node === undefined) throw new FilesError('absent', operation, to);
    const { directory, name } = this.#parent(operation, to);
    if (directory.entries.has(name)) throw new FilesError('exists', operation, to);
    if (node.kind === 'directory') throw new FilesError('denied', operation, to);
    node.links++;
    this.#step([{ directory, name, node }]);
  }

  /** Removes a file; fine when it is absent. */
  remove(path: string): void {
    const node = this.#find('remove', path);
    if (node === undefined) return;
    if (node.kind === 'directory') throw new FilesError('is-a-directory', 'remove', path);
    const { directory, name } = this.#parent('remove', path);
    this.#step([{ directory, name, node: undefined }]);
    this.#unlinked(node);
  }

  /** Removes a directory with all that is in it. */
  removeTree(path: string): void {
    const node = this.#find('remove tree', path);
    if (node === undefined) return;
    if (node.kind === 'directory') {
      for (const name of node.entries.keys()) this.removeTree(posix.join(path, name));
    }
    const { directory, name } = this.#parent('remove tree', path);
    this.#step([{ directory, name, node: undefined }]);
    if (node.kind === 'file') this.#unlinked(node);
  }

  /** Makes the names of a directory durable. */
  syncDirectory(path: string): void {
    const directory = this.#directory('sync directory', path);
    for (const step of dueWith(directory, this.#unsyncedSteps)) {
      makeDurable(step);
      this.#unsyncedSteps.delete(step);
    }
  }

  /** Everything there is below a directory, by path; for comparing and for looking. By default all of the disk. */
  contents(below = '/'): Map<string, Uint8Array | 'directory'> {
    const found = new Map<string, Uint8Array | 'directory'>();
    const visit = (directory: DirectoryNode, path: string): void => {
      for (const name of [...directory.entries.keys()].sort()) {
        const node = directory.entries.get(name)!;
        found.set(`${path}/${name}`, node.kind === 'file' ? node.bytes.slice(0, node.length) : 'directory');
        if (node.kind === 'directory') visit(node, `${path}/${name}`);
      }
    };
    const top = this.#find('look below', below);
    if (top?.kind === 'directory') visit(top, below === '/' ? '' : below);
    return found;
  }

  /** The power fails and comes back (3). Files that were open must not be used any more. */
  losePower(random: Random): void {
    for (const step of this.#unsyncedSteps) {
      if (random.int(2) === 0) makeDurable(step);
      else forgetStep(step);
    }
    this.#unsyncedSteps.clear();
    const files = new Map<FileNode, number>();
    restoreNames(this.#root, files);
    this.#usedBytes = 0;
    for (const [file, links] of files) {
      file.links = links;
      tearWrites(file, random);
      this.#usedBytes += file.length;
    }
  }

  #step(changes: NameStep['changes']): void {
    const step = { changes };
    for (const { directory, name, node } of changes) {
      if (node === undefined) directory.entries.delete(name);
      else directory.entries.set(name, node);
      directory.modifiedMs = this.#now();
      directory.unsynced.add(step);
    }
    this.#unsyncedSteps.add(step);
  }

  #unlinked(node: Node | undefined): void {
    if (node?.kind !== 'file') return;
    node.links--;
    if (node.links === 0) this.#usedBytes -= node.length;
  }

  #find(operation: string, path: string): Node | undefined {
    return this.#walk(operation, path, this.#namesOf(path));
  }

  #walk(operation: string, path: string, names: readonly string[]): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of names) {
      if (node === undefined) return undefined;
      if (node.kind === 'file') throw new FilesError('not-a-directory', operation, path);
      node = node.entries.get(name);
    }
    return node;
  }

  #file(operation: string, path: string): FileNode {
    const node = this.#find(operation, path);
    if (node === undefined) throw new FilesError('absent', operation, path);
    if (node.kind === 'directory') throw new FilesError('is-a-directory', operation, path);
    return node;
  }

  #directory(operation: string, path: string): DirectoryNode {
    return this.#checkDirectory(operation, path, this.#find(operation, path));
  }

  #checkDirectory(operation: string, path: string, node: Node | undefined): DirectoryNode {
    if (node === undefined) throw new FilesError('absent', operation, path);
    if (node.kind === 'file') throw new FilesError('not-a-directory', operation, path);
    return node;
  }

  #parent(operation: string, path: string): { directory: DirectoryNode; name: string } {
    const names = this.#namesOf(path);
    const name = names.at(-1);
    if (name === undefined) throw new FilesError('exists', operation, path);
    const directory = this.#walk(operation, path, names.slice(0, -1));
    return { directory: this.#checkDirectory(operation, path, directory), name };
  }

  #namesOf(path: string): readonly string[] {
    const known = this.#namesOfPath.get(path);
    if (known !== undefined) return known;
    if (this.#namesOfPath.size === KNOWN_PATHS_MAX) this.#namesOfPath.clear();
    const names = namesOf(path);
    this.#namesOfPath.set(path, names);
    return names;
  }
}

function namesOf(path: string): string[] {
  assert(path.startsWith('/'), 'a path is absolute');
  return posix
    .normalize(path)
    .split('/')
    .filter((name) => name !== '');
}

function newDirectory(modifiedMs: number): DirectoryNode {
  return { kind: 'directory', entries: new Map(), durable: new Map(), unsynced: new Set(), modifiedMs };
}

function checkReplaceable(node: Node, replaced: Node, operation: string, path: string): void {
  const kind: FilesErrorKind | undefined =
    node.kind === 'file' && replaced.kind === 'directory'
      ? 'is-a-directory'
      : node.kind === 'directory' && replaced.kind === 'file'
        ? 'not-a-directory'
        : replaced.kind === 'directory' && replaced.entries.size > 0
          ? 'not-empty'
          : undefined;
  if (kind !== undefined) throw new FilesError(kind, operation, path);
}

function reserve(file: FileNode, length: number): void {
  if (length <= file.bytes.length) return;
  const larger = new Uint8Array(Math.max(length, file.bytes.length * 2, 64));
  larger.set(file.bytes.subarray(0, file.length));
  file.bytes = larger;
}

/** The steps that touch a directory, and (2) those before them that changed a name which they change; in their order. */
function dueWith(directory: DirectoryNode, steps: ReadonlySet<NameStep>): readonly NameStep[] {
  const touching = [...directory.unsynced];
  const isHereOnly = touching.every(({ changes }) =>
    changes.every((change) => change.directory === directory),
  );
  if (isHereOnly) return touching;
  // From the last one on; few are due, and few names are theirs.
  const changed: NameChange[] = [];
  const isDue = (change: NameChange): boolean =>
    change.directory === directory ||
    changed.some(({ directory: other, name }) => other === change.directory && name === change.name);
  const due: NameStep[] = [];
  for (const step of [...steps].reverse()) {
    if (!step.changes.some(isDue)) continue;
    for (const change of step.changes) if (change.directory !== directory) changed.push(change);
    due.push(step);
  }
  return due.reverse();
}

function makeDurable(step: NameStep): void {
  for (const { directory, name, node } of step.changes) {
    if (node === undefined) directory.durable.delete(name);
    else directory.durable.set(name, node);
  }
  forgetStep(step);
}

/** It is durable, or undone. */
function forgetStep(step: NameStep): void {
  for (const { directory } of step.changes) directory.unsynced.delete(step);
}

// Goes back to the durable names, and counts the links of every file that is left.
function restoreNames(directory: DirectoryNode, files: Map<FileNode, number>): void {
  directory.entries = new Map(directory.durable);
  for (const node of directory.entries.values()) {
    if (node.kind === 'directory') restoreNames(node, files);
    else files.set(node, (files.get(node) ?? 0) + 1);
  }
}

function tearWrites(file: FileNode, random: Random): void {
  let length = 0;
  let from = 0;
  for (const write of [...file.unsynced, { from: file.length, to: file.length }]) {
    // What lies before this write and is in no write of the list was synchronized.
    if (write.from > from) length = write.from;
    const kept = keptBytes(write.to - write.from, random);
    file.bytes.fill(0, write.from + kept, write.to);
    if (kept > 0) length = write.from + kept;
    from = write.to;
  }
  file.length = length;
  file.unsynced = [];
}

function keptBytes(length: number, random: Random): number {
  const fate = random.int(3);
  if (fate === 0) return length;
  if (fate === 1) return 0;
  return random.int(Math.floor(length / SECTOR_BYTES) + 1) * SECTOR_BYTES;
}
