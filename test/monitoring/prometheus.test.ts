// A real Prometheus scrapes real jobs and a cluster: every alert rule fires for a real cause, and every query of the board has
// data.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { TestCluster } from '../e2e/clusters.ts';
import { cleanUp, eventually, type Running, startMillrace, temporaryFolder } from '../e2e/processes.ts';
import { onFiles } from '../recovery/leader-kills.ts';
import { hurried, PATIENCE_MS, promtool, PrometheusServer, rulesPath } from './prometheus-server.ts';

const ruleTests = join(root, 'deploy', 'prometheus', 'millrace.rules.test.yml');
const board = join(root, 'deploy', 'grafana', 'millrace.json');
const jobFile = (name: string): string => join(root, 'test', 'monitoring', name);

/** Starts a job of this folder; where it is served. */
async function startJob(
  test: TestContext,
  name: string,
  {
    args = [],
    environment = {},
  }: { args?: readonly string[]; environment?: Readonly<Record<string, string>> } = {},
): Promise<{ running: Running; target: string }> {
  const running = startMillrace(['run', jobFile(name), '--ui', '-Drest.port=0', '--', ...args], {
    cwd: temporaryFolder(test),
    environment,
  });
  cleanUp(test, () => running.child.kill('SIGKILL'));
  const address = /dashboard at http:\/\/(localhost:\d+)/;
  await running.outputMatches(address, PATIENCE_MS);
  return { running, target: address.exec(running.output())![1]! };
}

describe('Prometheus', () => {
  /** Alerts that a test here has made fire. */
  const caused = new Set<string>();

  const causes = async (
    prometheus: PrometheusServer,
    names: readonly string[],
    output: () => string,
  ): Promise<void> => {
    await prometheus.fires(names, output);
    for (const name of names) caused.add(name);
  };

  it('accepts the alert rules, and each fires when it should and not before', () => {
    assert.match(promtool(['check', 'rules', rulesPath]), /SUCCESS: 15 rules/);
    promtool(['test', 'rules', ruleTests]);
  });

  it('scrapes a job in trouble, and every query of the board has data', async (test) => {
    const { running, target } = await startJob(test, 'troubled-job.ts', {
      args: ['--marker', join(temporaryFolder(test), 'failed')],
    });
    const prometheus = await PrometheusServer.start(test, target);
    const queries = expressionsOf(JSON.parse(readFileSync(board, 'utf8')));
    assert.ok(queries.length >= 16, `${queries.length} queries`);
    let missing: string[] = [];
    await eventually(
      async () => {
        const empty = await Promise.all(
          queries.map(async (query) => ((await prometheus.ask(query)).length > 0 ? '' : query)),
        );
        missing = empty.filter((query) => query !== '');
        return missing.length === 0;
      },
      'all queries have data',
      PATIENCE_MS,
    ).catch(() => assert.fail(`no data for ${missing.join('\n')}\n${running.output()}`));
    const names = [
      'BackPressure',
      'BackPressureLasts',
      'CheckpointsFail',
      'EventLoopBlocked',
      'JobRestarted',
    ];
    await causes(prometheus, [...names, 'RecordsLate'].map(alert), () => running.output());
    assert.ok(!prometheus.fired.has('MillraceDown') && !prometheus.fired.has('MillraceJobFailed'));
    running.child.kill('SIGKILL');
    await causes(prometheus, ['MillraceDown'], () => running.output());
  });

  it('scrapes a job that suffers slowly', async (test) => {
    const { running, target } = await startJob(test, 'suffering-job.ts', {
      // What Node calls the limit has room for young objects too, which old ones do not get.
      environment: { NODE_OPTIONS: '--max-old-space-size=400 --max-semi-space-size=1' },
    });
    const prometheus = await PrometheusServer.start(test, target);
    const names = ['WatermarkStuck', 'FallsBehind', 'CheckpointsMissing', 'HeapNearlyFull'];
    await causes(prometheus, names.map(alert), () => running.output());
    assert.ok(!prometheus.fired.has('MillraceDown') && !prometheus.fired.has('MillraceJobRestarted'));
  });

  it('scrapes a cluster whose jobs fail, and that loses a TaskManager', async (test) => {
    const cluster = await TestCluster.start(test, { taskManagers: 2, settings: ['-Drest.port=0'] });
    const [jobManager] = await cluster.processes('jobmanager');
    const prometheus = await PrometheusServer.start(test, new URL(jobManager!.rest!).host);
    await cluster.submit(jobFile('failing-job.ts'), '--', '--name', 'for-good');
    await cluster.submit(jobFile('failing-job.ts'), '--', '--name', 'again', '--attempts', '1000000');
    await causes(prometheus, ['JobFailed', 'RestartLoop'].map(alert), () => '');
    assert.ok(!prometheus.fired.has('MillraceTaskManagerLost'));
    const [taskManager] = await cluster.processes('taskmanager');
    await cluster.kill(taskManager!.pid);
    await causes(prometheus, ['MillraceTaskManagerLost'], () => '');
  });

  it('scrapes JobManagers that take turns, and lose what they do that by', async (test) => {
    const { cluster } = await onFiles(test, { taskManagers: 1 });
    const jobManagers = await cluster.processes('jobmanager');
    const targets = jobManagers.map(({ rest }) => new URL(rest!).host);
    const prometheus = await PrometheusServer.start(test, ...targets);
    await eventually(
      async () => (await prometheus.ask('sum(millrace_jobmanager_isLeader) == 1')).length > 0,
      'one of two leads',
      PATIENCE_MS,
    );
    assert.deepEqual([...prometheus.fired], []);
    // The disk with the folder of high availability is gone.
    const leadership = join(cluster.state, 'ha', 'default', 'leadership');
    renameSync(leadership, `${leadership}.gone`);
    writeFileSync(leadership, '');
    await causes(prometheus, ['MillraceLeaderMissing'], () => '');
    assert.ok(!prometheus.fired.has('MillraceDown'), 'a JobManager that stands by answers');
  });

  it('has seen each rule fire for a cause', () => {
    const all = [...readFileSync(rulesPath, 'utf8').matchAll(/- alert: (\w+)/g)].map((match) => match[1]!);
    assert.deepEqual(
      all.filter((name) => !caused.has(name)),
      [],
    );
    // Only times differ from what is shipped.
    const withoutTimes = (text: string): string => text.replaceAll(/for: \w+|\[\w+\]|> \d+/g, '');
    const shipped = readFileSync(rulesPath, 'utf8');
    assert.equal(withoutTimes(hurried(shipped)), withoutTimes(shipped));
  });
});

function alert(name: string): string {
  return `Millrace${name}`;
}

/** Every query of a Grafana board, for all jobs. */
function expressionsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(expressionsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, field]) =>
    name === 'expr' && typeof field === 'string' ? [field.replaceAll('$job', '.*')] : expressionsOf(field),
  );
}
