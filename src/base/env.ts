/**
 * The seams through which the engine reaches time, chance, disk and log.
 *
 * One `Env` per process or worker thread, passed down and never global, so that a
 * whole job runs on one seed in a test. A promise of an `Env` is settled by one
 * event of the host (in production the event loop, in a simulation the kernel).
 */

import type { RemoteStores } from './object-store.ts';

/** A timer that was started by {@link Clock.timer}; cancelling twice is harmless. */
export interface Timer {
  cancel(): void;
}

/** Time, in milliseconds. */
export interface Clock {
  /** Wall clock, ms since the epoch; may jump. */
  now(): number;
  /** A clock that never jumps back; only differences mean something. */
  monotonic(): number;
  /** Calls `run` once, not earlier than `afterMs` from now; `why` names the timer in traces. */
  timer(afterMs: number, run: () => void, why: string): Timer;
  /** Calls `run` soon, after whatever else is waiting had its turn: the way back to the event loop. */
  defer(run: () => void, why: string): void;
}

/** Chance; only for jitter, identifiers and sampling, never for correctness. */
export interface Random {
  /** A uniform integer in [0, 2^32). */
  u32(): number;
  /** A uniform integer in [0, bound). */
  int(bound: number): number;
  /** A uniform number in [0, 1). */
  float(): number;
  /** An independent stream: draws from it do not move this one. */
  fork(tag: string): Random;
  /** 32 hexadecimal digits. */
  id(): string;
}

/** What went wrong with a file: `unknown` means that the operation may or may not have had its effect. */
export type FilesErrorKind =
  | 'absent'
  | 'exists'
  | 'denied'
  | 'no-space'
  | 'not-a-directory'
  | 'is-a-directory'
  | 'not-empty'
  | 'io'
  | 'unknown';

/** The only error that {@link Files} and stores of objects throw. */
export class FilesError extends Error {
  override readonly name = 'FilesError';
  readonly kind: FilesErrorKind;
  readonly path: string;
  /** What is known of the reason, where it is more than the kind tells. */
  readonly because: string | undefined;

  constructor(kind: FilesErrorKind, operation: string, path: string, cause?: unknown, because?: string) {
    super(`${operation} ${path}: ${because ?? kind}`, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.path = path;
    this.because = because;
  }
}

/** What a path is. */
export interface FileStatus {
  readonly kind: 'file' | 'directory' | 'other';
  /** Bytes. */
  readonly size: number;
  /** ms since the epoch. */
  readonly modifiedMs: number;
}

/** An open file. */
export interface FileHandle {
  /** Fills `into` from `position` on; returns the bytes read, possibly fewer than asked, 0 at the end. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Appends all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Returns when what was written survives a loss of power. After an error the file must be dropped. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file system. Paths are absolute; a created or renamed name survives power loss only after `syncDirectory`. */
export interface Files {
  /** `read` needs the file; `create` needs that it does not exist yet. */
  open(path: string, mode: 'read' | 'create'): Promise<FileHandle>;
  /** The whole file. */
  read(path: string): Promise<Uint8Array>;
  stat(path: string): Promise<FileStatus | undefined>;
  /** The path without symbolic links. Throws `absent`. */
  realPath(path: string): Promise<string>;
  /** Names in a directory, sorted by code unit. */
  list(path: string): Promise<string[]>;
  /** Makes a directory and its parents; fine when it exists. */
  makeDirectory(path: string): Promise<void>;
  /**
   * Makes one directory; `exists` if somebody else made it: the exclusive claim. `private`: other users of the machine may
   * not look into it.
   */
  claimDirectory(path: string, access?: 'private'): Promise<void>;
  /** Replaces `to` atomically. */
  rename(from: string, to: string): Promise<void>;
  /** Gives `from` a second name; `exists` if `to` is there: the atomic publication that never overwrites. */
  link(from: string, to: string): Promise<void>;
  /** Removes a file; fine when it is absent. */
  remove(path: string): Promise<void>;
  /** Removes a directory with all that is in it; fine when it is absent. */
  removeTree(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

/** Structured log; fields are plain data. */
export interface Log {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
  /** A log whose lines all carry `fields`. */
  child(fields: object): Log;
}

/** All seams of one process or thread. */
export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly log: Log;
  /** Where checkpoints may be besides `files`; absent: nowhere. */
  readonly stores?: RemoteStores;
}
