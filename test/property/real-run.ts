// A random job on real files: in worker threads, or in this thread.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ExecuteOptions, executeAsync, type JobClient } from '../../src/run.ts';
import { readCommitted } from './committed-lines.ts';
import { itemsOf, specOf } from './job-spec.ts';
import randomJob from './random-job.ts';

const MODULE = new URL('./random-job.ts', import.meta.url);

/** The folder of one job: its input, its outputs, its checkpoints. */
export class RealFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'millrace-random-'));
  readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
    mkdirSync(join(this.path, 'input'));
    for (const [index, source] of specOf(seed).sources.entries()) {
      const lines = itemsOf(source, index).map((item) => `${JSON.stringify(item)}\n`);
      writeFileSync(join(this.path, 'input', `${source.name}.jsonl`), lines.join(''));
    }
  }

  /** Starts the job of the seed. */
  start(
    host: 'threads' | 'in-process',
    args: readonly string[],
    options: ExecuteOptions,
  ): Promise<JobClient> {
    const places = ['input', 'output', 'side'].flatMap((name) => [`--${name}`, join(this.path, name)]);
    return executeAsync(host === 'threads' ? MODULE : randomJob, {
      host,
      args: ['--seed', String(this.seed), ...places, ...args],
      workingDirectory: this.path,
      ...options,
    });
  }

  /** The committed lines of an output. */
  committed(name: 'output' | 'side'): string[] {
    const directory = join(this.path, name);
    const contents = new Map<string, Uint8Array>();
    for (const entry of list(directory))
      contents.set(`${directory}/${entry}`, readFileSync(join(directory, entry)));
    return readCommitted(contents, directory);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function list(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
}
