// Holds the house to its plan: walls, circles, dead files, documented names, the error table, the seams to the outside.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { errorReference, errorReferencePath } from '../scripts/error-reference.ts';
import { ERROR_TABLE } from '../src/base/errors.ts';
import {
  brokenWalls,
  circles,
  deadFiles,
  outsideTouches,
  spreadLibraries,
  strayImports,
  undocumentedNames,
  unthrownCodes,
  unusedSeams,
  vagueNames,
} from './architecture/checks.ts';
import { dashboardHoles, dashboardStrays, readDashboard } from './architecture/dashboard.ts';
import { readHouse, root } from './architecture/read.ts';

describe('the house', () => {
  const files = readHouse();

  it('keeps its walls', () => none(brokenWalls(files)));
  it('imports only what exists and is published', () => none(strayImports(files)));
  it('imports each library in one room', () => none(spreadLibraries(files)));
  it('has no circle of files', () => none(circles(files)));
  it('has no file that nothing reaches', () => none(deadFiles(files)));
  it('touches the outside world only in its seams', () => none(outsideTouches(files)));
  it('lists no seam that is not there', () => none(unusedSeams(files)));
  it('names its folders and exports', () => none(vagueNames(files)));
  it('documents every public name, the callable ones with an example', () => none(undocumentedNames(files)));
});

describe('the dashboard', () => {
  const files = readDashboard();

  it('knows types of the contract of the REST interface, and nothing else of the house', () => {
    assert.ok(files.some(({ path }) => path.endsWith('main.tsx')));
    none(dashboardStrays(files));
  });
  it('leaves no way from a text to markup or code', () => none(dashboardHoles(files)));
});

describe('the error table', () => {
  it('has only codes that something throws', () => {
    none(unthrownCodes(Object.keys(ERROR_TABLE), readHouse(), 'src/base/errors.ts'));
  });

  it('is what the reference page says', () => {
    const path = join(root, errorReferencePath);
    const page = existsSync(path) ? readFileSync(path, 'utf8') : '';
    assert.equal(
      page,
      errorReference(ERROR_TABLE),
      `${errorReferencePath} is not up to date: run npm run docs:generate`,
    );
  });
});

function none(messages: readonly string[]): void {
  if (messages.length === 0) return;
  const error = new Error(messages.join('\n'));
  // Where this line stands helps nobody; the messages name the places.
  error.stack = messages.join('\n');
  throw error;
}
