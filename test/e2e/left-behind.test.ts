// A promise or a timer that a function left behind and that fails: what becomes of the job, and of the process.
import assert from 'node:assert/strict';
import process from 'node:process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { type Ended, millrace, start, temporaryFolder } from './processes.ts';

function project(test: TestContext, files: Readonly<Record<string, string>>): string {
  const cwd = temporaryFolder(test);
  writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
  mkdirSync(join(cwd, 'node_modules'));
  symlinkSync(root, join(cwd, 'node_modules', 'millrace'));
  return cwd;
}

const JOB = `
const numbers = (env) => env.fromSequence(1, 5).map((n) => {
  if (n === 3) LEFT
  return n;
}, { name: 'asks' }).print();
`;

const LEFT = {
  promise: `void (async () => { await null; throw new TypeError('nobody asked'); })();`,
  timer: `setTimeout(() => { throw new TypeError('nobody asked'); }, 1);`,
};

for (const [what, left] of Object.entries(LEFT)) {
  it(`fails a job in threads with the place of the function (${what})`, async (test) => {
    const cwd = project(test, {
      'job.ts': `import { job } from 'millrace';\n${JOB.replace('LEFT', left)}\nexport default job((env) => { env.fromSequence(1, 1e12, { name: 'endless' }).filter(() => false).print(); numbers(env); });`,
    });
    const ended = await millrace(['run', 'job.ts', '-D', 'restart-strategy.type=none'], { cwd });
    assert.notEqual(ended.code, 0);
    assert.match(ended.output, /OPERATOR_FAILED_LATER/);
    assert.match(ended.output, /TypeError: nobody asked/);
    assert.match(ended.output, /asks/);
    assert.doesNotMatch(ended.output, /WORKER_LOST/);
  });

  it(`fails a job in this thread, and the process goes on (${what})`, async (test) => {
    const ended = await inProcess(test, left, '');
    assert.equal(ended.code, 0, ended.output);
    assert.match(
      ended.output,
      /OPERATOR_FAILED_LATER {"job":"[^"]*","subtask":0,"operator":"[^"]*asks[^"]*"}/,
    );
  });
}

for (const [what, stray] of [
  ['promise', `void Promise.reject(new Error('of nobody'));`],
  ['timer', `setTimeout(() => { throw new Error('of nobody'); }, 1);`],
] as const) {
  it(`leaves to the process what belongs to no task (${what})`, async (test) => {
    const ended = await inProcess(test, '{}', `setTimeout(() => { ${stray} }, 50);`);
    assert.equal(ended.code, 1, ended.output);
    assert.match(ended.output, /Error: of nobody/);
    assert.doesNotMatch(ended.output, /the job failed/);
  });

  it(`leaves to other listeners what belongs to no task (${what})`, async (test) => {
    const event = what === 'promise' ? 'unhandledRejection' : 'uncaughtException';
    const listener = `process.on('${event}', (error) => { console.log('heard', error.message); process.exit(5); });`;
    const ended = await inProcess(test, '{}', `${listener} setTimeout(() => { ${stray} }, 50);`);
    assert.equal(ended.code, 5, ended.output);
    assert.match(ended.output, /heard of nobody/);
  });
}

function inProcess(test: TestContext, left: string, around: string): Promise<Ended> {
  const endless = `env.fromSequence(1, 1e12).filter(() => false).print();`;
  const cwd = project(test, {
    'script.mjs': `import { execute, job } from 'millrace';
${JOB.replace('LEFT', left)}
${around}
const configuration = { 'log.level': 'silent', 'restart-strategy.type': 'none' };
try {
  await execute(job((env) => { ${endless} numbers(env); }), { host: 'in-process', configuration });
} catch ({ cause }) {
  console.log('the job failed', cause.code, JSON.stringify(cause.where));
}
`,
  });
  return start(process.execPath, ['script.mjs'], { cwd }).ended;
}
