// The words of the command line become requests; wrong ones become a message with a remedy.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type JobOptions, parseArguments, type Request } from './arguments.ts';

function parse(line: string): Request {
  return parseArguments(line.split(' ').filter(Boolean), '1.2.3');
}

function optionsOf(line: string): JobOptions {
  const request = parse(line);
  assert.ok(request.kind === 'run', JSON.stringify(request));
  return request.options;
}

function usageOf(line: string): string {
  const request = parse(line);
  assert.ok(request.kind === 'usage', JSON.stringify(request));
  return request.message;
}

describe('the command line', () => {
  it('takes options before and after the job file', () => {
    for (const line of [
      'run -p 3 -s latest job.ts -n',
      'run job.ts --parallelism=3 -n --from-savepoint latest',
    ]) {
      const { parallelism, restore, allowNonRestoredState } = optionsOf(line);
      assert.deepEqual(
        { parallelism, restore, allowNonRestoredState },
        {
          parallelism: 3,
          restore: 'latest',
          allowNonRestoredState: true,
        },
      );
    }
  });

  it('says whose the restored savepoint is, and where a stop makes one', () => {
    assert.equal(optionsOf('run job.ts -s x').claim, undefined);
    assert.equal(optionsOf('run job.ts -s x --claim').claim, true);
    assert.equal(optionsOf('run job.ts -s x --no-claim').claim, false);
    const request = parse('run job.ts --savepoint-on-stop saved');
    assert.equal(request.kind === 'run' && request.savepointOnStop, 'saved');
    assert.match(usageOf('run job.ts --savepoint-on-stop'), /argument missing/);
  });

  it('tells a job file from the id of a job', () => {
    const { kind, ...info } = parse('info 1f03 -t http://localhost:8081 --json');
    assert.equal(kind, 'job-info');
    assert.deepEqual(info, {
      jobId: '1f03',
      json: true,
      cluster: { state: undefined, target: 'http://localhost:8081' },
    });
    for (const file of ['job.ts', 'a/b', 'job.mjs', 'job.tsx'])
      assert.equal(parse(`info ${file}`).kind, 'info');
    assert.match(usageOf('info 1f03 -p 3'), /--parallelism is for a job file/);
    const status = parse('status');
    assert.ok(status.kind === 'status' && status.jobId === undefined);
    const one = parse('status 1f03 --state folder');
    assert.ok(one.kind === 'status' && one.jobId === '1f03' && one.cluster.state === 'folder');
  });

  it('takes a savepoint of a job, stops with one, and disposes of one', () => {
    const { kind, ...taken } = parse('savepoint 1f03 saved -t http://localhost:8081 --json');
    assert.equal(kind, 'savepoint');
    assert.deepEqual(taken, {
      jobId: '1f03',
      folder: 'saved',
      json: true,
      cluster: { state: undefined, target: 'http://localhost:8081' },
    });
    const stop = parse('stop 1f03 --drain -p saved');
    assert.ok(stop.kind === 'stop' && stop.drain && stop.folder === 'saved');
    assert.deepEqual(parse('savepoint dispose a/b --json'), {
      kind: 'savepoint-dispose',
      path: 'a/b',
      json: true,
    });
    assert.match(usageOf('upgrade job.ts -s x'), /--dry-run/);
    assert.match(usageOf('upgrade job.ts --dry-run'), /which savepoint/);
  });

  it('gives what follows -- to the job, a second -- included', () => {
    const request = parse('run job.ts -p 2 -- --input x -- -p 9');
    assert.ok(request.kind === 'run');
    assert.deepEqual(request.args, ['--input', 'x', '--', '-p', '9']);
    assert.equal(request.options.parallelism, 2);
  });

  it('collects configuration keys in both spellings, the last of a key wins', () => {
    assert.deepEqual(optionsOf('run job.ts -Da.b=1 -D c=d=e -D a.b=2').configuration, {
      'a.b': '2',
      c: 'd=e',
    });
  });

  it('guesses what a wrong word was meant to be', () => {
    assert.match(usageOf('run job.ts --paralelism 3'), /Did you mean --parallelism\?(.|\n)*put it after --/);
    assert.match(usageOf('rnu job.ts'), /Did you mean run\?/);
    assert.match(usageOf('job.ts -p 3'), /To run a job: millrace run job\.ts -p 3/);
    assert.match(usageOf('run job.ts extra'), /Arguments of the job come after --/);
  });

  it('refuses values that cannot be meant', () => {
    assert.match(usageOf('run job.ts -p 0'), /whole number/);
    assert.match(usageOf('run job.ts -p 1.5'), /whole number/);
    assert.match(usageOf('run job.ts -D parallelism'), /key=value/);
    assert.match(usageOf('run job.ts -D =4'), /key=value/);
    assert.match(usageOf('run job.ts -s'), /argument missing/);
    assert.match(usageOf('run job.ts -s latest --fresh'), /cannot be used with/);
    assert.match(usageOf('run'), /missing required argument 'job'/);
  });

  it('prints its version and its help', () => {
    assert.deepEqual(parse('--version'), { kind: 'print', text: '1.2.3\n' });
    for (const line of ['--help', 'run --help', 'explain -h']) {
      const request = parse(line);
      assert.ok(request.kind === 'print');
      assert.match(request.text, /^Usage: millrace/);
    }
    assert.match(usageOf(''), /^Usage: millrace/);
  });
});
