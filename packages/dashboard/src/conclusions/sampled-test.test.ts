// A test that is made of sampled records is one: it fails until what is right is put in, and passes then.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { JobDescription, SampledRecord } from '../../../../src/rest/contract.ts';
import { testOf } from './sampled-test.ts';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../../../..');

const JOB = `import { job, sequenceSource } from 'millrace';
export default job((env) => {
  const more = env.fromSource(sequenceSource(1, 3), { uid: 'more' }).map(() => ({ user: 'nobody', n: 0 }));
  env
    .fromSource(sequenceSource(1, 3), { uid: 'clicks' })
    .map((click) => click as unknown as { user: string; n: number })
    .union(more)
    .map(({ user, n }) => \`\${user} \${n + 1}\`)
    .print('P', { uid: 'out' });
});
`;

const operator = (uid: string, kind: string): object => ({ uid, kind });
const description = {
  vertices: [
    { operators: [operator('clicks', 'source'), operator('read', 'map')] },
    { operators: [operator('more', 'source')] },
    { operators: [operator('out', 'sink')] },
  ],
} as unknown as JobDescription;
const records = [
  { value: { user: 'ada "a"', n: 1 }, isCut: false },
  { value: { user: 'bob', n: 2 }, isCut: false },
] as unknown as SampledRecord[];

function run(folder: string, text: string): { readonly code: number | null; readonly said: string } {
  writeFileSync(join(folder, 'sampled.test.ts'), text);
  const env = { ...process.env };
  delete env['NODE_TEST_CONTEXT'];
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--test', 'sampled.test.ts'], {
    ...{ cwd: folder, env, encoding: 'utf8' },
  });
  return { code: status, said: stdout + stderr };
}

test('a test of sampled records fails until what is right is put in, and passes then', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-sampled-'));
  try {
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(root, join(folder, 'node_modules', 'millrace'), 'dir');
    writeFileSync(join(folder, 'job.ts'), JOB);
    const text = testOf(description, { vertex: 0, operator: 0 }, records)!;
    const open = run(folder, text);
    assert.equal(open.code, 1, open.said);
    assert.match(open.said, /bob 3/, 'it shows what the job makes of them');
    const right = text.replace('"out": [],', '"out": [\'ada "a" 2\', \'bob 3\'],');
    assert.notEqual(right, text);
    const closed = run(folder, right);
    assert.equal(closed.code, 0, closed.said);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('there is none behind an operator that is no source, or of no records', () => {
  assert.equal(testOf(description, { vertex: 0, operator: 1 }, records), undefined);
  assert.equal(testOf(description, { vertex: 2, operator: 0 }, records), undefined);
  assert.equal(testOf(description, { vertex: 0, operator: 0 }, []), undefined);
});
