// What the workspace of the dashboard may import, and what it must never do.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dashboard } from '../rooms.ts';
import { filesIn, root } from './read.ts';
import { lineAt, resolveImport, type SourceFile, scan } from './scan.ts';

/** The files of the page, without its tests. */
export function readDashboard(): SourceFile[] {
  return ['.ts', '.tsx']
    .flatMap((ending) => filesIn(dashboard.folder, ending))
    .filter((path) => !path.endsWith('.test.ts'))
    .map((path) => scan(path, readFileSync(join(root, path), 'utf8')));
}

/** Imports that leave the workspace for anything but types of the contract, and libraries out of their place. */
export function dashboardStrays(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    file.imports.flatMap(({ specifier, line }) => {
      const place = `${file.path}:${line}`;
      const target = resolveImport(file.path, specifier);
      if (target === undefined) return strayLibrary(file.path, place, specifier);
      if (target.startsWith(`${dashboard.folder}/`)) return [];
      if (target !== dashboard.contract)
        return [`${place}: the page knows only ${dashboard.contract} of the house, not ${target}`];
      return isTypeOnly(file, line) ? [] : [`${place}: import only types of the contract (import type)`];
    }),
  );
}

function strayLibrary(path: string, place: string, specifier: string): string[] {
  const library = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const files = dashboard.libraries[library];
  if (files === undefined)
    return [`${place}: ${library} is not among the libraries of the page (test/rooms.ts)`];
  return files.test(path)
    ? []
    : [`${place}: ${library} is imported elsewhere already; use what wraps it there`];
}

// The import ends on this line; what it begins with may stand some lines before.
function isTypeOnly({ text }: SourceFile, line: number): boolean {
  const before = text.split('\n').slice(0, line).join('\n');
  const start = Math.max(before.lastIndexOf('import type {'), before.lastIndexOf('typeof import('));
  return start > before.lastIndexOf('import {');
}

/** Places where a text could become markup or code. */
export function dashboardHoles(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, code }) =>
    dashboard.forbidden.flatMap((pattern) =>
      [...code.matchAll(pattern)].map(
        ({ index, 0: found }) => `${path}:${lineAt(code, index)}: ${found} may turn a hostile text into code`,
      ),
    ),
  );
}
