// Reads the page of behaviours: chapters with tables of two columns, and below them where the files of the tests are.

import { readFileSync } from 'node:fs';

/** A row: what holds, and the tests that hold it. */
export interface Fact {
  readonly chapter: string;
  readonly behaviour: string;
  readonly proofs: readonly { readonly file: string; readonly name: string }[];
}

/** The rows, and the files by their short names. Throws for a row that is not of this form. */
export function readFacts(text: string): {
  readonly facts: readonly Fact[];
  readonly files: ReadonlyMap<string, string>;
} {
  const facts: Fact[] = [];
  const files = new Map<string, string>();
  let chapter = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('## ')) chapter = line.slice(3);
    const definition = /^\[([\w-]+)\]: (\S+)$/.exec(line);
    if (definition !== null) files.set(definition[1]!, definition[2]!);
    if (line.startsWith('| ') && !/^\| (?:what holds|question) \|/.test(line))
      facts.push(readFact(chapter, line));
  }
  return { facts, files };
}

function readFact(chapter: string, line: string): Fact {
  const columns = line.split('|').map((column) => column.trim());
  if (columns.length !== 4) throw new SyntaxError(`a row of behaviours has two columns: ${line}`);
  const proofs = columns[2]!.split('<br>').map((proof) => {
    const parts = /^\[([\w-]+)\] (.+)$/.exec(proof);
    if (parts === null) throw new SyntaxError(`a test is named as "[file] name": ${proof}`);
    return { file: parts[1]!, name: parts[2]! };
  });
  return { chapter, behaviour: columns[1]!, proofs };
}

/** The names of the tests in a file, as they are written there: the text between the quotes. */
export function testsOf(file: URL): ReadonlySet<string> {
  const calls = readFileSync(file, 'utf8').matchAll(
    /(?<![\w.$])(?:it|test)\(\s*(?:'((?:\\.|[^'\\])*)'|`((?:\\.|[^`\\])*)`)/g,
  );
  return new Set([...calls].map(([, plain, template]) => (plain ?? template!).replaceAll("\\'", "'")));
}

/** The tests that a page names and that are not there, each with what it was to hold. */
export function missingTests(page: URL): string[] {
  const { facts, files } = readFacts(readFileSync(page, 'utf8'));
  const tests = new Map([...files].map(([name, path]) => [name, testsOf(new URL(path, page))]));
  return facts.flatMap(({ behaviour, proofs }) =>
    proofs
      .filter(({ file, name }) => tests.get(file)?.has(name) !== true)
      .map(({ file, name }) => `${behaviour}: there is no test "${name}" in [${file}]`),
  );
}
