// Puts one bug into the sources while they are loaded: `MILLRACE_MUTANT=<name> node --import ./sim/mutants/mutate.ts …`.
//
// The code in the repository is that of production; a mutant lives in memory only, as one text in place of another.

import { registerHooks } from 'node:module';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { mutantNamed, mutated } from './catalogue.ts';

const name = process.env['MILLRACE_MUTANT'];
if (name === undefined) throw new Error('MILLRACE_MUTANT names no mutant');
const mutant = mutantNamed(name);
const target = fileURLToPath(new URL(`../../${mutant.file}`, import.meta.url));

let inPlace = false;

/** Whether the file that has the bug was loaded. */
export function isInPlace(): boolean {
  return inPlace;
}

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.startsWith('file:') || fileURLToPath(url) !== target) return loaded;
    inPlace = true;
    return { ...loaded, source: mutated(mutant, textOf(loaded.source)) };
  },
});

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray | undefined): string {
  if (source === undefined) throw new Error(`${target} came without its text`);
  return typeof source === 'string' ? source : new TextDecoder().decode(source);
}
