// Finds the programs in the documents: fenced blocks of Markdown files and of the doc comments of public names.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesIn, readHouse, root } from '../architecture/read.ts';
import { type ExportedName, exportedNames, methodsOf } from '../architecture/scan.ts';
import { publicFaces } from '../rooms.ts';

/** A program that a document shows. */
export interface Program {
  readonly path: string;
  /** The line of its first line of code in the document. */
  readonly line: number;
  readonly code: string;
  /** What it prints, when an `output` or `text` block follows it directly. */
  readonly output: string | undefined;
  /** True when the order of the lines of the output is not promised (`output unordered`). */
  readonly isUnordered: boolean;
}

/** The Markdown files that are checked. */
export function documents(): string[] {
  const top = readdirSync(root).filter((name) => name.endsWith('.md'));
  return [
    ...top.sort(),
    ...['docs', 'examples', 'packages', 'bench', 'test'].flatMap((each) => filesIn(each, '.md')),
  ].filter((path) => !path.includes('node_modules/'));
}

/** All programs of all documents and of the doc comments of all public names. */
export function programs(): Program[] {
  const files = readHouse();
  const names = Object.entries(publicFaces).flatMap(([face, path]) =>
    exportedNames(path, files).map((name) => ({ ...name, face })),
  );
  const inMarkdown = documents().flatMap((path) =>
    programsIn(path, readFileSync(join(root, path), 'utf8'), 1),
  );
  const declared = new Map<string, ExportedName>();
  for (const name of names.flatMap((each) => [each, ...methodsOf(each, files)])) {
    declared.set(`${name.path}:${name.line}`, name);
  }
  const inComments = [...declared.values()].flatMap(({ path, line, doc }) => {
    if (doc === undefined) return [];
    const first = firstLineOfDoc(files.get(path)?.text ?? '', line);
    return programsIn(path, doc, first).map((program) => ({
      ...program,
      code: withImports(program.code, names),
    }));
  });
  return [...inMarkdown, ...inComments];
}

/** The programs of one text whose first line is line `first` of the file at `path`. */
export function programsIn(path: string, text: string, first: number): Program[] {
  const fences = [...text.matchAll(/^( *)```([^\n`]*)\n(.*?)^\1```[ \t]*$/gms)].map((match) => {
    const [whole, indent = '', info = '', body = ''] = match;
    return {
      info: info.trim(),
      body: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      line: text.slice(0, match.index).split('\n').length + first,
      start: match.index,
      end: match.index + whole.length,
    };
  });
  return fences.flatMap((fence, index) => {
    if (fence.info !== 'ts') return [];
    const next = fences[index + 1];
    const follows = next !== undefined && text.slice(fence.end, next.start).trim() === '';
    const isOutput = follows && /^(?:text|output(?: unordered)?)$/.test(next.info);
    return {
      path,
      line: fence.line,
      code: fence.body,
      output: isOutput ? next.body : undefined,
      isUnordered: isOutput && next.info.endsWith('unordered'),
    };
  });
}

// The comment before a declaration ends on the line above it; its text starts after the line with `/**`, or on it.
function firstLineOfDoc(text: string, declarationLine: number): number {
  const lines = text.split('\n').slice(0, declarationLine - 1);
  let at = lines.length - 1;
  while (at > 0 && !/\/\*\*/.test(lines[at] ?? '')) at -= 1;
  return /\/\*\*\s*$/.test(lines[at] ?? '') ? at + 2 : at + 1;
}

// An example in a doc comment need not import what it shows: public names that it uses are imported for it, on one line.
function withImports(code: string, names: readonly (ExportedName & { face: string })[]): string {
  if (/\bfrom 'millrace/.test(code)) return code;
  const faces = Map.groupBy(
    names.filter(({ name }) => new RegExp(`(?<![.\\w$])${name.replaceAll('$', '\\$')}(?![\\w$])`).test(code)),
    ({ face }) => face,
  );
  const imports = [...faces].map(([face, used]) => {
    const list = used.map(({ name, kind }) =>
      kind === 'interface' || kind === 'type' ? `type ${name}` : name,
    );
    return `import { ${list.join(', ')} } from '${face}';`;
  });
  return `${imports.join(' ')} ${code}`;
}
