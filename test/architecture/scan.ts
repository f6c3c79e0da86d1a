// Reads TypeScript source text far enough for the architecture tests: imports, exported names, doc comments.
//
// A small state machine blanks comments and string contents, keeping every position, so that the rest is plain regular
// expressions. (TypeScript 7 has no JavaScript API, and this needs none.)

/** A file of the house. */
export interface SourceFile {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  /** The text with comments and the contents of strings blanked; positions are those of `text`. */
  readonly code: string;
  readonly imports: readonly Import[];
}

/** One `import` or `export … from`. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** A name that a module exports. */
export interface ExportedName {
  readonly name: string;
  readonly kind: 'class' | 'function' | 'const' | 'interface' | 'type' | 'unknown';
  /** The file that declares it. */
  readonly path: string;
  readonly line: number;
  /** The doc comment before its declaration, without the stars; undefined when there is none. */
  readonly doc: string | undefined;
}

const importPattern =
  /\b(?:import|export)\b[^;'"`]*?\bfrom\s*(?=['"])|\bimport\s*(?=['"])|\bimport\s*\(\s*(?=['"])/g;

/** Scans one file. */
export function scan(path: string, text: string): SourceFile {
  const code = blank(text);
  const imports = [...code.matchAll(importPattern)].map((match) => {
    const start = match.index + match[0].length;
    return {
      specifier: text.slice(start + 1, code.indexOf(code[start] ?? '', start + 1)),
      line: lineAt(text, start),
    };
  });
  return { path, text, code, imports };
}

/** The line (from 1) of a position. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < position; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

/** The path that a relative import names, or undefined for a package. */
export function resolveImport(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** Every name that a module exports, with the place and the doc comment of its declaration. */
export function exportedNames(path: string, files: ReadonlyMap<string, SourceFile>): ExportedName[] {
  const file = files.get(path);
  if (file === undefined) return [];
  const found: ExportedName[] = [];
  for (const match of file.code.matchAll(/\bexport\s+(?:type\s+)?\{([^}]*)\}(\s*from\s*(?=['"]))?/g)) {
    const from = match[2] === undefined ? undefined : importAt(file, match.index + match[0].length);
    for (const item of (match[1] ?? '').split(',')) {
      const [name = '', alias = name] = item
        .trim()
        .replace(/^type\s+/, '')
        .split(/\s+as\s+/);
      if (name !== '') found.push({ ...declarationOf(name, from ?? path, files, new Set()), name: alias });
    }
  }
  for (const match of file.code.matchAll(declarationPattern('[\\w$]+', 'export\\s+'))) {
    const name = match.groups?.['name'] ?? '';
    if (!found.some((other) => other.name === name)) found.push(declarationAt(file, name, match));
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The public methods of a class; of an overloaded one, the first signature. */
export function methodsOf(declared: ExportedName, files: ReadonlyMap<string, SourceFile>): ExportedName[] {
  const file = files.get(declared.path);
  if (file === undefined || declared.kind !== 'class') return [];
  const found: ExportedName[] = [];
  const position = file.code.indexOf('\n', positionOf(file.text, declared.line));
  // The formatter puts members of a top-level class at two blanks and its closing brace at none.
  const end = file.code.indexOf('\n}', position);
  for (const match of file.code
    .slice(position, end)
    .matchAll(/^ {2}(?:static |async |\*)*([a-zA-Z_$][\w$]*)\s*[(<]/gm)) {
    const name = `${declared.name}.${match[1]}`;
    if (match[1] === 'constructor' || found.some((other) => other.name === name)) continue;
    const start = position + match.index;
    const doc = docBefore(file.text, start);
    found.push({ name, kind: 'function', path: file.path, line: lineAt(file.text, start), doc });
  }
  return found;
}

function positionOf(text: string, line: number): number {
  let position = 0;
  for (let at = 1; at < line; at += 1) position = text.indexOf('\n', position) + 1;
  return position;
}

function importAt(file: SourceFile, position: number): string | undefined {
  const quote = file.code[position] ?? '';
  return resolveImport(file.path, file.text.slice(position + 1, file.code.indexOf(quote, position + 1)));
}

function declarationPattern(name: string, exported: string): RegExp {
  const modifiers = '(?:declare\\s+)?(?:abstract\\s+)?(?:async\\s+)?';
  return new RegExp(
    `^${exported}${modifiers}(?<kind>class|function|const|let|interface|type)\\s*\\*?\\s+(?<name>${name})(?![\\w$])`,
    'gm',
  );
}

function declarationOf(
  name: string,
  path: string,
  files: ReadonlyMap<string, SourceFile>,
  visited: Set<string>,
): ExportedName {
  const file = files.get(path);
  const unknown: ExportedName = { name, kind: 'unknown', path, line: 1, doc: undefined };
  if (file === undefined || visited.has(path)) return unknown;
  visited.add(path);
  // A name may be a value and a type at once; the value is what gets the example.
  const matches = [...file.code.matchAll(declarationPattern(name.replace(/\$/g, '\\$'), '(?:export\\s+)?'))];
  const match = matches.find((each) => !/interface|type/.test(each.groups?.['kind'] ?? '')) ?? matches[0];
  if (match !== undefined) return declarationAt(file, name, match);
  for (const other of file.imports) {
    const next = resolveImport(path, other.specifier);
    const found = next === undefined ? unknown : declarationOf(name, next, files, visited);
    if (found.kind !== 'unknown') return found;
  }
  return unknown;
}

function declarationAt(file: SourceFile, name: string, match: RegExpExecArray): ExportedName {
  const kind = match.groups?.['kind'] ?? 'unknown';
  return {
    name,
    kind: (kind === 'let' ? 'const' : kind) as ExportedName['kind'],
    path: file.path,
    line: lineAt(file.text, match.index),
    doc: docBefore(file.text, match.index),
  };
}

function docBefore(text: string, position: number): string | undefined {
  const before = text.slice(0, position).trimEnd();
  if (!before.endsWith('*/')) return undefined;
  const start = before.lastIndexOf('/*');
  if (!before.startsWith('/**', start)) return undefined;
  return before
    .slice(start + 3, -2)
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim();
}

/** Replaces comments and the contents of strings, templates and regular expressions by blanks, line breaks excepted. */
export function blank(text: string): string {
  const out = text.split('');
  const hide = (from: number, to: number): void => {
    for (let at = from; at < to; at += 1) if (out[at] !== '\n') out[at] = ' ';
  };
  // The depth of braces at which each open `${` ends.
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  const skipTemplate = (from: number): void => {
    let end = from;
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end))
      end += text[end] === '\\' ? 2 : 1;
    hide(from, end);
    if (text[end] === '`') {
      at = end + 1;
      return;
    }
    depth += 1;
    templates.push(depth);
    at = end + 2;
  };
  while (at < text.length) {
    const char = text[at] ?? '';
    if (text.startsWith('//', at) || (at === 0 && text.startsWith('#!'))) {
      const end = endOr(text.indexOf('\n', at), text);
      hide(at, end);
      at = end;
    } else if (text.startsWith('/*', at)) {
      const end = endOr(text.indexOf('*/', at + 2), text, 2);
      hide(at, end);
      at = end;
    } else if (char === "'" || char === '"') {
      let end = at + 1;
      while (end < text.length && text[end] !== char && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
      hide(at + 1, end);
      at = end + 1;
    } else if (char === '`') {
      skipTemplate(at + 1);
    } else if (char === '/' && startsRegExp(out.slice(Math.max(0, at - 200), at).join(''))) {
      const end = endOfRegExp(text, at);
      hide(at + 1, end);
      at = end + 1;
    } else {
      if (char === '{') depth += 1;
      if (char === '}') {
        const closesTemplate = templates.at(-1) === depth;
        depth -= 1;
        if (closesTemplate) {
          templates.pop();
          skipTemplate(at + 1);
          continue;
        }
      }
      at += 1;
    }
  }
  return out.join('');
}

function endOr(position: number, text: string, length = 0): number {
  return position === -1 ? text.length : position + length;
}

// A slash after a value divides; after an operator, an opening bracket or a keyword it starts a regular expression.
function startsRegExp(before: string): boolean {
  const word = /([\w$]+|[^\s\w$])\s*$/.exec(before)?.[1];
  if (word === undefined) return true;
  if (/^(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield)$/.test(word)) return true;
  return !/^[\w$)\]}'"`]/.test(word);
}

function endOfRegExp(text: string, start: number): number {
  let isInClass = false;
  let end = start + 1;
  for (; end < text.length && text[end] !== '\n'; end += 1) {
    const char = text[end];
    if (char === '\\') end += 1;
    else if (char === '[') isInClass = true;
    else if (char === ']') isInClass = false;
    else if (char === '/' && !isInClass) break;
  }
  return end;
}
