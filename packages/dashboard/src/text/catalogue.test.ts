// The catalogue: both languages say the same with the same values, and every text is used.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { catalogue } from './catalogue.ts';
import { placeholders } from './message.ts';

const source = dirname(dirname(fileURLToPath(import.meta.url)));
const entries = Object.entries(catalogue) as [string, { readonly en: string; readonly ko: string }][];

describe('the catalogue', () => {
  it('has every text in both languages', () => {
    for (const [key, { en, ko }] of entries) {
      assert.ok(en.trim().length > 0 && ko.trim().length > 0, `${key} is empty in a language`);
    }
  });

  it('puts no value into Korean that English does not have, and leaves out only what a plural needs', () => {
    for (const [key, { en, ko }] of entries) {
      const english = placeholders(en);
      const extra = placeholders(ko).filter((name) => !english.includes(name));
      const choices = new Set([...en.matchAll(/\{(\w+)\|/g)].map(([, name]) => name));
      const missing = english.filter((name) => !placeholders(ko).includes(name) && !choices.has(name));
      assert.deepEqual({ key, extra, missing }, { key, extra: [], missing: [] });
    }
  });

  it('holds Korean where Korean is due', () => {
    const latin = entries.filter(([, { ko }]) => !/[가-힣]/.test(ko)).map(([key]) => key);
    // Names of the field that Korean readers know in English.
    assert.deepEqual(latin.sort(), ['alert.job-alert', 'home.workers', 'workers.cpu']);
  });

  it('has no text that nothing shows', () => {
    const code = readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('catalogue.ts') && !path.includes('.test.'))
      .map((path) => readFileSync(join(source, path), 'utf8'))
      .join('\n');
    // A key that is put together: `phase.${phase}`, `phase.${phase}.what`.
    const patterns = [...code.matchAll(/`([a-z][\w.-]*\.)\$\{[^}]+\}([\w.-]*)`/g)].map(
      ([, start = '', end = '']) => ({ start, end }),
    );
    const unused = entries
      .map(([key]) => key)
      .filter((key) => !code.includes(`'${key}'`) && !code.includes(`"${key}"`))
      .filter((key) => !patterns.some(({ start, end }) => key.startsWith(start) && key.endsWith(end)));
    assert.deepEqual(unused, []);
  });
});
