// The file of a job: found, or refused with the remedy; what Node cannot load is explained with its line.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { MillraceError } from '../base/errors.ts';
import {
  commandLineOf,
  explainLoadError,
  findJobFile,
  ownPackageFolder,
  packageFolderOf,
} from './job-file.ts';

function folder(test: TestContext, files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  test.after(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

function find(workingDirectory: string, name: string, bundle = false) {
  return findJobFile(name, { workingDirectory, bundle });
}

async function explained(path: string, name: string): Promise<MillraceError> {
  const url = pathToFileURL(join(path, name));
  try {
    await import(url.href);
  } catch (error) {
    return explainLoadError(error, { name, path: join(path, name), url }) as MillraceError;
  }
  assert.fail(`${name} could be loaded`);
}

describe('a job file', () => {
  it('is found from the working directory', (test) => {
    const path = folder(test, { 'jobs/a.ts': '' });
    assert.match(find(path, 'jobs/a.ts').url.href, /^file:.*jobs\/a\.ts$/);
  });

  it('that is missing is named, with the file that may be meant', (test) => {
    const path = folder(test, { 'a.ts': '' });
    assert.throws(() => find(path, 'b.ts'), { code: 'JOB_FILE_MISSING', message: /no file b\.ts/ });
    assert.throws(() => find(path, 'a'), { code: 'JOB_FILE_MISSING', remedy: 'Did you mean a.ts?' });
    assert.throws(() => find(path, '.'), { code: 'JOB_FILE_MISSING', message: /not a file/ });
  });

  it('that Node cannot load at all is refused before it is tried', (test) => {
    const path = folder(test, { 'a.tsx': '', 'a.py': '' });
    assert.throws(() => find(path, 'a.tsx'), { code: 'JOB_NOT_LOADABLE', remedy: /--bundle/ });
    assert.throws(() => find(path, 'a.py'), { code: 'JOB_NOT_LOADABLE' });
    assert.match(find(path, 'a.tsx', true).path, /a\.tsx$/);
  });

  it('names the copy of Millrace that it imports', (test) => {
    const path = folder(test, {
      'job.ts': '',
      'node_modules/millrace/package.json': '{ "name": "millrace", "bin": { "millrace": "cli.js" } }',
    });
    const found = packageFolderOf(find(path, 'job.ts'));
    assert.match(found, /node_modules\/millrace$/);
    assert.equal(commandLineOf(found).href, pathToFileURL(join(found, 'cli.js')).href);
  });

  it('may reach this copy through a link', (test) => {
    const path = folder(test, { 'job.ts': '', 'node_modules/x': '' });
    symlinkSync(ownPackageFolder(), join(path, 'node_modules', 'millrace'));
    assert.equal(packageFolderOf(find(path, 'job.ts')), ownPackageFolder());
  });

  it('without a copy of Millrace is told to install one', (test) => {
    const path = folder(test, { 'job.ts': '' });
    assert.throws(() => packageFolderOf(find(path, 'job.ts')), {
      code: 'JOB_WITHOUT_MILLRACE',
      remedy: /npm install millrace/,
    });
  });
});

describe('what Node cannot load', () => {
  it('is explained with line and remedy', async (test) => {
    const path = folder(test, {
      'package.json': '{ "type": "module" }',
      'enum.ts': 'const a: number = 1;\n\nenum X { A }\nexport { a, X };\n',
      'decorator.ts': 'function d(..._: unknown[]): void {}\n\n@d\nexport class X {}\n',
      'syntax.ts': 'const a = 1;\nconst b: number = ;\n',
      'importer.ts': "import './enum.ts';\n",
    });
    for (const [name, message, remedy] of [
      ['enum.ts', /enum\.ts:3: TypeScript enum is not supported/, /--bundle/],
      ['decorator.ts', /decorator\.ts:3: Node does not know decorators: @d/, /--bundle/],
      ['syntax.ts', /syntax\.ts:2: Expression expected: const b: number = ;/, /Correct this line/],
      ['importer.ts', /enum\.ts:3: TypeScript enum/, /--bundle/],
    ] as const) {
      const error = await explained(path, name);
      assert.equal(error.code, 'JOB_NOT_LOADABLE', name);
      assert.match(error.message, message);
      assert.match(error.remedy, remedy);
    }
  });

  it('says which import is wrong and how it is written', async (test) => {
    const path = folder(test, {
      'package.json': '{ "type": "module" }',
      'extension.ts': "import './other';\n",
      'other.ts': 'export {};\n',
      'path.ts': "import './nowhere.ts';\n",
      'package.ts': "import 'no-such-package';\n",
    });
    assert.match(
      (await explained(path, 'extension.ts')).remedy,
      /Write the extension in the import: other\.ts/,
    );
    assert.match((await explained(path, 'path.ts')).remedy, /Correct the path/);
    assert.match((await explained(path, 'package.ts')).remedy, /npm install no-such-package/);
  });

  it('leaves errors of the job itself alone', async (test) => {
    const path = folder(test, { 'throws.mjs': 'throw new RangeError("mine");\n' });
    const error = await explained(path, 'throws.mjs');
    assert.equal(error.message, 'mine');
  });
});
