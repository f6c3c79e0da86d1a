// Reads the page of behaviours: chapters with tables of two columns, and below them where the files of the tests are.

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
