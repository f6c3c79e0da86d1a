// Faults of a disk, by the rates of a world: each a chance per operation.

import type { FileFault } from '../src/testing/simulated-files.ts';
import { chance } from '../test/property/job-spec.ts';
import type { Rates, World } from './world.ts';

const FAULTS: readonly (readonly [keyof Rates, readonly FileFault[]])[] = [
  ['io', ['io']],
  ['unknown', ['unknown-with-effect', 'unknown-without-effect']],
  ['noSpace', ['no-space']],
];
const OF_RATE = 10_000;

/** Whether some operation may fail. */
export function diskMayFail({ rates }: World): boolean {
  return FAULTS.some(([name]) => rates[name] > 0);
}

/** How often a read of the world returns less than was asked for. */
export function shortReads({ rates }: World): number {
  return rates.shortRead / OF_RATE;
}

/** Asked before each operation what goes wrong with it. */
export function diskFaults({ seed, rates }: World): () => FileFault | undefined {
  const draw = chance(seed ^ 0xfa17);
  return () => {
    const drawn = draw(OF_RATE);
    let before = 0;
    for (const [name, faults] of FAULTS) {
      before += rates[name];
      if (drawn < before) return faults[drawn % faults.length];
    }
    return undefined;
  };
}
