// The command line as a real process: what it prints and with which code it ends when nothing runs.
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { describe, it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { commandLine, type Ended, loginsJob, millrace, start, temporaryFolder } from './processes.ts';

// A folder as a user has it: Millrace is installed in it.
function project(test: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder(test);
  for (const [name, text] of Object.entries({ 'package.json': '{ "type": "module" }', ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', 'millrace'));
  return folder;
}

function assertEnded(ended: Ended, code: number, ...patterns: readonly RegExp[]): void {
  assert.equal(ended.code, code, ended.output);
  for (const pattern of patterns) assert.match(ended.output, pattern);
  // A stack of Millrace itself is shown only on request.
  assert.doesNotMatch(ended.output, /^\s+at .*dist\//m);
}

const tinyJob = `import { job } from 'millrace';
export default job((env) => { env.fromData([1, 2, 3]).map((n) => n * 2).print(); });
`;

describe('wrong usage', () => {
  it('ends with 2 and says what was meant', async (test) => {
    const cwd = project(test, { 'job.ts': tinyJob });
    assertEnded(await millrace([], { cwd }), 2, /Usage: millrace/);
    assertEnded(await millrace(['run'], { cwd }), 2, /missing required argument 'job'/);
    assertEnded(await millrace(['rnu', 'job.ts'], { cwd }), 2, /Did you mean run\?/);
    assertEnded(await millrace(['run', 'job.ts', '--paralelism', '2'], { cwd }), 2, /--parallelism/);
    assertEnded(await millrace(['run', 'job.ts', '-p', 'two'], { cwd }), 2, /whole number/);
    assertEnded(await millrace(['explain', 'NONSENSE'], { cwd }), 2, /no error code NONSENSE/);
  });

  it('names a missing job file and the one that may be meant', async (test) => {
    const cwd = project(test, { 'job.ts': tinyJob });
    assertEnded(
      await millrace(['run', 'jobs.ts'], { cwd }),
      2,
      /JOB_FILE_MISSING {2}there is no file jobs\.ts/,
    );
    assertEnded(await millrace(['run', 'job'], { cwd }), 2, /Did you mean job\.ts\?/);
  });

  it('guesses a misspelt configuration key, wherever it stands', async (test) => {
    const cwd = project(test, { 'job.ts': tinyJob });
    const meant = /CONFIG_UNKNOWN_KEY.*\n?.*parallelism\.default/;
    assertEnded(await millrace(['run', 'job.ts', '-Dparalelism.default=2'], { cwd }), 2, meant);
    const MILLRACE_PROPERTIES = 'paralelism.default: 2';
    assertEnded(await millrace(['run', 'job.ts'], { cwd, environment: { MILLRACE_PROPERTIES } }), 2, meant);
    writeFileSync(join(cwd, 'millrace.config.mjs'), "export default { 'paralelism.default': 2 };");
    assertEnded(await millrace(['run', 'job.ts'], { cwd }), 2, meant);
  });

  it('tells a job that cannot find Millrace how to install it', async (test) => {
    const cwd = temporaryFolder(test);
    writeFileSync(join(cwd, 'job.mjs'), tinyJob);
    assertEnded(
      await millrace(['run', 'job.mjs'], { cwd }),
      2,
      /JOB_WITHOUT_MILLRACE/,
      /npm install millrace/,
    );
  });

  it('refuses an argument that the job does not know', async (test) => {
    const cwd = temporaryFolder(test);
    const ended = await millrace(['run', loginsJob, '--', '--inputs', 'x', '--output', 'o'], { cwd });
    assertEnded(ended, 2, /JOB_ARGUMENT_UNKNOWN/, /--input\b/);
  });
});

describe('help', () => {
  it('and version end with 0', async (test) => {
    const cwd = temporaryFolder(test);
    assertEnded(await millrace(['--help'], { cwd }), 0, /run \[options\] <job>/);
    assertEnded(await millrace(['run', '--help'], { cwd }), 0, /--discard-later-output/);
    const { output } = await millrace(['--version'], { cwd });
    assert.match(output, /^\d+\.\d+\.\d+\n$/);
  });

  it('explains error codes offline', async (test) => {
    const cwd = temporaryFolder(test);
    assertEnded(
      await millrace(['explain', 'config_unknown_key'], { cwd }),
      0,
      /CONFIG_UNKNOWN_KEY/,
      /what to do/,
    );
    assertEnded(await millrace(['explain'], { cwd }), 0, /CONFIG_INVALID/, /FILES_FAILED/);
  });
});

describe('a program that runs its job by itself', () => {
  it('is told to give the job a file of its own when no worker can come to the call', async (test) => {
    const cwd = project(test, {
      'application.ts': `import { executionEnvironment } from 'millrace';

setTimeout(() => {
  const env = executionEnvironment();
  env.fromSequence(1, 3).print();
  env.execute().catch((error: Error & { remedy: string }) => console.log(error.message, '->', error.remedy));
}, 10);
`,
    });
    const ended = await start(process.execPath, ['application.ts'], { cwd }).ended;
    assertEnded(ended, 0, /top level of application\.ts.* -> .*new URL\('\.\/job\.ts', import\.meta\.url\)/);
  });
});

describe('a script', () => {
  const script = (behind: string): string => `import { executionEnvironment } from 'millrace';

const env = executionEnvironment();
const bad = env.args.number('bad', 9);
env.fromSequence(1, 3).map((n) => { if (n === bad) throw new RangeError('bad'); return n; }).print();
await env.execute();
${behind}
`;

  it('fails when what stands behind its job fails', async (test) => {
    const cwd = project(test, {
      'good.ts': script("console.log('behind');"),
      'bad.ts': script("throw new RangeError('behind');"),
    });
    assertEnded(await millrace(['run', 'good.ts'], { cwd }), 0, /^behind$/m);
    assertEnded(await millrace(['run', 'bad.ts'], { cwd }), 1, /FINISHED/, /bad\.ts:7/, /RangeError: behind/);
  });

  it('is told once when its job fails', async (test) => {
    const cwd = project(test, { 'job.ts': script("console.log('behind');") });
    const words = ['run', 'job.ts', '-Drestart-strategy.type=none', '--', '--bad', '2'];
    const ended = await millrace(words, { cwd });
    assertEnded(ended, 1, /RangeError: bad/);
    assert.equal(ended.output.match(/RangeError: bad/g)?.length, 1, ended.output);
    assert.doesNotMatch(ended.output, /behind/);
  });
});

describe('a job that Node cannot load', () => {
  it('is explained with line and remedy', async (test) => {
    const head = "import { job } from 'millrace';\n";
    const cwd = project(test, {
      'enum.ts': `${head}enum Level { Low }\nexport default job((env) => { env.fromData([Level.Low]).print(); });\n`,
      'decorator.ts': `${head}function d(..._: unknown[]): void {}\n@d\nclass X {}\nexport default job((env) => { env.fromData([X]).print(); });\n`,
      'job.tsx': tinyJob,
      'import.ts': "import './other';\n",
      'other.ts': 'export {};\n',
      'syntax.ts': `${head}const x = ;\n`,
    });
    const run = (name: string): Promise<Ended> => millrace(['run', name], { cwd });
    assertEnded(await run('enum.ts'), 1, /JOB_NOT_LOADABLE/, /enum\.ts:2/, /--bundle/);
    assertEnded(await run('decorator.ts'), 1, /JOB_NOT_LOADABLE/, /decorator\.ts:3/, /--bundle/);
    assertEnded(await run('job.tsx'), 1, /JOB_NOT_LOADABLE/, /--bundle/);
    assertEnded(await run('import.ts'), 1, /JOB_NOT_LOADABLE/, /other\.ts/);
    assertEnded(await run('syntax.ts'), 1, /JOB_NOT_LOADABLE/, /syntax\.ts:2/);
  });

  it('runs with --bundle', async (test) => {
    const cwd = project(test, {
      'enum.ts': `import { job } from 'millrace';
enum Level { Low = 7 }
export default job((env) => { env.fromData([Level.Low]).map((n: number) => n * 6).print(); });
`,
    });
    symlinkSync(join(root, 'node_modules', 'esbuild'), join(cwd, 'node_modules', 'esbuild'));
    const ended = await millrace(['run', '--bundle', 'enum.ts'], { cwd });
    assertEnded(ended, 0, /^42$/m);
  });

  it('points to the line of the source, also with --bundle', async (test) => {
    const cwd = project(test, {
      'enum.ts': `import { job } from 'millrace';
enum Level { Low = 7 }

function fail(level: Level): number {
  throw new RangeError(\`level \${level}\`);
}
export default job((env) => { env.fromData([Level.Low]).map(fail).print(); });
`,
    });
    symlinkSync(join(root, 'node_modules', 'esbuild'), join(cwd, 'node_modules', 'esbuild'));
    const ended = await millrace(['run', '--bundle', 'enum.ts', '-Drestart-strategy.type=none'], { cwd });
    assertEnded(ended, 1, /RangeError: level 7/, /at +enum\.ts:5:9/);
  });

  it('uses the copy of Millrace that lies beside the job', async (test) => {
    const cwd = temporaryFolder(test);
    const copy = join(cwd, 'node_modules', 'millrace');
    mkdirSync(copy, { recursive: true });
    writeFileSync(join(cwd, 'job.mjs'), tinyJob);
    writeFileSync(join(copy, 'package.json'), '{ "name": "millrace", "bin": { "millrace": "own.mjs" } }');
    writeFileSync(
      join(copy, 'own.mjs'),
      'console.log("the copy got", ...process.argv.slice(2)); process.exitCode = 7;',
    );
    const ended = await millrace(['run', 'job.mjs', '-p', '2', '--', 'x'], { cwd });
    assertEnded(ended, 7, /^the copy got run job\.mjs -p 2 -- x$/m);
  });

  it('and is no job says what it should export', async (test) => {
    const cwd = project(test, {
      'empty.ts': 'export {};\n',
      'function.ts': 'export default () => 1;\n',
      'throws.ts':
        "import 'millrace';\nfunction boom(): never {\n  throw new RangeError('mine');\n}\nboom();\n",
    });
    assertEnded(await millrace(['run', 'empty.ts'], { cwd }), 1, /JOB_MODULE_INVALID/);
    assertEnded(
      await millrace(['run', 'function.ts'], { cwd }),
      1,
      /JOB_MODULE_INVALID/,
      /export default job/,
    );
    assertEnded(await millrace(['run', 'throws.ts'], { cwd }), 1, /mine/, /throws\.ts:3/);
  });
});

describe('a reader that goes away', () => {
  it('ends the job without a stack', async (test) => {
    const cwd = project(test, {
      'job.ts': `import { job } from 'millrace';
export default job((env) => { env.fromSequence(1, 1e9).print(); });
`,
    });
    const command = `'${process.execPath}' '${commandLine}' run job.ts | head -n 2`;
    const ended = await start('sh', ['-c', command], { cwd }).ended;
    assertEnded(ended, 0, /^1\n2$/m);
    assert.doesNotMatch(ended.output, /EPIPE|Unhandled/);
  });
});

describe('the plan', () => {
  it('is printed without running the job', async (test) => {
    const cwd = temporaryFolder(test);
    const text = await millrace(['info', loginsJob, '-p', '3'], { cwd });
    assertEnded(text, 0, /Job "abnormal-logins"/, /parallelism 3/, /failures-in-a-row/);
    const json = await millrace(['info', '--json', loginsJob], { cwd });
    const plan = JSON.parse(json.output) as { name: string; vertices: unknown[] };
    assert.equal(plan.name, 'abnormal-logins');
    assert.ok(plan.vertices.length >= 2);
  });

  it('is refused by check where run would refuse it', async (test) => {
    const cwd = project(test, {
      'endless.ts': `import { files, generatorSource, job } from 'millrace';
export default job((env) => {
  env.fromSource(generatorSource((index) => index), { uid: 'in' }).sinkTo(files.jsonLinesSink('out'), { uid: 'out' });
});
`,
    });
    const off = ['-D', 'execution.checkpointing.interval=0'];
    for (const command of ['check', 'run']) {
      assertEnded(await millrace([command, 'endless.ts', ...off], { cwd }), 1, /GUARANTEE_NEEDS_CHECKPOINTS/);
    }
  });

  it('goes with what the job guarantees, and why', async (test) => {
    const cwd = temporaryFolder(test);
    const text = await millrace(['check', loginsJob], { cwd });
    assertEnded(text, 0, /^abnormal-logins: exactly once from "lines" to "alerts": .*checkpoint.*\.$/m);
    const loose = ['check', '--json', '-D', 'execution.checkpointing.mode=AT_LEAST_ONCE', loginsJob];
    const json = await millrace(loose, { cwd });
    assert.equal((JSON.parse(json.output) as { guarantee: string }).guarantee, 'at least once');
  });
});
