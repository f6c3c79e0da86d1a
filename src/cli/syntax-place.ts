/**
 * Finds the line of a syntax error that Node's loader reports without one.
 *
 * The loader names the place of TypeScript that it cannot strip, but not of what V8 refuses afterwards (a decorator,
 * a slip in JavaScript). Only on this way into an error, each file is checked on its own, in the order of the imports.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, resolve } from 'node:path';

/** Files that are checked before the search is given up. */
const FILES_MAX = 50;
const CHECK_MS_MAX = 10_000;

/** A line of the user's. */
export interface SyntaxPlace {
  readonly path: string;
  readonly line: number;
  readonly source: string;
}

/** The first line that does not parse, in the file or in what it imports by a relative path. */
export function syntaxPlace(path: string): SyntaxPlace | undefined {
  const files = new Set([path]);
  for (const file of files) {
    if (files.size > FILES_MAX) return undefined;
    const text = readFileSync(file, 'utf8');
    const line = brokenLine(file, text);
    if (line !== undefined) return { path: file, line, source: text.split('\n')[line - 1] ?? '' };
    for (const imported of relativeImports(file, text)) files.add(imported);
  }
  return undefined;
}

function brokenLine(path: string, text: string): number | undefined {
  const code = /\.[cm]?ts$/.test(path) ? strippedTypes(text) : text;
  if (code === undefined) return undefined;
  const result = spawnSync(process.execPath, ['--input-type=module', '--check', '-'], {
    input: code,
    encoding: 'utf8',
    timeout: CHECK_MS_MAX,
  });
  const line = /^\[stdin\]:(\d+)|^file:\S*?\[eval1\]:(\d+)/m.exec(result.stderr);
  return line === null ? undefined : Number(line[1] ?? line[2]);
}

// What cannot be stripped was reported by the loader itself, with its line.
function strippedTypes(text: string): string | undefined {
  try {
    return stripTypeScriptTypes(text);
  } catch {
    return undefined;
  }
}

function relativeImports(path: string, text: string): string[] {
  return [...text.matchAll(/\b(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g)]
    .map((match) => resolve(dirname(path), match[1] ?? ''))
    .filter((imported) => existsSync(imported));
}
