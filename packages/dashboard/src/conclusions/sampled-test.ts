// Sampled records of a source, as a test of their job.
import type { JobDescription, SampledRecord } from '../../../../src/rest/contract.ts';

/**
 * The text of a test under node:test that hands the records to the job in place of its source, and compares what its sinks
 * get; `undefined` behind anything but a source.
 */
export function testOf(
  { vertices }: Pick<JobDescription, 'vertices'>,
  place: { readonly vertex: number; readonly operator: number },
  records: readonly SampledRecord[],
): string | undefined {
  const operators = vertices.flatMap(({ operators: all }) => all);
  const source = vertices[place.vertex]?.operators[place.operator];
  if (source?.kind !== 'source' || records.length === 0) return undefined;
  const others = operators.filter(({ kind, uid }) => kind === 'source' && uid !== source.uid);
  const sinks = operators.filter(({ kind }) => kind === 'sink');
  const uid = JSON.stringify(source.uid);
  const declared = (all: readonly { readonly uid: string }[]): string[] =>
    all.map((each) => `      ${JSON.stringify(each.uid)}: type<unknown>(),`);
  return `${[
    '// Records that were sampled from a job that runs, as a test of it. Put the file of the job and what is right in.',
    "import assert from 'node:assert/strict';",
    "import { test } from 'node:test';",
    "import { type } from 'millrace';",
    "import { testJob } from 'millrace/testing';",
    "import job from './job.ts';",
    '',
    'const records = [',
    ...records.map(({ value, isCut }) => `  ${JSON.stringify(value)},${isCut ? ' // shortened' : ''}`),
    '];',
    '',
    `test('the records that were sampled behind ' + ${uid}, async () => {`,
    '  const run = await testJob(job, {',
    '    inputs: {',
    `      ${uid}: type<(typeof records)[number]>(),`,
    ...declared(others),
    '    },',
    '    outputs: {',
    ...declared(sinks),
    '    },',
    '  });',
    `  await run.inputs[${uid}].push(...records);`,
    '  await run.finish();',
    '  const outputs = Object.entries(run.outputs).map(([uid, { values }]) => [uid, values]);',
    '  assert.deepEqual(Object.fromEntries(outputs), {',
    ...sinks.map((sink) => `    ${JSON.stringify(sink.uid)}: [],`),
    '  });',
    '});',
  ].join('\n')}\n`;
}
