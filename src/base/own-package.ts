/**
 * Where the files of Millrace itself lie, of this copy: in the sources one module each, as built a few files that hold many
 * modules. So no module may look for another file from where itself lies; it asks here.
 */

import { createRequire } from 'node:module';

const here = import.meta.url;
/** Sources run as they are in tests and while Millrace is worked on. */
const isSource = here.endsWith('.ts');
const folder = isSource ? 'src/' : 'dist/';

/** The folder of the package, which holds its `package.json`. */
export const packageFolder = new URL(here.slice(0, here.lastIndexOf(`/${folder}`) + 1));

/** The folder of all code of the engine. */
export const codeFolder = new URL(folder, packageFolder);

/** A module that threads and processes start with: `run/worker`. Each is an entry of the build (scripts/setup.mjs). */
export function ownModule(name: string): URL {
  return new URL(`${name}${isSource ? '.ts' : '.js'}`, codeFolder);
}

/** The version of this copy. */
export function ownVersion(): string {
  const { version } = createRequire(packageFolder)('./package.json') as { readonly version: string };
  return version;
}
