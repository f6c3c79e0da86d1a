// The pages of Flink's web dashboard, unmodified, over the REST interface of a cluster of Millrace, in a browser.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { openBrowser } from '../../packages/dashboard/test/chromium.ts';
import { root } from '../architecture/read.ts';
import { TestCluster } from '../e2e/clusters.ts';
import { cleanUp } from '../e2e/processes.ts';
import { serveFlinkPages } from './flink.ts';

it('show jobs, graph, checkpoints, watermarks, back pressure, exceptions and TaskManagers, and cancel', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 1, settings: ['-Drest.port=0'] });
  const [jobManager] = await cluster.processes('jobmanager');
  const marker = join(cluster.cwd, 'marker');
  const job = join(root, 'test', 'flink-tools', 'slow-job.ts');
  const jobId = await cluster.submit(job, '-p', '2', '--', '--marker', marker);
  await cluster.until(
    jobId,
    'it has failed once, runs and has a checkpoint',
    ({ restarts = 0, state, checkpoints = 0 }) => restarts === 1 && state === 'RUNNING' && checkpoints > 0,
  );

  const { url, refused } = await serveFlinkPages(test, jobManager!.rest!);
  const browser = await openBrowser();
  cleanUp(test, () => void browser.close());
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  // A busy machine may be slow; what does not come at all is ended by whoever runs the tests.
  page.setDefaultTimeout(300_000);
  const wrong: string[] = [];
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  const shows = async (path: string, ...texts: (string | RegExp)[]): Promise<void> => {
    // Another address than the part behind the hash: the page begins anew.
    await page.goto('about:blank');
    await page.goto(`${url}/#${path}`);
    for (const text of texts) {
      const shown = await page
        .getByText(text)
        .filter({ visible: true })
        .first()
        .waitFor()
        .then(() => true)
        .catch(() => false);
      if (!shown) wrong.push(`${path} does not show ${text}: ${await page.locator('body').textContent()}`);
    }
    wrong.push(...[...errors.splice(0), ...refused.splice(0)].map((each) => `${path}: ${each}`));
  };
  const response = await fetch(`${jobManager!.rest!}/jobs/${jobId}`);
  const { vertices } = (await response.json()) as { vertices: { id: string; name: string }[] };
  const [source, slow] = vertices;
  const own = `/job/running/${jobId}`;
  const vertex = `${own}/overview/${source!.id}`;

  await shows('/overview', 'Running Application List', 'slow-job', 'Available Task Slots');
  await shows('/job/running', 'slow-job', 'RUNNING');
  await shows(`/application/running/${jobId}`, 'slow-job');
  await shows(
    `${own}/overview`,
    'REBALANCE',
    'HASH',
    'Parallelism: 2',
    slow!.name,
    /Backpressured \(max\): [1-9]/,
  );
  await shows(`${vertex}/detail`, /Source: /);
  await shows(`${vertex}/subtasks`, 'RUNNING', 'Bytes Sent');
  await shows(`${vertex}/taskmanagers`, /^127\.0\.0\.1/);
  await shows(`${own}/overview/${slow!.id}/watermarks`, /^\d{3,}$/);
  await shows(`${vertex}/backpressure`, 'HIGH');
  await shows(`${vertex}/accumulators`, 'Vertex Accumulators');
  await shows(`${own}/timeline`, 'Vertex TimeLine');
  await shows(`${own}/exceptions`, 'fails <once>');
  await shows(`${own}/checkpoints`, 'Checkpoint Counts', /Completed: [1-9]/, 'Latest Completed Checkpoint');
  for (const [tab, text] of [
    ['History', 'COMPLETED'],
    ['Summary', 'End to End Duration'],
    ['Configuration', 'Checkpointing Mode'],
  ] as const) {
    await page.locator('flink-job-checkpoints').getByText(tab, { exact: true }).first().click();
    await page.getByText(text).filter({ visible: true }).first().waitFor();
  }
  await shows(`${own}/configuration`, 'Execution Configuration');
  await shows('/task-manager', 'taskmanager-1');
  await shows('/task-manager/taskmanager-1/metrics', 'JVM (Heap/Non-Heap) Memory', 'V8');
  await shows('/task-manager/taskmanager-1/log-list', 'millrace.log');
  await shows('/task-manager/taskmanager-1/thread-dump', 'slot 0 of job');
  await shows('/job-manager/metrics', 'JVM (Heap/Non-Heap) Memory');
  await shows('/job-manager/config', 'jobmanager.rpc.port');
  await shows('/job-manager/logs', 'a TaskManager has registered');
  await shows('/job-manager/log', 'millrace.log');

  await shows(`${own}/overview`, 'Cancel Job');
  await page.getByText('Cancel Job').click();
  await page.getByRole('button', { name: 'Yes' }).click();
  const { outcome } = await cluster.ended(jobId);
  assert.equal(outcome?.status, 'CANCELED');
  await shows('/job/completed', 'slow-job', 'CANCELED');
  assert.deepEqual(wrong, []);
});
