// Who wins: command line, environment, file, the job's own code, defaults; an operator's own parallelism stays.
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { millrace, temporaryFolder } from './processes.ts';

const job = `import { job } from 'millrace';
export default job((env) => {
  env.setParallelism(2);
  env.fromSequence(1, 10).map((n) => n).print();
  env.fromSequence(1, 10).map((n) => n).name('own').setParallelism(7).print();
});
`;

interface Plan {
  readonly vertices: readonly {
    readonly parallelism: number;
    readonly operators: readonly { readonly name: string }[];
  }[];
}

function project(test: TestContext): string {
  const cwd = temporaryFolder(test);
  writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(cwd, 'job.ts'), job);
  mkdirSync(join(cwd, 'node_modules'));
  symlinkSync(root, join(cwd, 'node_modules', 'millrace'));
  return cwd;
}

async function parallelisms(
  cwd: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ job: number; own: number }> {
  const ended = await millrace(['info', '--json', 'job.ts', ...words], { cwd, environment });
  assert.equal(ended.code, 0, ended.output);
  const { vertices } = JSON.parse(ended.output) as Plan;
  const of = (name: string): number | undefined =>
    vertices.find(({ operators }) => operators.some((operator) => operator.name === name))?.parallelism;
  return { job: of('Map') ?? 0, own: of('own') ?? 0 };
}

it('the command line wins over environment, file, job and default, in this order', async (test) => {
  const cwd = project(test);
  assert.deepEqual(await parallelisms(cwd, []), { job: 2, own: 7 });
  mkdirSync(join(cwd, 'conf'));
  writeFileSync(join(cwd, 'conf', 'config.yaml'), 'parallelism:\n  default: 3\n');
  assert.deepEqual(await parallelisms(cwd, []), { job: 3, own: 7 });
  const properties = { MILLRACE_PROPERTIES: 'parallelism.default: 4' };
  assert.deepEqual(await parallelisms(cwd, [], properties), { job: 4, own: 7 });
  const both = { ...properties, MILLRACE_PARALLELISM_DEFAULT: '5' };
  assert.deepEqual(await parallelisms(cwd, [], both), { job: 5, own: 7 });
  assert.deepEqual(await parallelisms(cwd, ['-Dparallelism.default=6'], both), { job: 6, own: 7 });
  assert.deepEqual(await parallelisms(cwd, ['-Dparallelism.default=6', '-p', '8'], both), { job: 8, own: 7 });
});

it('a configuration file may be a program, and may lie elsewhere', async (test) => {
  const cwd = project(test);
  mkdirSync(join(cwd, 'other'));
  writeFileSync(
    join(cwd, 'millrace.config.ts'),
    "const p: number = 3;\nexport default { 'parallelism.default': p };\n",
  );
  writeFileSync(join(cwd, 'other', 'config.yaml'), 'parallelism.default: 4\n');
  assert.equal((await parallelisms(cwd, [])).job, 3);
  assert.equal((await parallelisms(cwd, [], { MILLRACE_CONF_DIR: join(cwd, 'other') })).job, 4);
});

it('arguments, the words of the program and MILLRACE_ variables are equal in every worker', async (test) => {
  const cwd = project(test);
  writeFileSync(
    join(cwd, 'equal.ts'),
    `import { job } from 'millrace';
const seen = [process.argv.slice(2).join(' '), process.env.MILLRACE_OF_MINE].join(' | ');
export default job((env, args) => {
  const name = args.string('name');
  env.fromSequence(1, 3).map((n) => \`\${name} \${n} \${seen}\`).setParallelism(3).print();
});
`,
  );
  const words = ['run', 'equal.ts', '-p', '3', '--', '--name', 'x'];
  const ended = await millrace(words, { cwd, environment: { MILLRACE_OF_MINE: 'mine' } });
  assert.equal(ended.code, 0, ended.output);
  for (const number of [1, 2, 3]) {
    assert.match(ended.output, new RegExp(`x ${number} run equal\\.ts -p 3 -- --name x \\| mine`));
  }
});

it('a graph that differs between threads is an error that names the difference', async (test) => {
  const cwd = project(test);
  writeFileSync(
    join(cwd, 'differs.ts'),
    `import { isMainThread } from 'node:worker_threads';
import { job } from 'millrace';
export default job((env) => {
  env.fromSequence(1, 3).map((n) => n).name(isMainThread ? 'main' : 'worker').print();
});
`,
  );
  const ended = await millrace(['run', 'differs.ts'], { cwd });
  assert.equal(ended.code, 1, ended.output);
  assert.match(ended.output, /GRAPH_MISMATCH/);
  assert.match(ended.output, /main/);
});
