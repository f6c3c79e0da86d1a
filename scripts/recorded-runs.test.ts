// What the README says of recorded runs is what they sum up to, and a broken rule would be said.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mutantsPhrase, readResults } from './mutants.ts';
import { provedSentence, type Recorded, recordedIn, withSentence } from './recorded-runs.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

describe('recorded runs', () => {
  const sim = (protocol: number, violations = 0): Recorded => ({
    kind: 'sim',
    protocol,
    seconds: 60,
    totals: { worlds: 10, lives: 2_000, kills: 3, faults: 4, violations },
    failures: [],
  });
  const chaos: Recorded = {
    kind: 'chaos',
    protocol: 1,
    seconds: 600,
    kills: 50,
    pauses: 20,
    records: 1_000,
    violations: [],
  };

  it('are summed up over their newest protocol', () => {
    assert.match(
      provedSentence([sim(2), sim(3), sim(3), chaos]),
      /4,000 lives of jobs in 20 random worlds, with 6 kills and 8 faults; 50 kills and 20 pauses of real processes in 10 minutes, under 1,000 records: no record was lost/,
    );
  });

  it('count each step at which processes died once', () => {
    const one = { ...chaos, cuts: 2, met: ['part.opened', 'part.opened > part.synced'] };
    const other = { ...chaos, cuts: 1, halfOpen: 4, met: ['part.opened', 'part.synced'] };
    assert.match(
      provedSentence([one, other]),
      /100 kills \(at 2 named steps and 1 ordered pair of them\) and 40 pauses of real processes, 3 cuts of the network, 4 half-open links in 20 minutes/,
    );
  });

  it('tell kills of leading JobManagers beside the steps', () => {
    const led = { ...chaos, killsOfLeaders: 7 };
    assert.match(provedSentence([led, led]), /100 kills \(14 of leading JobManagers\) and/);
    assert.match(
      provedSentence([led, { ...chaos, met: ['part.opened'] }]),
      /100 kills \(7 of leading JobManagers, at 1 named steps\) and/,
    );
  });

  it('of a soak are told beside the others', () => {
    const soak: Recorded = { ...chaos, kind: 'soak', kills: 3, pauses: 2, cuts: 1, seconds: 1_800 };
    assert.match(
      provedSentence([chaos, soak, soak]),
      /; a soak of 60 minutes at 60 % of the load that the cluster held, with 12 faults, under 2,000 records: no record/,
    );
    assert.match(provedSentence([{ ...soak, violations: ['grew'] }]), /: 1 rule was broken/);
  });

  it('that broke a rule say so', () => {
    assert.match(provedSentence([sim(3), sim(3, 2)]), /: 2 rules were broken/);
    assert.match(provedSentence([{ ...chaos, violations: ['gone'] }]), /: 1 rule was broken/);
    assert.equal(provedSentence([]), 'No run is recorded.');
  });

  it('are what the README says', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const sentence = provedSentence(
      recordedIn(join(root, 'docs/internals/runs')),
      mutantsPhrase(readResults(root)),
    );
    assert.equal(readme, withSentence(readme, sentence), 'write it anew: npm run docs:generate');
  });
});
