/**
 * Code that was compiled once, for the threads and processes that load it next.
 *
 * Node can keep what V8 makes of a module, and the JavaScript that is left of TypeScript, in a folder
 * (`module.enableCompileCache`). Without it each thread of a job in TypeScript loads what strips types, some 15 MB, and every
 * thread compiles the engine anew.
 *
 * K1 What lies in the folder is run: it belongs to this user, and nobody else may write in it. Where that cannot be had,
 *    everything is compiled as before.
 * K2 It holds {@link BYTES_MAX} at most when a process begins to use it: what is more is thrown away, and made again.
 */

import { lstatSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { enableCompileCache, flushCompileCache, getCompileCacheDir } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';

/** K2. What a version of Millrace leaves, with a job, is between one and three megabytes. */
const BYTES_MAX = 256 * 1024 * 1024;
/** For the group and for others, to write. */
const WRITABLE_BY_OTHERS = 0o022;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What this thread loads from now on comes from the cache, and goes there with {@link writeCompileCache}. Whoever has one
 * already, by `NODE_COMPILE_CACHE` or otherwise, keeps it.
 */
export function useCompileCache(): void {
  if (getCompileCacheDir() !== undefined) return;
  const folder = safeFolder(folderFor(process.env));
  if (folder !== undefined) enableCompileCache(folder);
}

/** The environment of a thread or a process that is to have the cache of this one. */
export function inheritedEnv(): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir();
  // Node gives each of its versions a folder in the one that it is told.
  return folder === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(folder) };
}

/** So that who starts now finds what was compiled here. */
export function writeCompileCache(): void {
  if (getCompileCacheDir() !== undefined) flushCompileCache();
}

/** Where the cache of a user lies. */
export function folderFor(env: Environment): string {
  return join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace', 'compiled');
}

/** K1 and K2; undefined where it cannot be used. */
export function safeFolder(folder: string): string | undefined {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(folder);
    const isOwn = process.getuid === undefined || uid === process.getuid();
    if (!isOwn || (mode & WRITABLE_BY_OTHERS) !== 0) return undefined;
    for (const version of readdirSync(folder)) {
      const path = join(folder, version);
      if (bytesIn(path) > BYTES_MAX) rmSync(path, { recursive: true, force: true });
    }
    return folder;
  } catch {
    // A home that is read-only, or that is not there: nothing depends on the cache.
    return undefined;
  }
}

function bytesIn(folder: string): number {
  let bytes = 0;
  for (const file of readdirSync(folder)) {
    // Another process may remove it meanwhile.
    bytes += statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
