// Looks at every operation of a simulated disk and says what no operation may do, whatever crashed before it.

import type { Kernel } from '../../src/testing/kernel.ts';
import type { FileCall } from '../../src/testing/simulated-files.ts';
import { JOB_DIRECTORY } from '../property/simulated-job.ts';

/** Hand it every call, and the kernel to `watch`. */
export class DiskWitness {
  /** What went wrong; empty when all is well. */
  readonly violations: string[] = [];
  readonly #created = new Set<string>();
  #highestId = 0;
  #kernel: Kernel | undefined;
  #owners: 'one' | 'several' = 'one';

  onCall(call: FileCall): void {
    if (call.operation === 'create') this.#onCreate(call.path);
    if (call.operation === 'claim directory') this.#onClaim(call.path);
  }

  watch(kernel: Kernel): void {
    this.#kernel = kernel;
  }

  /** After a crash: what is on the disk now is what the next process can see. */
  lookAfter(crash: 'kill' | 'power'): void {
    // A name that was not synchronized may be gone, as if it had never been.
    if (crash === 'power') this.#highestId = 0;
    this.#look();
  }

  /** From now on several processes take the job for theirs: one that has lost it claims old ids, which harms nobody. */
  expectSeveralOwners(): void {
    this.#owners = 'several';
  }

  #look(): void {
    const disk = this.#kernel?.disk;
    if (disk?.stat(JOB_DIRECTORY) === undefined) return;
    for (const name of disk.list(JOB_DIRECTORY)) this.#highestId = Math.max(this.#highestId, idOf(name) ?? 0);
  }

  /** I-D4: no name of a file is written twice, not even in a life after a crash. */
  #onCreate(path: string): void {
    if (this.#created.has(path)) this.violations.push(`${path} is written twice`);
    this.#created.add(path);
  }

  /** Ids of checkpoints continue above all that were ever seen. */
  #onClaim(path: string): void {
    const id = idOf(path);
    if (id === undefined) return;
    this.#look();
    if (id <= this.#highestId && this.#owners === 'one') {
      this.violations.push(`${path} is claimed after chk-${this.#highestId} was there`);
    }
  }
}

const NAME = 'chk-';

function idOf(path: string): number | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (!name.startsWith(NAME) || !/^\d+$/.test(name.slice(NAME.length))) return undefined;
  return Number(name.slice(NAME.length));
}
