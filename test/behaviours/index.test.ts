// The page of behaviours says the truth: every test that it names is there, and none of this folder is missing from it.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { missingTests, readFacts, testsOf } from './page.ts';

const PAGE = new URL('../../docs/internals/behaviours.md', import.meta.url);
const FOLDER = new URL('.', import.meta.url);
const page = readFacts(readFileSync(PAGE, 'utf8'));

describe('the page of behaviours', () => {
  it('has a test for each behaviour, and finds it by its name', () => {
    // That every name is found is held by test/docs.test.ts, where whoever renames a test looks.
    assert.deepEqual(missingTests(PAGE), []);
    for (const { behaviour, proofs } of page.facts) assert.notDeepEqual(proofs, [], behaviour);
    assert.ok(page.facts.length > 150, `${page.facts.length} behaviours`);
  });

  it('says each behaviour once, and links to no file that it does not need', () => {
    const said = page.facts.map(({ chapter, behaviour }) => `${chapter}: ${behaviour}`);
    assert.deepEqual(
      said.filter((text, index) => said.indexOf(text) !== index),
      [],
    );
    const used = new Set(page.facts.flatMap(({ proofs }) => proofs.map(({ file }) => file)));
    assert.deepEqual(
      [...page.files.keys()].filter((file) => !used.has(file)),
      [],
    );
  });

  it('leaves at most ten differences from Flink, each with its reason', () => {
    const guide = readFileSync(new URL('../../docs/guide/for-flink-users.md', import.meta.url), 'utf8');
    const differences = /^## Not as in Flink$([\s\S]*?)^## /m.exec(guide)![1]!.match(/^\d+\. .+$/gm)!;
    assert.ok(differences.length > 0 && differences.length <= 10, `${differences.length} differences`);
    // What is different stands in bold, why in the rest.
    for (const difference of differences) assert.match(difference, /^\d+\. \*\*.+\*\*.{60,}$/);
  });

  it('names every test of its folder', () => {
    const named = new Set(page.facts.flatMap(({ proofs }) => proofs.map(({ name }) => name)));
    const own = fileURLToPath(import.meta.url);
    for (const file of readdirSync(FOLDER).filter((each) => each.endsWith('.test.ts'))) {
      const url = new URL(file, FOLDER);
      if (fileURLToPath(url) === own) continue;
      for (const name of testsOf(url)) assert.ok(named.has(name), `${file}: "${name}" is not on the page`);
    }
  });
});
