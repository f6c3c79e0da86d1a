// Logs of every place where code runs: one JSON object a line that says whose it is, and short lines for people at a terminal.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { root } from '../architecture/read.ts';
import { TestCluster } from './clusters.ts';
import { commandLine, eventually, millrace, start, temporaryFolder } from './processes.ts';

const job = join(root, 'test', 'e2e', 'logging-job.ts');
const driver = join(root, 'test', 'e2e', 'pseudo-terminal.py');
/** A busy machine is no failure: the runner has a limit of its own. */
const PATIENCE_MS = 200_000;
const WORDS = ['run', job, '-Dlog.level=info', '-Dparallelism.default=1'];

type Line = Readonly<Record<string, unknown>>;

/** The lines of an output that are JSON objects. */
function linesOf(output: string): Line[] {
  return output
    .split(/\r?\n/)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);
}

function checkTask(lines: readonly Line[]): void {
  const line = lines.find(({ msg }) => msg === 'a bad record');
  assert.ok(line, JSON.stringify(lines));
  const { time, attempt, error, jobId, ...rest } = line;
  assert.deepEqual(rest, {
    level: 'error',
    job: 'logging-job',
    vertex: 'Process -> Filter -> Sink: print',
    uid: 'logging',
    subtask: 0,
    code: 'KEY_INVALID',
    msg: 'a bad record',
  });
  assert.ok(typeof time === 'number' && typeof attempt === 'string');
  assert.match(String(jobId), /^[0-9a-f]{32}$/);
  assert.match((error as { message: string }).message, /no key/);
}

function checkMaster(lines: readonly Line[]): void {
  const line = lines.find(({ msg }) => String(msg).startsWith('the job runs'));
  assert.equal(line?.['job'], 'logging-job', JSON.stringify(lines));
  assert.equal(line['attempt'], 1);
}

describe('logs', () => {
  it('are JSON lines of the job master and of worker threads where nobody sits at a terminal', async (test) => {
    const { code, output } = await millrace(WORDS, { cwd: temporaryFolder(test) });
    assert.equal(code, 0, output);
    checkTask(linesOf(output));
    checkMaster(linesOf(output));
  });

  it('are short lines when they are asked for', async (test) => {
    const { output } = await millrace([...WORDS, '-Dlog.format=pretty'], { cwd: temporaryFolder(test) });
    assert.deepEqual(linesOf(output), []);
    assert.match(
      output,
      /^\d\d:\d\d:\d\d\.\d{3} ERROR a bad record job=logging-job .*uid=logging error="no key"/m,
    );
  });

  it('are short lines at a terminal, also from its threads, and JSON there when that is asked for', async (test) => {
    const inTerminal = async (...words: string[]): Promise<string> => {
      const command = [process.execPath, commandLine, ...WORDS, ...words];
      const cwd = temporaryFolder(test);
      const { output } = await start('python3', [driver, '[]', ...command], { cwd }).ended;
      return output;
    };
    const [pretty, json] = await Promise.all([inTerminal(), inTerminal('-Dlog.format=json')]);
    assert.deepEqual(linesOf(pretty), [], pretty);
    assert.match(pretty, /INFO {2}the job runs from the beginning job=logging-job/);
    assert.match(pretty, /INFO {2}a record job=logging-job .*uid=logging/);
    checkTask(json.split(/\r?\n/).flatMap((line) => linesOf(line.replace(/^.*?(?=\{"level)/, ''))));
  });

  it('of a cluster say the same, in its files and by REST while it runs', async (test) => {
    const cluster = await TestCluster.start(test, { taskManagers: 1, settings: ['-Drest.port=0'] });
    const jobId = await cluster.submit(job, '-Dlog.level=info', '--', '--count', '1000000');
    const [jobManager] = await cluster.processes('jobmanager');
    const ask = async (query: string): Promise<Line[]> => {
      const response = await fetch(`${jobManager!.rest}/v1/x/logs?${query}`);
      const { entries } = (await response.json()) as { entries: Line[] };
      return entries;
    };
    const found = { task: undefined as Line | undefined, master: undefined as Line | undefined };
    await eventually(
      async () => {
        found.task = (await ask(`job=${jobId}&text=a%20bad%20record`))[0];
        found.master = (await ask(`job=${jobId}&text=the%20job%20runs`))[0];
        return found.task !== undefined && found.master !== undefined;
      },
      'a line of the task and one of the job master are there',
      PATIENCE_MS,
    );
    assert.deepEqual(
      [found.task?.['uid'], found.task?.['subtask'], found.task?.['code'], found.task?.['jobId']],
      ['logging', 0, 'KEY_INVALID', jobId],
    );
    assert.notEqual(found.task?.['workerId'], null);
    assert.deepEqual([found.master?.['workerId'], found.master?.['jobId']], [null, jobId]);
    const written = readdirSync(cluster.state, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.log'))
      .flatMap((name) => linesOf(readFileSync(join(cluster.state, name), 'utf8')));
    checkTask(written);
    checkMaster(written);
  });
});
