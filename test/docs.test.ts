// What the documents show works: every fenced program compiles, those with an output are run, every link leads somewhere.
//
// A program is a block fenced as `ts`; what cannot stand alone is fenced as `ts fragment` (keep that rare). An `output`
// block directly after it is what it prints; `…` in it stands for anything, `output unordered` for any order of lines.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { mutantsPage, mutantsPagePath, readResults, staleHunts } from '../scripts/mutants.ts';
import { build } from '../scripts/setup.mjs';
import { root } from './architecture/read.ts';
import { missingTests } from './behaviours/page.ts';
import { documents, type Program, programs, programsIn } from './docs/programs.ts';

const folder = join(root, '.docs-check');
const runMsMax = 60_000;

describe('the documents', () => {
  const all = programs();

  before(() => {
    rmSync(folder, { recursive: true, force: true });
    for (const program of all) {
      mkdirSync(dirname(fileOf(program)), { recursive: true });
      // Blank lines before it give each line the number that it has in the document.
      writeFileSync(fileOf(program), '\n'.repeat(program.line - 1) + program.code);
    }
  });

  it('show only programs that compile', () => {
    if (all.length === 0) return;
    const config = {
      extends: '../tsconfig.json',
      compilerOptions: { noUnusedLocals: false },
      include: ['**/*.ts'],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const result = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], {
      cwd: folder,
      encoding: 'utf8',
    });
    const messages = result.stdout.replaceAll(/^(\S+)\.\d+\.ts\((\d+),\d+\)/gm, '$1:$2');
    assert.ok(
      result.status === 0,
      `mend the program, or fence it as \`ts fragment\` if it cannot stand alone\n${messages}${result.stderr}`,
    );
  });

  for (const program of all.filter(({ output }) => output !== undefined)) {
    it(`show what ${program.path}:${program.line} prints`, async () => {
      assert.equal(await build(), 0, 'dist/ could not be built; tsc says why above');
      assertPrints(program);
    });
  }

  it('name only tests that are there', () => {
    const page = 'docs/internals/behaviours.md';
    assert.deepEqual(
      missingTests(pathToFileURL(join(root, page))),
      [],
      `a test was renamed: correct ${page}`,
    );
  });

  it('tell of each bug of the catalogue how worlds found it', () => {
    const results = readResults(root);
    assert.deepEqual(staleHunts(results), []);
    const page = readFileSync(join(root, mutantsPagePath), 'utf8');
    assert.equal(page, mutantsPage(results), 'write it anew: npm run docs:generate');
  });

  it('link only to what exists', () => {
    const broken = documents().flatMap((path) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !existsSync(join(root, dirname(path), target)))
        .map((target) => `${path}: the link to ${target} leads nowhere; correct or remove it`),
    );
    assert.ok(broken.length === 0, broken.join('\n'));
  });
});

describe('the reader of programs', () => {
  it('finds programs, their lines and their output', () => {
    const text = [
      'Text',
      '```ts',
      'a;',
      '```',
      '',
      '```output unordered',
      '1',
      '```',
      '```ts fragment',
      'b;',
      '```',
      '- item',
      '  ```ts',
      '  c;',
      '  ```',
      '```text',
      'no program',
      '```',
      '```ts',
      'd;',
      '```',
      'prose',
      '```text',
      'not its output',
      '```',
    ].join('\n');
    assert.deepEqual(programsIn('x.md', text, 1), [
      { path: 'x.md', line: 3, code: 'a;\n', output: '1\n', isUnordered: true },
      { path: 'x.md', line: 14, code: 'c;\n', output: 'no program\n', isUnordered: false },
      { path: 'x.md', line: 20, code: 'd;\n', output: undefined, isUnordered: false },
    ]);
  });
});

function fileOf(program: Program): string {
  return join(folder, `${program.path}.${program.line}.ts`);
}

// Each run has a folder of its own, so that what one leaves behind does not meet the next.
function assertPrints(program: Program): void {
  const cwd = `${fileOf(program)}.run`;
  mkdirSync(cwd, { recursive: true });
  const result = spawnSync(process.execPath, [fileOf(program)], { cwd, encoding: 'utf8', timeout: runMsMax });
  const place = `${program.path}:${program.line}`;
  assert.equal(
    result.status,
    0,
    `${place} failed (${result.signal ?? `exit code ${result.status}`}):\n${result.stderr}`,
  );
  const printed = lines(result.stdout, program.isUnordered);
  const promised = lines(program.output ?? '', program.isUnordered);
  const isSame =
    printed.length === promised.length &&
    promised.every((line, index) => matches(line, printed[index] ?? ''));
  assert.ok(
    isSame,
    `${place} promises\n${promised.join('\n')}\n\nand prints\n${printed.join('\n')}\n\nCorrect one of them`,
  );
}

function lines(text: string, isUnordered: boolean): string[] {
  const all = text
    .trim()
    .split('\n')
    .map((line) => line.trimEnd());
  return isUnordered ? all.sort() : all;
}

function matches(pattern: string, line: string): boolean {
  const parts = pattern.split('…').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(line);
}
