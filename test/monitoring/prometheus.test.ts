// A real Prometheus scrapes a real job: the alert rules are right, those that can be caused fire, and every query of the
// board has data.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { cleanUp, pause, type Running, start, startMillrace, temporaryFolder } from '../e2e/processes.ts';

const rules = join(root, 'deploy', 'prometheus', 'millrace.rules.yml');
const ruleTests = join(root, 'deploy', 'prometheus', 'millrace.rules.test.yml');
const board = join(root, 'deploy', 'grafana', 'millrace.json');
const job = join(root, 'test', 'monitoring', 'troubled-job.ts');

function promtool(words: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync('promtool', words, { encoding: 'utf8' });
  assert.equal(error, undefined, 'promtool is there: on Debian, apt-get install prometheus');
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Prometheus with the rules of the project, which it does not wait for: a minute becomes a second. */
async function startPrometheus(test: TestContext, target: string): Promise<string> {
  const folder = temporaryFolder(test);
  const port = await freePort();
  writeFileSync(join(folder, 'rules.yml'), readFileSync(rules, 'utf8').replaceAll('for: 1m', 'for: 1s'));
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s', scrape_timeout: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: 'millrace', static_configs: [{ targets: [target] }] }],
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const running = start(
    'prometheus',
    [
      '--config.file=prometheus.yml',
      '--storage.tsdb.path=data',
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { cwd: folder },
  );
  cleanUp(test, () => running.child.kill('SIGKILL'));
  const base = `http://127.0.0.1:${port}`;
  await until(
    async () => (await fetch(`${base}/-/ready`).catch(() => undefined))?.status === 200,
    () => `Prometheus is ready: ${running.output()}`,
  );
  return base;
}

async function until(holds: () => Promise<boolean>, what: () => string, msMax = 90_000): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await holds())) {
    if (performance.now() > deadline) assert.fail(`not within ${msMax} ms: ${what()}`);
    await pause(200);
  }
}

async function startTroubledJob(test: TestContext): Promise<{ running: Running; target: string }> {
  const cwd = temporaryFolder(test);
  const running = startMillrace(
    [
      'run',
      job,
      '--ui',
      '-Drest.port=0',
      '-Dexecution.checkpointing.interval=1s',
      '--',
      '--marker',
      join(cwd, 'failed'),
    ],
    { cwd },
  );
  cleanUp(test, () => running.child.kill('SIGKILL'));
  const address = /dashboard at http:\/\/(localhost:\d+)/;
  await running.outputMatches(address);
  return { running, target: address.exec(running.output())![1]! };
}

interface Answer {
  readonly data: { readonly result: readonly unknown[] };
}

describe('Prometheus', () => {
  it('accepts the alert rules, and each fires when it should and not before', () => {
    assert.match(promtool(['check', 'rules', rules]), /SUCCESS: 10 rules/);
    promtool(['test', 'rules', ruleTests]);
  });

  it('scrapes a job: rules fire for what it does, and every query of the board has data', async (test) => {
    const { running, target } = await startTroubledJob(test);
    const base = await startPrometheus(test, target);
    const ask = async (expression: string): Promise<readonly unknown[]> => {
      const response = await fetch(`${base}/api/v1/query?query=${encodeURIComponent(expression)}`);
      assert.equal(response.status, 200, `${expression}: ${response.status}`);
      return ((await response.json()) as Answer).data.result;
    };

    const queries = expressionsOf(JSON.parse(readFileSync(board, 'utf8')));
    assert.ok(queries.length >= 16, `${queries.length} queries`);
    let missing: string[] = [];
    await until(
      async () => {
        const empty = await Promise.all(
          queries.map(async (query) => ((await ask(query)).length > 0 ? '' : query)),
        );
        missing = empty.filter((query) => query !== '');
        return missing.length === 0;
      },
      () => `data for ${missing.join('\n')}\n${running.output()}`,
    );

    const expected = [
      'MillraceBackPressure',
      'MillraceCheckpointsFail',
      'MillraceEventLoopBlocked',
      'MillraceJobRestarted',
      'MillraceRecordsLate',
    ];
    const fired = new Set<string>();
    const look = async (): Promise<void> => {
      const response = await fetch(`${base}/api/v1/alerts`);
      const { data } = (await response.json()) as {
        data: { alerts: readonly { labels: { alertname: string }; state: string }[] };
      };
      for (const { labels, state } of data.alerts) if (state === 'firing') fired.add(labels.alertname);
    };
    await until(
      async () => {
        await look();
        return expected.every((name) => fired.has(name));
      },
      () => `all of ${expected.join(', ')} fire; ${[...fired].join(', ')} do\n${running.output()}`,
    );
    assert.ok(!fired.has('MillraceDown') && !fired.has('MillraceJobFailed'), [...fired].join(', '));
    running.child.kill('SIGKILL');
    await until(
      async () => {
        await look();
        return fired.has('MillraceDown');
      },
      () => 'MillraceDown fires when nothing answers any more',
    );
  });
});

/** Every query of a Grafana board, for all jobs. */
function expressionsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(expressionsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, field]) =>
    name === 'expr' && typeof field === 'string' ? [field.replaceAll('$job', '.*')] : expressionsOf(field),
  );
}
