// Reads the TypeScript files of this repository for the tests that look at the house as a whole.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type SourceFile, scan } from './scan.ts';

/** The folder of the repository. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Every file of `src/`, `test/` and `scripts/`, scanned, by path. */
export function readHouse(): ReadonlyMap<string, SourceFile> {
  const paths = ['src', 'test', 'scripts'].flatMap((folder) => filesIn(folder, '.ts'));
  return new Map(paths.map((path) => [path, scan(path, readFileSync(join(root, path), 'utf8'))]));
}

/** Files below a folder of the repository whose names end so, sorted; none when there is no such folder. */
export function filesIn(folder: string, ending: string): string[] {
  let paths: string[];
  try {
    paths = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return paths
    .filter((path) => path.endsWith(ending))
    .map((path) => `${folder}/${path.split(sep).join('/')}`)
    .sort();
}
