// Real jobs behind the real server: on each page, what a person would conclude.
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Browser, Locator, Page } from 'playwright-core';
import { cutOff, goToPane, layoutShift, openPage, seriousFindings } from './browser.ts';
import { openBrowser } from './chromium.ts';
import { type RunningJob, startJob, startJobInCluster } from './running-job.ts';

const waitMsMax = 60_000;

describe('the page of a job that runs', { concurrency: false }, () => {
  let browser: Browser;

  before(async () => {
    browser = await openBrowser();
  });
  after(() => browser?.close());

  /** Runs a job, opens its page, and hands both to the test; nothing may complain. */
  const withJob = async (
    path: string,
    words: readonly string[],
    run: (page: Page, job: RunningJob) => Promise<void>,
    start = startJob,
  ): Promise<void> => {
    const job = await start(path, words);
    const { page, complaints } = await openPage(browser, job.url);
    page.setDefaultTimeout(waitMsMax);
    try {
      await run(page, job);
      // The browser asks for the icon again with each pane, also when the job and its server are gone.
      assert.deepEqual(
        complaints.filter((text) => !text.endsWith('/icon.svg')),
        [],
      );
    } catch (error) {
      const shown = await page
        .locator('main')
        .innerText()
        .catch(() => '');
      throw new Error(`the page of ${path} showed:\n${shown}\nand the job:\n${job.output().slice(-2000)}`, {
        cause: error,
      });
    } finally {
      await page.close();
      await job.end();
    }
  };
  /** Waits until the page concludes that; the first figures of a job may not suffice for it. */
  const concludes = async (page: Page, key: string, hasText: RegExp): Promise<void> => {
    await page.locator(`[data-conclusion="${key}"]`).filter({ hasText }).first().waitFor();
  };

  it('shows of the demo what it does, which subtask is idle and why, and survives a kill', async () => {
    const words = ['-Dexecution.checkpointing.interval=1s', '--', '--speed', '40'];
    await withJob('examples/abnormal-users.ts', words, async (page) => {
      await page.getByText('The job is well').waitFor();
      const home = await page.locator('[data-part="pipeline"]').innerText();
      assert.match(home, /Reads from events with 3 subtasks/);
      assert.match(
        home,
        /Divides the records by key among 3 subtasks of abnormal-in-a-row, which keeps state/,
      );
      const cluster = (await page.locator('[data-part="cluster"]').innerText()).replaceAll('\n', ' ');
      assert.match(cluster, /TaskManagers 1 .*Slots in use 3 \/ 3/);

      // Numbers change in their place: nothing jumps while somebody reads.
      for (const pane of ['home', 'graph', 'workers']) {
        await goToPane(page, pane);
        await page.waitForTimeout(500);
        const shift = await layoutShift(page, 2500);
        assert.ok(shift < 0.03, `${pane} moves by itself: ${shift}`);
      }

      await goToPane(page, 'heat');
      await concludes(page, 'idle.no-key', /Subtask 1 of abnormal-in-a-row has received nothing/);
      await concludes(page, 'skew.found', /Subtask 2 of abnormal-in-a-row gets \d+% of all records/);

      await goToPane(page, 'workers');
      await page.locator('.slot').nth(2).waitFor();
      assert.match(
        await page.locator('.slot').nth(1).innerText(),
        /events\s*\[1\][\s\S]*abnormal-in-a-row\s*\[1\]/,
      );

      await goToPane(page, 'checkpoints');
      await page.getByText(/Checkpoint \d+ took .* answered last/).waitFor();
      const four = (await page.locator('[data-part="four-figures"]').innerText()).replaceAll('\n', ' ');
      assert.match(
        four,
        /Total \d+ .*Completed \d+ 0 failed .*Average size [\d.]+ ?K?B .*Average time [\d.]+ ?(ms|s)/,
      );

      await goToPane(page, 'alerts');
      // The oldest: newer ones come above it while it is read.
      const alert = page.locator('[data-kind="job-alert"]').last();
      assert.match(await alert.innerText(), /user\d: abnormal \d+ times in a row/);
      await alert.getByText(/What led to it: the last \d records of user\d/).click();
      assert.deepEqual(await cutOff(page), [], 'the state behind each record is in sight');
      const steps = await alert.locator('tbody tr').allInnerTexts();
      const counts = steps.map((step) => Number(/abnormal: (\d+)/.exec(step)?.[1]));
      const [told] = /(?<=abnormal )\d+/.exec(await alert.innerText())!;
      assert.equal(counts.at(-1), Number(told), 'the last record brought the count that is told');
      for (const [at, step] of steps.slice(-3).entries()) {
        assert.match(step, /record \d+ of split \d[\s\S]*"abnormal":true/, `step ${at} is an abnormal event`);
      }

      await goToPane(page, 'latency');
      await page
        .locator('[data-conclusion="latency.measured"], [data-conclusion="latency.prompt"]')
        .waitFor();
      const row = page.locator('[data-part="markers"] tbody tr');
      assert.match(await row.innerText(), /abnormal-in-a-row\s+events\s+(< 1|\d+(\.\d+)?) (ms|s)/);
      await page
        .getByText(/placed shows its results with the checkpoint behind them.* to [\d.]+ s later/)
        .waitFor();

      await goToPane(page, 'state');
      await page.getByRole('row', { name: /"user1".*key group 93, subtask 2.*abnormal: \d/ }).waitFor();
      await page
        .getByRole('row', { name: /^abnormal value 3 \d+ B \[0\] 1 · \d+ B \[1\] 0 \[2\] 2 · \d+ B$/ })
        .waitFor();

      // A checkpoint that was really taken, step by step to its end.
      await goToPane(page, 'barriers');
      await page.getByText('The JobManager sends the barrier to the sources').waitFor();
      const step = page.getByRole('button', { name: 'Next step' });
      const end = page.getByText('The checkpoint is complete');
      for (let steps = 0; steps < 40 && !(await end.isVisible()); steps += 1) await step.click();
      await page.getByText('has published it').waitFor();
      assert.equal(await page.locator('.barriers-box[data-barrier="done"]').count(), 7);

      await goToPane(page, 'metrics');
      await page.getByLabel('Name of a metric').fill('numberOfCompletedCheckpoints');
      await page.getByRole('row', { name: /^numberOfCompletedCheckpoints [1-9]\d*/ }).waitFor();

      await goToPane(page, 'config');
      const option = (key: string): Locator => page.locator('tbody tr').filter({ hasText: key }).first();
      await option('execution.checkpointing.interval').getByText('command line').waitFor();
      await option('parallelism.default').getByText('job', { exact: true }).waitFor();

      await goToPane(page, 'logs');
      await page.getByLabel('Search').fill('job');
      await page.locator('.log-text').first().waitFor();

      await goToPane(page, 'tap');
      await page.getByLabel('Behind').selectOption({ label: 'events: events' });
      await page.getByRole('button', { name: 'Watch' }).click();
      await page
        .getByText(/^\{"user":"user\d","number":\d+,"abnormal":(true|false)\}$/)
        .first()
        .waitFor();
      // What the sample looks like, and the sample as a test.
      await concludes(page, 'shape.even', /3 fields, each of one type/);
      const saving = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Save these as a test of the job' }).click();
      const saved = await saving;
      assert.equal(saved.suggestedFilename(), 'sampled.test.ts');
      assert.match(
        readFileSync(await saved.path(), 'utf8'),
        /run\.inputs\["events"\]\.push\(\.\.\.records\)/,
      );
      // Behind what hands on by key, one key of the sample.
      await page.getByLabel('Behind').selectOption({ label: 'events: Map' });
      await page.getByRole('button', { name: 'Watch' }).click();
      const keys = page.locator('[data-part="sampled-keys"] tbody tr').first();
      const key = await keys.getByRole('button').innerText();
      await keys.getByRole('button').click();
      await page.locator('[data-part="pinned"]').getByText(`Only records with the key ${key}`).waitFor();
      const shown = await page.locator('.tap-scroll tbody tr td:nth-child(5)').allInnerTexts();
      assert.ok(shown.length > 0 && shown.every((each) => each === key), shown.join());
      await page.getByRole('button', { name: 'Show all' }).click();
      await page.getByLabel('Behind').selectOption({ label: 'events: events' });
      // Another tap, with a mask: what is masked does not come to the page at all.
      await page.getByLabel('Fields to mask: email, token').fill('user');
      await page.getByRole('button', { name: 'Watch' }).click();
      await page.getByText('user1').first().waitFor({ state: 'detached' });
      await page
        .getByText(/"abnormal":/)
        .first()
        .waitFor();
      assert.doesNotMatch(await page.locator('main').innerText(), /"user\d"/);

      await goToPane(page, 'drill');
      await page.getByLabel('embedded, slot 2').check();
      await page.getByRole('button', { name: 'Kill this worker' }).click();
      await page.locator('[data-drill="COMPLETED"]').waitFor();
      const score = (await page.locator('[data-part="scorecard"]').innerText()).replaceAll('\n', ' ');
      assert.match(score, /Recovery time [\d.]+ ?(ms|s) noticed after .*Records read again \d+/);

      await goToPane(page, 'recovery');
      await concludes(page, 'recovery.caught-up', /State and positions came from checkpoint \d+/);
      await page.getByRole('link', { name: 'Open the exception' }).first().click();
      await page.locator('article[data-code="WORKER_LOST"]').waitFor();
      await goToPane(page, 'home');
      await page.getByText('It was restarted 1 time in this run').waitFor();
      assert.deepEqual(await seriousFindings(page), []);
    });
  });

  it('draws the nine slots of a cluster, and kills a worker of it', async () => {
    const words = ['-Dexecution.checkpointing.interval=1s', '--', '--speed', '40'];
    const run = async (page: Page): Promise<void> => {
      await page.getByText('The job is well').waitFor();
      const cluster = (await page.locator('[data-part="cluster"]').innerText()).replaceAll('\n', ' ');
      assert.match(cluster, /TaskManagers 3 .*Slots in use 3 \/ 9/);
      await goToPane(page, 'workers');
      await page.locator('[data-worker]').nth(2).waitFor();
      assert.equal(await page.locator('.slot').count(), 9);
      assert.equal(await page.locator('.slot[data-state="free"]').count(), 6);
      // One is emptied before it would be stopped: its tasks go to the others, and nothing fails.
      const third = page.locator('[data-worker="taskmanager-3"]');
      await third.getByRole('button', { name: 'Drain' }).click();
      await third.getByRole('button', { name: 'Really drain?' }).click();
      await third.getByText('drained', { exact: true }).waitFor();
      assert.equal(await third.locator('.slot[data-state="free"]').count(), 3);
      await page.locator('.slot[data-state="busy"]').nth(2).waitFor();
      assert.deepEqual(await seriousFindings(page), []);
      await goToPane(page, 'exceptions');
      await page.getByText('No failure so far').waitFor();
      await goToPane(page, 'workers');
      await third.getByRole('button', { name: 'Use it again' }).click();
      await third.getByRole('button', { name: 'Drain' }).waitFor();

      await goToPane(page, 'drill');
      await page.getByText(/would continue from checkpoint \d+/).waitFor();
      await page.getByLabel('taskmanager-2').check();
      await page.getByRole('button', { name: 'Kill this worker' }).click();
      await page.locator('[data-drill="COMPLETED"]').waitFor();
      await goToPane(page, 'recovery');
      await concludes(page, 'recovery.caught-up', /came from checkpoint \d+/);
    };
    await withJob('examples/abnormal-users.ts', words, run, startJobInCluster);
  });

  it('starts a job whose bundle somebody with the token chooses', async () => {
    const bundle = `import { job } from 'millrace';
      export default job((env, args) => {
        env.fromSequence(1, args.number('to')).map((n) => n * n).print('SQUARE');
      });`;
    const run = async (page: Page, { token }: RunningJob): Promise<void> => {
      const card = page.locator('[data-part="submit"]');
      await card.getByText('Start a job').click();
      const start = card.getByRole('button', { name: 'Start it' });
      assert.ok(await start.isDisabled(), 'there is nothing to start yet');
      await card.getByLabel('Bundle').setInputFiles({
        name: 'counted.mjs',
        mimeType: 'text/javascript',
        buffer: Buffer.from(bundle),
      });
      await card.getByLabel('Arguments').fill('--to 5');
      await card.getByLabel('Parallelism').fill('2');
      await card.getByLabel('Token').fill(readFileSync(token!, 'utf8').trim());
      await start.click();
      await card.getByText('it is started').waitFor();
      await page.getByRole('row', { name: /counted FINISHED/ }).waitFor();
      const { files } = (await (await fetch(new URL('v1/jars', page.url()))).json()) as { files: unknown[] };
      assert.deepEqual(files, [], 'what was uploaded is not kept');
    };
    await withJob('test/jobs/visits.ts', [], run, startJobInCluster);
  });

  it('reads and changes what a key holds in another process of a cluster, while the job runs', async () => {
    const run = async (page: Page): Promise<void> => {
      await goToPane(page, 'state');
      const keys = page.locator('[data-part="keys"]');
      await keys.getByRole('button', { name: '"user1"' }).click();
      const live = page.locator('[data-part="live-state"]');
      const visits = live.locator('[data-state="visits"] td').first();
      const first = Number(await visits.innerText());
      await page
        .locator('[data-part="key-lens"]')
        .getByText(/which runs on taskmanager-\d, slot \d/)
        .waitFor();
      await live.getByRole('button', { name: 'Edit limit' }).click();
      await live.getByLabel('New value of limit, as JSON').fill('7');
      await live.getByRole('button', { name: 'Write' }).click();
      await live.getByRole('button', { name: 'Really write?' }).click();
      await live.locator('[data-state="limit"]').getByText('7', { exact: true }).waitFor();
      // The checkpoint that the change has asked for has it, and the task has gone on meanwhile.
      await page.getByRole('row', { name: /"user1".*limit: 7/ }).waitFor();
      const now = Number(await visits.innerText());
      assert.ok(now > first, `${now} visits after ${first}`);
      // The process that holds the key dies: what was written comes back with the checkpoint.
      const way = await page.locator('[data-part="key-lens"]').innerText();
      const [worker] = /taskmanager-\d/.exec(way)!;
      await goToPane(page, 'drill');
      await page.getByLabel(worker).check();
      await page.getByRole('button', { name: 'Kill this worker' }).click();
      await page.locator('[data-drill="COMPLETED"]').waitFor();
      await goToPane(page, 'state');
      await keys.getByRole('button', { name: '"user1"' }).click();
      await live.locator('[data-state="limit"]').getByText('7', { exact: true }).waitFor();
      await goToPane(page, 'logs');
      await page.getByText('state was changed by hand').first().waitFor();
    };
    await withJob('test/jobs/visits.ts', [], run, startJobInCluster);
  });

  it('names the slow sink, not those who wait for it', async () => {
    await withJob('test/jobs/slow-sink.ts', [], async (page) => {
      await goToPane(page, 'graph');
      await concludes(
        page,
        'culprit.slow-sink',
        /slow-database is the bottleneck: its sink is slow, subtask \d waits for it (5[1-9]|[6-9]\d|100)% of the time/,
      );
      await concludes(
        page,
        'culprit.slow-sink',
        /Waiting for it, not slow themselves: (priced, orders|priced|orders)/,
      );
      await page.locator('.vertex[data-vertex="slow-database"][data-culprit="true"]').waitFor();
      await page.locator('.vertex[data-vertex="priced"][data-culprit="false"]').waitFor();
    });
  });

  it('names the subtask with the hot key', async () => {
    await withJob('test/jobs/hot-key.ts', [], async (page) => {
      await goToPane(page, 'graph');
      await concludes(
        page,
        'culprit.hot-key',
        /clicks-of-user is the bottleneck because of a hot key: subtask \d works \d+% of the time/,
      );
      await goToPane(page, 'heat');
      await concludes(page, 'skew.found', /gets [5-9]\d% of all records; an even part would be 33%/);
      await goToPane(page, 'state');
      await page.getByRole('button', { name: 'Count keys for 5 s' }).click();
      await concludes(
        page,
        'hot-keys.hot',
        /A hot key: 90% of the [\d,.]+ records that came to clicks-of-user in 5 s have the key "everybody"/,
      );
    });
  });

  it('names the split that holds event time back', async () => {
    await withJob('test/jobs/stuck-watermark.ts', [], async (page) => {
      await goToPane(page, 'event-time');
      await concludes(
        page,
        'watermark.stuck',
        /Event time has been standing still for .*: split 2 of sensors \(subtask 2\) holds all others back/,
      );
      await page.getByRole('row', { name: /sensors\[2\] split 2.*the others wait for it/ }).waitFor();
    });
  });

  it('counts a failure that comes again as one, with its place and what followed', async () => {
    const words = ['-Drestart-strategy.type=fixed-delay', '-Drestart-strategy.fixed-delay.attempts=100'];
    await withJob(
      'test/jobs/failing.ts',
      [...words, '-Drestart-strategy.fixed-delay.delay=200ms'],
      async (page) => {
        await goToPane(page, 'exceptions');
        const group = page.locator('article').first();
        await group.getByText(/^([2-9]|\d\d) times$/).waitFor();
        for (const told of [/has no price/, /subtask \d, slot \d/, /restart in 200 ms/])
          await group.getByText(told).first().waitFor();
        assert.equal(await page.locator('article').count(), 1);
      },
    );
  });

  it('changes what a key holds while the job runs, and shows the time that it has left', async () => {
    await withJob('test/jobs/visits.ts', [], async (page) => {
      await goToPane(page, 'state');
      await page.locator('[data-part="keys"]').getByRole('button', { name: '"user1"' }).click();
      const live = page.locator('[data-part="live-state"]');
      await live
        .locator('[data-state="devices"]')
        .getByText(/59 min|60 min|1 ?h left/)
        .waitFor();
      await live.getByRole('button', { name: 'Edit limit' }).click();
      await live.getByLabel('New value of limit, as JSON').fill('7');
      await live.getByRole('button', { name: 'Write' }).click();
      await live.getByRole('button', { name: 'Really write?' }).click();
      const limit = live.locator('[data-state="limit"]');
      await limit.getByText('7', { exact: true }).waitFor();
      // The checkpoint that the change has asked for shows it too.
      await page.getByRole('row', { name: /"user1".*limit: 7/ }).waitFor();
      await limit.getByRole('button', { name: 'Delete' }).click();
      await limit.getByRole('button', { name: 'Really delete?' }).click();
      await limit.getByText('nothing kept: this is what a function reads').waitFor();
      await goToPane(page, 'logs');
      await page.getByText('state was changed by hand').first().waitFor();
      await goToPane(page, 'drill');
      await page.getByRole('button', { name: 'Drop a checkpoint', exact: true }).click();
      await page.getByRole('button', { name: 'Drop a checkpoint now' }).click();
      await concludes(page, 'drill.dropped.restarted', /the job was restarted. Checkpoint \d+ was the next/);
      assert.deepEqual(await seriousFindings(page), []);
    });
  });

  it('draws what a task computes, and names the function that takes the time', async () => {
    await withJob('test/jobs/hot-key.ts', [], async (page) => {
      await goToPane(page, 'profile');
      await page.getByText('No profile yet').waitFor();
      await page.getByLabel('Operator').selectOption('clicks-of-user');
      await page.getByRole('button', { name: 'Take a profile' }).click();
      await concludes(
        page,
        'profile.hottest',
        /went to (process|score) \(hot-key\.ts:\d+\) with what it calls/,
      );
      await page
        .locator('.frame[data-origin="job"]', { hasText: /(process|score) \(hot-key\.ts/ })
        .first()
        .waitFor();
      await page.getByRole('button', { name: 'Sample allocations' }).click();
      await concludes(
        page,
        'heap-profile.most',
        /The thread allocated [\d.]+ [KM]?B a second, \d+% of it in .+/,
      );
      const [file] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: /\.heapprofile/ }).click(),
      ]);
      assert.match(file.suggestedFilename(), /^slot-\d-\d+\.heapprofile$/);
      assert.deepEqual(await seriousFindings(page), []);
    });
  });

  it('says how much is left to read, and when the source has caught up', async () => {
    await withJob('examples/abnormal-logins.ts', ['--', '--rate', '100'], async (page) => {
      await goToPane(page, 'backlog');
      await concludes(
        page,
        'backlog.falling',
        /has [\d.]+ [KM]?B still to read, [\d.]+ [KM]?B less each second: it has caught up in [\d.]+ (s|min)/,
      );
      assert.deepEqual(await seriousFindings(page), []);
    });
  });

  it('shows how late records come, and the final state after the end', async () => {
    await withJob('examples/abnormal-logins.ts', ['--', '--rate', '1000'], async (page, { process }) => {
      await goToPane(page, 'event-time');
      const whatIf = page.locator('[data-part="what-if"]');
      await whatIf.getByText('How late records come: Timestamps/Watermarks').waitFor();
      await concludes(page, 'what-if.suggestion', /A bound of .* would be enough/);
      await process?.ended;
      await page.getByText('■ ended: final state').waitFor();
      await goToPane(page, 'home');
      await page.getByText('has read all its input and has finished').waitFor();
      await goToPane(page, 'checkpoints');
      await page.getByText('final', { exact: true }).first().waitFor();
    });
  });
});
