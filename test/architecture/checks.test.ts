// Proves that the rules of the house bite: small houses with one fault each.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  brokenWalls,
  circles,
  deadFiles,
  type Files,
  outsideTouches,
  spreadLibraries,
  strayImports,
  undocumentedNames,
  unthrownCodes,
  vagueNames,
} from './checks.ts';
import { dashboardHoles, dashboardStrays } from './dashboard.ts';
import { blank, exportedNames, scan } from './scan.ts';

describe('scan', () => {
  it('finds imports of every form and no others', () => {
    const file = scan(
      'src/base/a.ts',
      [
        `import { a,`,
        `  b } from './b.ts';`,
        `import type { C } from "./c.ts";`,
        `import './d.ts';`,
        `export { e } from './e.ts';`,
        `const f = await import('./f.ts'); type G = import('./g.ts').G;`,
        `// import './not.ts'`,
        `const text = "import './not.ts'"; const template = \`import './not.ts' \${await import('./h.ts')} from './not.ts'\`;`,
        `const pattern = /import '.\\/not.ts'/; const half = 4 / 2 / 1; import './i.ts';`,
      ].join('\n'),
    );
    assert.deepEqual(
      file.imports.map(({ specifier, line }) => `${line} ${specifier}`),
      ['2 ./b.ts', '3 ./c.ts', '4 ./d.ts', '5 ./e.ts', '6 ./f.ts', '6 ./g.ts', '8 ./h.ts', '9 ./i.ts'],
    );
  });

  it('keeps positions and line breaks when it blanks', () => {
    const text = "a /* x\ny */ 'it\\'s' `t ${ {b: `u`} } v` + /[/]'/ c";
    assert.equal(blank(text), "a     \n     '     ' `  ${ {b: ` `} }  ` + /    / c");
    assert.equal(blank(text).length, text.length);
  });

  it('finds the doc comment of a name where it is declared', () => {
    const files = house({
      'src/index.ts': `export { one, type Two } from './base/middle.ts';\n/** Three. */\nexport const three = 3;`,
      'src/base/middle.ts': `import type { Two } from './two.ts';\nexport type { Two };\n/** One. */\nexport function one(): void {}`,
      'src/base/two.ts': `/**\n * Two.\n */\nexport interface Two {}`,
    });
    assert.deepEqual(
      exportedNames('src/index.ts', files).map(
        ({ name, kind, doc, path }) => `${name} ${kind} ${doc} ${path}`,
      ),
      [
        'Two interface Two. src/base/two.ts',
        'one function One. src/base/middle.ts',
        'three const Three. src/index.ts',
      ],
    );
  });
});

describe('the rules', () => {
  it('see an import through a wall, also of a type', () => {
    fails(
      brokenWalls,
      { 'src/base/a.ts': `import type { S } from '../state/s.ts';` },
      /"base" may not import src\/state\/s\.ts/,
    );
    passes(brokenWalls, { 'src/state/a.ts': `import { s } from '../base/s.ts';` });
  });

  it('let a single file through where the table names one', () => {
    passes(brokenWalls, { 'src/task/a.ts': `import type { B } from '../exchange/batch.ts';` });
    fails(
      brokenWalls,
      { 'src/task/a.ts': `import type { B } from '../exchange/output.ts';` },
      /may not import/,
    );
  });

  it('see a room that is not in the table', () => {
    fails(brokenWalls, { 'src/misc/a.ts': '' }, /the room "misc" is not in test\/rooms\.ts/);
  });

  it('see an import of a missing file, of the tests and of the package itself', () => {
    fails(strayImports, { 'src/base/a.ts': `import './b.ts';` }, /does not exist/);
    fails(strayImports, { 'src/base/a.ts': `import '../../test/b.ts';` }, /outside src/);
    fails(strayImports, { 'src/base/a.ts': `import { map } from 'millrace';` }, /relative path/);
  });

  it('see a library in two rooms', () => {
    const pack = `import { pack } from 'serializer';`;
    fails(spreadLibraries, { 'src/codecs/a.ts': pack, 'src/state/b.ts': pack }, /serializer is imported by/);
    passes(spreadLibraries, { 'src/codecs/a.ts': pack, 'src/codecs/b.ts': pack });
  });

  it('see a circle and name its shortest way', () => {
    fails(
      circles,
      {
        'src/base/a.ts': `import './b.ts';`,
        'src/base/b.ts': `import './c.ts';`,
        'src/base/c.ts': `import type { A } from './a.ts'; import './b.ts';`,
      },
      /^src\/base\/(b|c)\.ts → src\/base\/(b|c)\.ts → src\/base\/(b|c)\.ts:/,
    );
    passes(circles, {
      'src/base/a.ts': `import './b.ts'; import './c.ts';`,
      'src/base/b.ts': `import './c.ts';`,
      'src/base/c.ts': '',
    });
  });

  it('see a file that only its own test keeps', () => {
    const dead = { 'src/base/a.ts': '', 'src/base/a.test.ts': `import './a.ts';`, 'src/index.ts': '' };
    fails(deadFiles, dead, /src\/base\/a\.ts: no entry point/);
    passes(deadFiles, { ...dead, 'src/index.ts': `export { a } from './base/a.ts';` });
    passes(deadFiles, { ...dead, 'test/recovery/x.test.ts': `import '../../src/base/a.ts';` });
  });

  it('see what touches the outside world, and not what only mentions it', () => {
    for (const code of [
      'const now = Date.now();',
      'const now = new Date();',
      'performance.now();',
      'setTimeout(() => {}, 1);',
      'globalThis.setInterval(f, 1);',
      'queueMicrotask(f);',
      'process.nextTick(f);',
      'Math.random();',
      'crypto.randomUUID();',
      'await Promise.race([a, b]);',
      `import { readFileSync } from 'node:fs';`,
      `import fs from 'fs/promises';`,
      `import { Worker } from 'node:worker_threads';`,
      'const home = process.env.HOME;',
      'new WeakRef(a);',
    ]) {
      fails(outsideTouches, { 'src/task/a.ts': code }, /touches the outside world/);
    }
    for (const code of [
      '// Date.now() is banned',
      `const text = 'Math.random()';`,
      'const day = new Date(0);',
      'clock.setTimeout(f, 1);',
      'interface Clock { performance: number }',
      `import { join } from 'node:path';`,
    ]) {
      passes(outsideTouches, { 'src/task/a.ts': code });
    }
    passes(outsideTouches, { 'src/base/clock.ts': 'export const now = Date.now; setTimeout(f, 1);' });
    fails(outsideTouches, { 'src/base/clock.ts': 'Math.random();' }, /chance/);
  });

  it('see a public name without words or without an example', () => {
    const example = '/** Doubles.\n *\n * ```ts\n * twice(2);\n * ```\n */';
    passes(undocumentedNames, { 'src/index.ts': `${example}\nexport function twice(): void {}` });
    passes(undocumentedNames, { 'src/index.ts': `/** A pair. */\nexport type Pair = [number, number];` });
    fails(
      undocumentedNames,
      { 'src/index.ts': `/** Doubles. */\nexport function twice(): void {}` },
      /no example/,
    );
    fails(undocumentedNames, { 'src/index.ts': `export type Pair = [number, number];` }, /no doc comment/);
    fails(undocumentedNames, { 'src/index.ts': `export { gone } from './gone.ts';` }, /not found/);
    fails(
      undocumentedNames,
      {
        'src/index.ts': `${example}\nexport class A {\n  /** Runs. */\n  run(): void {}\n\n  stop(): void {}\n}`,
      },
      /`A\.stop`/,
    );
  });

  it('see a code that nothing throws', () => {
    const files = house({
      'src/base/errors.ts': `A: {}, B: {}`,
      'src/base/a.ts': `throw new MillraceError('A', '')`,
    });
    assert.equal(unthrownCodes(['A', 'B'], files, 'src/base/errors.ts').length, 1);
  });

  it('see names that say nothing', () => {
    fails(vagueNames, { 'src/index.ts': `export * from './a.ts';` }, /list the names/);
    fails(vagueNames, { 'src/base/utils/a.ts': '' }, /"utils" says nothing/);
  });
});

type Check = (files: Files) => string[];

function fails(check: Check, texts: Readonly<Record<string, string>>, message: RegExp): void {
  const messages = check(house(texts));
  assert.equal(
    messages.length,
    1,
    `expected one message for ${JSON.stringify(texts)}, got ${JSON.stringify(messages)}`,
  );
  assert.match(messages[0] ?? '', message);
}

function passes(check: Check, texts: Readonly<Record<string, string>>): void {
  assert.deepEqual(check(house(texts)), []);
}

function house(texts: Readonly<Record<string, string>>): Files {
  return new Map(Object.entries(texts).map(([path, text]) => [path, scan(path, text)]));
}

describe('the walls of the dashboard', () => {
  const page = (text: string): ReturnType<typeof scan>[] => [
    scan('packages/dashboard/src/panes/home.tsx', text),
  ];

  it('let in types of the contract and own files, and nothing else', () => {
    assert.deepEqual(
      dashboardStrays(
        page(
          `import type { Alert } from '../../../../src/rest/contract.ts';\nimport { a } from './a.tsx';\nimport { useState } from 'react';`,
        ),
      ),
      [],
    );
    const refused = [
      `import { CONTRACT_VERSION } from '../../../../src/rest/contract.ts';`,
      `import type { Job } from '../../../../src/streams/job.ts';`,
      `import uPlot from 'uplot';`,
      `import { z } from 'left-pad';`,
    ].map((line) => dashboardStrays(page(line)).length);
    assert.deepEqual(refused, [1, 1, 1, 1]);
  });

  it('leave no way from text to markup', () => {
    assert.equal(dashboardHoles(page(`<p dangerouslySetInnerHTML={{ __html: text }} />`)).length, 1);
    assert.equal(dashboardHoles(page(`element.textContent = text;`)).length, 0);
  });
});
