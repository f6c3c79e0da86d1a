// The built page against messages that are written down: every pane in both languages, at both widths, by keyboard.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { cutOff, goToPane, openPage, seriousFindings, unreachedByTab, type View } from './browser.ts';
import { openBrowser } from './chromium.ts';
import { answers } from './scripted-answers.ts';
import type {
  Drill,
  DrillRequest,
  ExceptionMessage,
  HistoryAnswer,
  HistoryPoint,
  HotKeys,
  LogLine,
  StateEntry,
} from '../../../src/rest/contract.ts';
import { checkpoint, demo, description, figures, hello, jobId, raised, startedAt } from './scripted-job.ts';
import { ScriptedServer } from './scripted-server.ts';

const here = dirname(fileURLToPath(import.meta.url));
const built = join(here, '../../../dist/dashboard');
/** Every pane there is, whatever the navigation shows. */
const allPanes = [
  ...new Set(
    [...readFileSync(join(here, '../src/panes.ts'), 'utf8').matchAll(/path: '([\w-]+)'/g)].map(
      ([, path]) => path!,
    ),
  ),
];

describe('the page', () => {
  const server = new ScriptedServer(built);
  let url: string;
  let browser: Browser;
  const pages: Page[] = [];

  before(async () => {
    url = await server.listen();
    browser = await openBrowser();
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close();
  });
  after(async () => {
    await browser?.close();
    await server.close();
  });

  const open = async (view: View = {}, hash = ''): Promise<{ page: Page; complaints: string[] }> => {
    const opened = await openPage(browser, `${url}/${hash}`, view);
    pages.push(opened.page);
    await opened.page.locator('main h1').waitFor();
    return opened;
  };
  const panesOf = (page: Page): Promise<string[]> =>
    page
      .locator('nav a')
      .evaluateAll((links) => links.map((link) => (link.getAttribute('href') ?? '').replace('#/', '')));

  for (const view of [
    { language: 'en', scheme: 'light', width: 1280 },
    { language: 'ko', scheme: 'dark', width: 1280 },
    { language: 'ko', scheme: 'light', width: 390 },
  ] as const) {
    const name = `${view.language}, ${view.scheme}, ${view.width} px`;
    it(`shows every pane without an error, an overflow or a serious finding (${name})`, async () => {
      server.script(demo(), answers);
      const { page, complaints } = await open(view);
      await page.getByText('RUNNING').first().waitFor();
      const panes = await panesOf(page);
      assert.deepEqual(panes, allPanes);
      for (const pane of panes) {
        await goToPane(page, pane);
        // The second look is at what was asked for, too.
        const serious = await seriousFindings(page);
        const told = { pane, complaints, serious, cut: await cutOff(page) };
        assert.deepEqual(told, { pane, complaints: [], serious: [], cut: [] });
      }
    });
  }

  it('can be used by keyboard in every pane: each control has its turn, and shows that it has', async () => {
    server.script(demo(), answers);
    const { page } = await open();
    await page.getByText('RUNNING').first().waitFor();
    for (const pane of allPanes) {
      await goToPane(page, pane);
      await page.waitForLoadState('load');
      assert.deepEqual({ pane, unreached: await unreachedByTab(page) }, { pane, unreached: [] });
    }
  });

  it('teaches in every pane what would be there before a job is', async () => {
    server.script(demo().slice(0, 1), { 'GET /v1/x/alerts/rules': answers['GET /v1/x/alerts/rules'] });
    const { page, complaints } = await open();
    for (const pane of allPanes) {
      await goToPane(page, pane);
      const text = await page.locator('main').innerText();
      assert.ok(text.length > 120, `${pane} says too little: ${text}`);
    }
    assert.deepEqual(complaints, []);
  });

  it('names the idle subtask of the demo and why, and the four figures of its checkpoints', async () => {
    server.script(demo());
    const { page } = await open({}, '#/heat');
    const idle = page.locator('[data-conclusion="idle.no-key"]');
    await idle.waitFor();
    assert.match(await idle.innerText(), /Subtask 1 of abnormal-in-a-row has received nothing/);
    await goToPane(page, 'checkpoints');
    const four = await page.locator('[data-part="four-figures"]').innerText();
    assert.match(
      four.replaceAll('\n', ' '),
      /Total 165 .*Completed 165 .*Average size 6 ?KB .*Average time 61 ?ms/,
    );
  });

  it('speaks the language that is chosen, and keeps it', async () => {
    server.script(demo());
    const { page } = await open();
    await page.getByLabel('Language').selectOption('ko');
    await page.getByRole('heading', { name: '개요' }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'ko');
    await page.reload();
    await page.getByRole('heading', { name: '개요' }).waitFor();
  });

  it('changes numbers in their place when new figures come', async () => {
    server.script(demo());
    const { page } = await open();
    const total = page.locator('[data-part="four-figures"] dd').first();
    await goToPane(page, 'checkpoints');
    await total.getByText('165').waitFor();
    const before = await page.locator('main').boundingBox();
    const { checkpoints } = figures();
    server.send({ name: 'figures', data: figures({ checkpoints: { ...checkpoints, total: 166 } }) });
    await total.getByText('166').waitFor();
    assert.deepEqual(await page.locator('main').boundingBox(), before);
  });

  it('says that the connection is lost, and goes on when it is back', async () => {
    server.script(demo());
    const { page } = await open();
    await page.getByText('● live').waitFor();
    server.cut();
    await page.getByText('connection lost').waitFor();
    assert.match(await page.locator('main').innerText(), /What this job does/);
    await page.getByText('● live').waitFor();
  });

  it('shows the final state after the end, and does not ask again', async () => {
    server.script([
      ...demo(),
      { name: 'figures', data: figures({ state: 'FINISHED' }) },
      { name: 'bye', data: { reason: 'shutting-down', final: true } },
    ]);
    const { page } = await open();
    await page.getByText('■ ended: final state').waitFor();
    await page.getByText('has read all its input and has finished').waitFor();
  });

  it('names the culprit and frames it, and marks those who wait as victims', async () => {
    const culprit = { vertex: 1, subtask: 2, why: 'slow-sink', busyShare: 0.98, victims: [0] } as const;
    server.script(demo([{ name: 'figures', data: figures({ culprit }) }]));
    const { page } = await open({}, '#/graph');
    await page.locator('.vertex[data-vertex="abnormal-in-a-row"][data-culprit="true"]').waitFor();
    await page.locator('.vertex[data-vertex="events"][data-victim="true"]').waitFor();
    assert.match(
      await page.locator('[data-conclusion="culprit.slow-sink"]').innerText(),
      /abnormal-in-a-row is the bottleneck: its sink is slow/,
    );
  });

  it('leads from an alert to the checkpoint that it is about', async () => {
    const nothing = { vertex: null, subtask: null, vertexName: null, workerId: null, slot: null };
    const evidence = {
      ...nothing,
      checkpointId: 120,
      exceptionId: null,
      attempt: null,
      value: null,
      limit: null,
      trail: null,
    };
    const failed = checkpoint(120, { status: 'FAILED', failure: 'the disk is full', subtasks: [] });
    server.script(
      demo([
        {
          name: 'alert',
          data: {
            alertId: 1,
            jobId,
            kind: 'checkpoint-failed',
            severity: 'warning',
            at: Date.now(),
            resolvedAt: null,
            message: 'the disk is full',
            evidence,
          },
        },
      ]),
      { ...answers, [`GET /v1/x/jobs/${jobId}/checkpoints/120`]: failed },
    );
    const { page } = await open({}, '#/alerts');
    await page.getByRole('link', { name: 'Show the evidence' }).click();
    await page.getByRole('heading', { name: 'Checkpoint 120' }).waitFor();
    await page.getByText('Checkpoint 120 failed: the disk is full').waitFor();
  });

  it('opens an alert of the job to the records and the state that led to it', async () => {
    server.script(demo([{ name: 'alert', data: raised }]), answers);
    const { page } = await open({}, '#/alerts');
    const alert = page.locator('[data-kind="job-alert"]');
    await alert.getByText('user3: abnormal 3 times in a row').waitFor();
    await alert.getByText('What led to it: the last 4 records of user3').focus();
    await page.keyboard.press('Enter');
    const rows = await alert.locator('tbody tr').allInnerTexts();
    assert.deepEqual(
      rows.map((row) => [/user3:\d+/.exec(row)?.[0], /abnormal: \d/.exec(row)?.[0]]),
      [
        ['user3:41', 'abnormal: 0'],
        ['user3:42', 'abnormal: 1'],
        ['user3:43', 'abnormal: 2'],
        ['user3:44', 'abnormal: 3'],
      ],
    );
    assert.deepEqual(await seriousFindings(page), []);
    await page.getByRole('combobox', { name: /^Which/ }).selectOption('Of the system');
    await page.getByText('None of this kind').waitFor();
    await page.getByRole('combobox', { name: /^Which/ }).selectOption('All');
    await alert.getByText('What led to it').click();
    await page.getByRole('link', { name: 'Its state now' }).click();
    await page.locator('[data-part="keys"] input[type="search"]').waitFor();
    assert.equal(await page.locator('[data-part="keys"] input[type="search"]').inputValue(), 'user3');
  });

  it('shows a flame graph below the frame that is chosen by keyboard, and asks for one of the chosen task', async () => {
    server.script(demo(), answers);
    const { page } = await open({}, '#/profile');
    const told = page.locator('[data-conclusion="profile.hottest"]');
    await told.waitFor();
    assert.match(
      await told.innerText(),
      /events computed in 33% of the time of its busiest thread, and 67% of all that it computed went to score \(job\.ts:12\)/,
    );
    const frame = page.getByRole('button', { name: 'score (job.ts:12): 67%' });
    const before = (await frame.boundingBox())!.width;
    await frame.focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      (width) =>
        document.querySelector('.frame[data-origin="job"]')!.getBoundingClientRect().width > width + 50,
      before,
    );
    await page.getByLabel('Subtask').selectOption('1');
    await page.getByText('No profile yet').waitFor();
    await page.getByRole('button', { name: 'Take a profile' }).click();
    const asked = `POST /v1/x/jobs/${jobId}/vertices/${'0'.repeat(32)}/flamegraph`;
    await page.waitForTimeout(0);
    while (!server.asked.includes(asked)) await page.waitForTimeout(50);
    assert.deepEqual(server.bodies.find((each) => each.asked === asked)?.body, { durationMs: 2000 });
  });

  it('chooses an operator of the graph by keyboard', async () => {
    server.script(demo());
    const { page } = await open({}, '#/graph');
    await page.locator('[data-part="vertex-detail"] h2', { hasText: 'abnormal-in-a-row' }).waitFor();
    await page.locator('.react-flow__node[data-id="0"]').focus();
    await page.keyboard.press('Enter');
    await page.locator('[data-part="vertex-detail"] h2', { hasText: 'events' }).waitFor();
  });

  it('opens a chain to its operators by keyboard, and gives the graph as a picture of its own', async () => {
    server.script(demo());
    const { page, complaints } = await open({}, '#/graph');
    const vertex = page.locator('.vertex[data-vertex="abnormal-in-a-row"]');
    const before = (await vertex.boundingBox())!.height;
    await page.getByRole('button', { name: 'Open the chain of abnormal-in-a-row' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Close the chain of abnormal-in-a-row' }).waitFor();
    const operators = await vertex.locator('.vertex-operators li').allInnerTexts();
    assert.deepEqual(
      operators.map((text) => text.split('\n')[0]),
      description.vertices[1]!.operators.map(({ uid }) => uid),
    );
    assert.ok((await vertex.boundingBox())!.height > before, 'the vertex has room for them');
    assert.deepEqual(
      { serious: await seriousFindings(page), cut: await cutOff(page) },
      { serious: [], cut: [] },
    );
    const coming = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download as SVG' }).click();
    const file = await coming;
    assert.equal(file.suggestedFilename(), 'millrace-graph.svg');
    const svg = readFileSync(await file.path(), 'utf8');
    const { isImage, texts } = await page.evaluate((text) => {
      const parsed = new DOMParser().parseFromString(text, 'image/svg+xml');
      const isImage =
        parsed.querySelector('parsererror') === null && parsed.documentElement.nodeName === 'svg';
      return { isImage, texts: [...parsed.querySelectorAll('text')].map(({ textContent }) => textContent) };
    }, svg);
    assert.ok(isImage, svg.slice(0, 300));
    for (const told of ['events', 'abnormal-in-a-row', 'hash', '×3']) assert.ok(texts.includes(told), told);
    assert.ok(texts.includes('placed'), 'an opened chain is opened in the picture too');
    await page.getByRole('button', { name: 'Close all chains' }).click();
    await vertex.locator('.vertex-operators').waitFor({ state: 'detached' });
    assert.deepEqual(complaints, []);
  });

  it('mutes a failure that is known, which then counts no more, also after a reload', async () => {
    const failure = (exceptionId: number, message: string): ExceptionMessage => ({
      ...{
        exceptionId,
        jobId,
        at: startedAt + exceptionId * 1000,
        attempt: 1,
        code: 'OPERATOR_FAILED',
        message,
      },
      ...{ stack: 'Error', remedy: '', task: null, taskName: null, workerId: null, slot: null },
      ...{ consequence: 'restart in 1 s', group: message },
    });
    const entries = [failure(1, 'known'), failure(2, 'new'), failure(3, 'known')];
    server.script(demo([{ name: 'exceptions', data: { jobId, entries } }]), answers);
    const { page } = await open({}, '#/exceptions');
    const count = page.locator('nav a[href="#/exceptions"] .badge');
    await count.getByText('3', { exact: true }).waitFor();
    await page.locator('article', { hasText: 'known' }).getByRole('button', { name: 'Mute' }).click();
    await count.getByText('1', { exact: true }).waitFor();
    await page.reload();
    await count.getByText('1', { exact: true }).waitFor();
    assert.equal(await page.locator('article:visible').count(), 1);
    await page.getByText('Muted (1)').click();
    const muted = page.locator('[data-part="muted"] article');
    assert.match(await muted.innerText(), /known[\s\S]*/);
    assert.match(await muted.innerText(), /2 times/);
    await muted.getByRole('button', { name: 'Unmute' }).click();
    await count.getByText('3', { exact: true }).waitFor();
  });

  it('tells of records that were given up, whose dead letters nobody reads', async () => {
    const [source, process] = description.vertices;
    const [first, ...rest] = process!.operators;
    const operators = [{ ...first!, onError: 'dead-letter' } as const, ...rest];
    const plan = { ...description, vertices: [source!, { ...process!, operators }] };
    const given = figures({ counters: { recordsGivenUp: 4 } });
    server.script(
      demo([
        { name: 'job', data: plan },
        { name: 'figures', data: given },
      ]),
      answers,
    );
    const { page } = await open({}, '#/exceptions');
    assert.match(
      await page.locator('[data-conclusion="given-up.lost"]').innerText(),
      /4 records were given up in this run, and not all of them are read by anybody/,
    );
    await page
      .getByRole('row', { name: /abnormal-in-a-row it becomes a dead letter nobody: use the side output/ })
      .waitFor();
    assert.deepEqual(await seriousFindings(page), []);
    await page.getByRole('link', { name: 'Each with its error, in the log' }).click();
    await page.locator('main[data-pane="logs"]').waitFor();
    assert.equal(await page.locator('main input[type="search"]').inputValue(), 'a record was given up');
  });

  it('goes through the strip of checkpoints by keyboard', async () => {
    server.script(demo(), { [`GET /v1/x/jobs/${jobId}/checkpoints/163`]: checkpoint(163) });
    const { page } = await open({}, '#/checkpoints');
    const strip = page.getByRole('slider');
    await strip.focus();
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    assert.match((await strip.getAttribute('aria-valuetext')) ?? '', /^#163: ✓ completed/);
    await page.getByRole('heading', { name: 'Checkpoint 163' }).waitFor();
    await page.getByText('Checkpoint 163 took').waitFor();
  });

  it('says why an action was refused', async () => {
    server.script(demo());
    const { page } = await open({}, '#/checkpoints');
    await page.getByRole('button', { name: 'Take one now' }).click();
    await page.getByText(/Refused: nothing at/).waitFor();
    assert.ok(server.asked.includes(`POST /v1/jobs/${jobId}/checkpoints`));
  });

  it('plays a checkpoint step by step', async () => {
    server.script(demo(), answers);
    const { page } = await open({}, '#/barriers');
    await page.getByText('The JobManager sends the barrier to the sources').waitFor();
    const step = page.getByRole('button', { name: 'Next step' });
    await step.click();
    await page.getByText(/snapshot; 0 of 6 have answered/).waitFor();
    while (!(await page.getByText('The checkpoint is complete').isVisible())) await step.click();
    await page.getByText('has published it').waitFor();
    assert.equal(await page.locator('.barriers-box[data-barrier="done"]').count(), 7);
  });

  it('plays each checkpoint as it comes, when it is to follow', async () => {
    server.script(demo(), answers);
    const { page } = await open({}, '#/barriers');
    await page.getByRole('button', { name: 'Live: play each as it comes' }).click();
    await page.getByText('waiting for the next checkpoint').waitFor();
    server.send({ name: 'checkpoint', data: checkpoint(166) });
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    assert.equal(await page.getByLabel('Which checkpoint').inputValue(), '166');
  });

  it('filters the log by worker, task, level and text', async () => {
    const line = (logId: number, more: Partial<LogLine>): LogLine => ({
      ...{ logId, at: startedAt, level: 'info', message: `line ${logId}`, jobId, vertex: null, uid: null },
      ...{ subtask: null, attempt: 1, slot: null, workerId: null, code: null, fields: {} },
      ...more,
    });
    const entries = [
      line(1, { workerId: 'local', slot: 0, vertex: 'Source: generator', uid: 'events', subtask: 0 }),
      line(2, { workerId: 'local', slot: 1, level: 'error', code: 'OPERATOR_FAILED' }),
      line(3, {}),
    ];
    server.script(demo([{ name: 'logs', data: { entries } }]), answers);
    const { page } = await open({}, '#/logs');
    const shown = async (): Promise<string[]> => {
      const texts = await page.locator('.log-text').allInnerTexts();
      return texts.map((text) => /line \d/.exec(text)?.[0] ?? text);
    };
    await page.getByText('line 3').waitFor();
    await page.getByLabel('Worker').selectOption('local, slot 2');
    assert.deepEqual(await shown(), ['line 2']);
    await page.getByLabel('Worker').selectOption('');
    await page.getByLabel('Task').selectOption('Source: generator');
    assert.deepEqual(await shown(), ['line 1']);
    await page.getByLabel('Task').selectOption('');
    await page.getByLabel('Level').selectOption('error');
    assert.deepEqual(await shown(), ['line 2']);
    await page.getByLabel('Level').selectOption('debug');
    await page.getByLabel('Search').fill('operator_failed');
    assert.deepEqual(await shown(), ['line 2']);
  });

  it('asks for a drill by worker and slot, and shows its scorecard', async () => {
    server.script(demo(), { ...answers, [`POST /v1/x/jobs/${jobId}/drills`]: {} });
    const { page } = await open({}, '#/drill');
    await page.getByLabel('local, slot 3').check();
    await page.getByRole('button', { name: 'Kill this worker' }).click();
    await page.getByText('Begun: watch below').waitFor();
    const killed = { kind: 'kill-worker', workerId: 'local', slot: 2 };
    assert.deepEqual(server.bodies.at(-1), { asked: `POST /v1/x/jobs/${jobId}/drills`, body: killed });
    const score = await page.locator('[data-part="scorecard"]').innerText();
    assert.match(
      score.replaceAll('\n', ' '),
      /Recovery time 430 ?ms .*read again 7 .*Duplicates none .*Loss none/,
    );
  });

  it('offers each drill with what it can be done to, and says what came of a slow sink and a lost checkpoint', async () => {
    const nothing = { workerId: null, slot: null, scorecard: null, checkpoint: null, load: null };
    const known = { drillId: 'd', jobId, startedAt, attempt: null, status: 'COMPLETED', ...nothing };
    const entries: readonly Drill[] = [
      {
        ...known,
        ...{ kind: 'slow-sink', vertex: 1, subtask: null, status: 'COMPLETED' },
        load: {
          ...{ recordMs: 50, forMs: 20_000, readPerSecondBefore: 1000, readPerSecondLeast: 40 },
          ...{ namedAfterMs: 1500, namedAs: 'slow-sink', relievedAfterMs: 3000, isRestarted: false },
        },
      },
      {
        ...known,
        ...{ drillId: 'e', kind: 'drop-checkpoint', vertex: 1, subtask: 0, status: 'COMPLETED' },
        checkpoint: {
          ...{ checkpointId: 9, failure: 'dropped', isRestarted: false },
          ...{ nextCheckpointId: 10, exposedMs: 2700 },
        },
      },
    ];
    server.script(demo(), {
      ...answers,
      [`GET /v1/x/jobs/${jobId}/drills`]: { entries },
      [`POST /v1/x/jobs/${jobId}/drills`]: {},
    });
    const { page, complaints } = await open({}, '#/drill');
    assert.match(
      await page.locator('[data-conclusion="drill.load.slowed"]').innerText(),
      /abnormal-in-a-row was named as the bottleneck after 1\.5 ?s, and the sources read 96% less at the worst[\s\S]*3(\.0)? ?s after its end nobody waited/,
    );
    assert.match(
      await page.locator('[data-conclusion="drill.dropped.borne"]').innerText(),
      /checkpoint 10 closed the gap/,
    );
    const load = (await page.locator('[data-part="load"]').innerText()).replaceAll('\n', ' ');
    assert.match(
      load,
      /Read before 1 ?krecords\/s .*Read at the least 40 ?records\/s .*Named after 1\.5 ?s as a slow sink/,
    );
    const asked = `POST /v1/x/jobs/${jobId}/drills`;
    const does = async (kind: string, press: string, body: DrillRequest, target?: string): Promise<void> => {
      await page.getByRole('button', { name: kind, exact: true }).click();
      if (target !== undefined) await page.getByLabel(target).check();
      await page.getByRole('button', { name: press }).click();
      await page.getByText('Begun: watch below').waitFor();
      assert.deepEqual(server.bodies.at(-1), { asked, body });
    };
    const slow = { recordMs: 50, forMs: 20_000 };
    await does('Drop a checkpoint', 'Drop a checkpoint now', { kind: 'drop-checkpoint' });
    await does('Slow a sink', 'Slow this sink', { kind: 'slow-sink', vertex: 1, ...slow });
    const skewed = { kind: 'skewed-keys', vertex: 1, subtask: 1, ...slow } as const;
    await does('Skew the keys', 'Skew to this subtask', skewed, 'abnormal-in-a-row[1]');
    const failed = { kind: 'fail-task', vertex: 0, subtask: 2 } as const;
    await does('Fail a task', 'Make this task fail', failed, 'events[2]');
    assert.deepEqual({ complaints, serious: await seriousFindings(page) }, { complaints: [], serious: [] });
  });

  it('writes and deletes what a key holds only when asked twice, and says why a value is refused', async () => {
    server.script(demo(), answers);
    const { page } = await open({}, '#/state?key=user3');
    const live = page.locator('[data-part="live-state"]');
    const devices = live.locator('[data-state="devices"]');
    await devices.getByText('58 min left').or(devices.getByText('57 min')).first().waitFor();
    await live.locator('[data-state="mean"]').getByText('an accumulator: it can only be deleted').waitFor();
    await live.locator('[data-state="abnormal"]').getByText('kept until it is removed').waitFor();
    await live.getByRole('button', { name: 'Edit abnormal' }).click();
    const field = live.getByLabel('New value of abnormal, as JSON');
    assert.equal(await field.inputValue(), '3');
    const asked = `POST /v1/x/jobs/${jobId}/state/abnormal-in-a-row/live`;
    const write = async (text: string): Promise<void> => {
      await field.fill(text);
      await live.getByRole('button', { name: 'Write' }).click();
      await live.getByRole('button', { name: 'Really write?' }).click();
    };
    await write('three');
    await live.getByText('this is no JSON; texts need quotes').waitFor();
    assert.ok(!server.asked.includes(asked), 'what is no JSON is not sent');
    await write('0');
    await live.getByText(/Refused: nothing at/).waitFor();
    assert.deepEqual(await seriousFindings(page), []);
    const body = { kind: 'write', value: 0, key: 'user3', state: 'abnormal' };
    assert.deepEqual(server.bodies.at(-1), { asked, body });
    server.script(demo(), { ...answers, [asked]: {} });
    await write('1');
    await live.getByRole('button', { name: 'Edit abnormal' }).waitFor();
    const remove = live.locator('[data-state="mean"]');
    await remove.getByRole('button', { name: 'Delete' }).click();
    const removed = page.waitForResponse(
      (response) => response.request().postData()?.includes('remove') === true,
    );
    await remove.getByRole('button', { name: 'Really delete?' }).click();
    await removed;
    await remove.getByRole('button', { name: 'Delete' }).waitFor();
    assert.deepEqual(server.bodies.at(-1), { asked, body: { kind: 'remove', key: 'user3', state: 'mean' } });
  });

  it('hides what the server cannot do', async () => {
    const features = { ...hello.features, tap: false, stateBrowser: false };
    server.script([{ name: 'hello', data: { ...hello, features } }, ...demo().slice(1)], answers);
    const { page } = await open();
    await page.getByText('RUNNING').first().waitFor();
    const panes = await panesOf(page);
    assert.ok(!panes.includes('tap') && !panes.includes('state'), panes.join());
  });

  it('taps only while the pane is open, and shows what comes', async () => {
    const tap = { tapId: 't1', jobId, vertex: 1, operator: 0, perSecond: 10, startedAt: 0, endsAt: 0 };
    server.script(demo(), {
      ...answers,
      [`POST /v1/x/jobs/${jobId}/taps`]: tap,
      [`DELETE /v1/x/jobs/${jobId}/taps/t1`]: {},
    });
    const { page } = await open({}, '#/tap');
    await page.getByLabel('Behind').selectOption('1/0');
    await page.getByLabel('Fields to mask: email, token').fill('name, token');
    await page.getByRole('button', { name: 'Watch' }).click();
    await page.getByText('Waiting for the first record').waitFor();
    assert.deepEqual(server.bodies.at(-1)?.body, {
      vertex: 1,
      operator: 0,
      perSecond: 10,
      mask: ['name', 'token'],
    });
    const record = { vertex: 1, operator: 0, subtask: 2, at: Date.now(), isCut: false };
    const late = {
      ...record,
      timestamp: 1000,
      watermark: 61_000,
      value: { user: 'user1' },
      keyText: '"user1"',
    };
    server.send({ name: 'sample', data: { tapId: 't1', jobId, records: [late] } });
    await page.getByText('{"user":"user1"}').waitFor();
    await page.getByText('late by 1 min').waitFor();
    await goToPane(page, 'home');
    await page.waitForTimeout(100);
    assert.ok(server.asked.includes(`DELETE /v1/x/jobs/${jobId}/taps/t1`), server.asked.join());
  });

  it('shows every metric, also when their names are more than fits into one address', async () => {
    server.script(demo(), answers);
    const { page, complaints } = await open({}, '#/metrics');
    await page.getByRole('row', { name: /numRestarts 0/ }).waitFor();
    await page.getByRole('row', { name: /operator_subtask_index\.299\.latency_p99 4/ }).waitFor();
    assert.deepEqual(complaints, []);
  });

  it('plots the metrics that are chosen, and keeps the choice', async () => {
    server.script(demo(), answers);
    const { page } = await open({}, '#/metrics');
    await page
      .getByRole('row', { name: /lastCheckpointDuration/ })
      .getByRole('button', { name: 'Plot' })
      .click();
    const plot = page.locator('[data-part="picked-metrics"]');
    await plot.getByText(/lastCheckpointDuration\s+61/).waitFor();
    await page.reload();
    await plot.getByText(/lastCheckpointDuration\s+61/).waitFor();
    await page.getByRole('button', { name: 'Take off the plot' }).click();
    await plot.waitFor({ state: 'detached' });
  });

  it('plots a day when it is asked to, and 15 minutes otherwise', async () => {
    const { at: now } = figures();
    const point = (agoMs: number): HistoryPoint => ({
      ...{ at: now - agoMs, spanMs: 600_000, state: 'RUNNING', recordsInPerSecond: [0, 1] },
      ...{ recordsOutPerSecond: [1, 0], busyShareMax: [0, 0], backPressuredShareMax: [0, 0] },
      ...{ watermark: ['none', 'none'], pendingRecords: [null, null], pendingBytes: [null, null] },
      ...{ recordsReadPerSecond: 1, recordsWrittenPerSecond: 1 },
    });
    // Of 23 hours one in ten minutes, of the last one a point a minute.
    const ages = Array.from(
      { length: 197 },
      (_, each) => (each < 137 ? 23 * 60 - each * 10 : 197 - each) * 60_000,
    );
    const history: HistoryAnswer = { points: ages.sort((left, right) => right - left).map(point) };
    const path = `GET /v1/x/jobs/${jobId}/history`;
    server.script(demo(), { ...answers, [path]: history });
    const { page } = await open({}, '#/metrics');
    const drawn = async (): Promise<number> =>
      Number(await page.locator('[data-part="lines"]').getAttribute('data-points'));
    const shown = new Map<string, number>();
    for (const reach of ['15 min', '2 h', '24 h']) {
      await page.getByRole('button', { name: reach, exact: true }).click();
      await page.waitForTimeout(200);
      shown.set(reach, await drawn());
    }
    const within = (minutes: number): number => ages.filter((ageMs) => ageMs <= minutes * 60_000).length;
    assert.deepEqual([...shown.values()], [within(15), within(120), within(24 * 60)]);
    await page.getByText('one point a minute').waitFor();
  });

  it('saves what is plotted as a view, brings it back, and shows it on the overview', async () => {
    server.script(demo(), answers);
    const { page } = await open({}, '#/metrics');
    const pick = page.getByRole('row', { name: /lastCheckpointDuration/ });
    await pick.getByRole('button', { name: 'Plot' }).click();
    await page.getByRole('button', { name: 'Busy, the busiest subtask' }).click();
    await page.getByRole('button', { name: '2 h', exact: true }).click();
    await page.getByLabel('Name of this view').fill('checkpoints of today');
    await page.getByRole('button', { name: 'Save this view' }).click();
    await page.getByRole('button', { name: 'Show on the overview' }).click();
    // Something else, and a new page.
    await page.getByRole('button', { name: 'Take off the plot' }).click();
    await page.reload();
    await page.locator('[data-part="picked-metrics"]').waitFor({ state: 'detached' });
    await page.locator('[data-part="views"] select').selectOption('checkpoints of today');
    await page
      .locator('[data-part="picked-metrics"]')
      .getByText(/lastCheckpointDuration\s+61/)
      .waitFor();
    for (const name of ['Busy, the busiest subtask', '2 h']) {
      const pressed = page.getByRole('button', { name, exact: true });
      assert.equal(await pressed.getAttribute('aria-pressed'), 'true', name);
    }
    assert.deepEqual(await seriousFindings(page), []);
    await goToPane(page, 'home');
    const onOverview = page.locator('[data-part="picked-metrics"]');
    await onOverview.getByRole('heading', { name: 'checkpoints of today' }).waitFor();
    await onOverview.getByText(/lastCheckpointDuration\s+61/).waitFor();
    await goToPane(page, 'metrics');
    await page.locator('[data-part="views"] select').selectOption('checkpoints of today');
    await page.getByRole('button', { name: 'Delete the view' }).click();
    await goToPane(page, 'home');
    await onOverview.waitFor({ state: 'detached' });
  });

  it('counts an alert no more when it is acknowledged, also after a reload', async () => {
    const lasting = { ...raised, alertId: 13, kind: 'back-pressure', resolvedAt: null } as const;
    server.script(demo([{ name: 'alert', data: lasting }]), answers);
    const { page } = await open({}, '#/alerts');
    const counted = page.locator('nav a[href="#/alerts"] .badge');
    await counted.getByText('1').waitFor();
    await page.locator('[data-kind="back-pressure"]').getByRole('button', { name: 'Acknowledge' }).click();
    await counted.waitFor({ state: 'detached' });
    await page.reload();
    await page.locator('[data-kind="back-pressure"][data-acknowledged="true"]').waitFor();
    assert.equal(await counted.count(), 0);
    await page.getByRole('combobox', { name: /^Which/ }).selectOption('Not acknowledged');
    await page.locator('[data-kind="back-pressure"]').waitFor({ state: 'detached' });
  });

  it('silences a kind of alert for a time: it is kept and can be read, but counts nowhere', async () => {
    const lasting = { ...raised, alertId: 13, kind: 'back-pressure', resolvedAt: null } as const;
    const other = { ...lasting, alertId: 14, kind: 'watermark-stuck' } as const;
    const alerts = [lasting, other].map((data) => ({ name: 'alert', data }) as const);
    server.script(demo(alerts), answers);
    const { page } = await open({}, '#/alerts');
    const counted = page.locator('nav a[href="#/alerts"] .badge');
    await counted.getByText('2').waitFor();
    const row = page.locator('[data-kind="back-pressure"]');
    await row.getByRole('button', { name: 'Silence' }).focus();
    await page.keyboard.press('Enter');
    await row.getByText('Nothing more about “back pressure” for').waitFor();
    assert.deepEqual(await seriousFindings(page), []);
    await row.getByRole('button', { name: '1 h' }).click();
    await counted.getByText('1').waitFor();
    assert.equal(await row.isVisible(), false, 'it stands aside');
    await page.getByText('Silenced alerts (1)').click();
    await row.waitFor();
    await page.reload();
    await counted.getByText('1').waitFor();
    const silences = page.locator('[data-part="silences"]');
    assert.match(await silences.innerText(), /back pressure[\s\S]*until \d/);
    // Time ends it, too: the browser believes that an hour and a minute have gone by.
    await page.clock.install();
    await page.clock.fastForward(61 * 60_000);
    await counted.getByText('2').waitFor();
    await silences.waitFor({ state: 'detached' });
  });

  it('ends a silence by hand, and leads from an alert to its rule', async () => {
    const lasting = { ...raised, alertId: 13, kind: 'back-pressure', resolvedAt: null } as const;
    server.script(demo([{ name: 'alert', data: lasting }]), answers);
    const { page } = await open({}, '#/alerts');
    const row = page.locator('[data-kind="back-pressure"]');
    await row.getByRole('button', { name: 'Silence' }).click();
    await row.getByRole('button', { name: '15 min' }).click();
    await row.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'End the silence' }).click();
    await row.waitFor();
    await row.getByRole('link', { name: 'Its rule' }).click();
    const rule = page.locator('[data-rule="back-pressure"][data-chosen="true"]');
    await rule.waitFor();
    assert.match(
      await rule.innerText(),
      /warning[\s\S]*when others wait more than 50% of the time for an operator, for 10 s[\s\S]*MillraceBackPressure/,
    );
    await page.waitForFunction(() => document.activeElement?.getAttribute('data-rule') === 'back-pressure');
    assert.deepEqual(await seriousFindings(page), []);
    assert.deepEqual(await cutOff(page), []);
  });

  it('leads from a cell of the heat map to that subtask, by keyboard too', async () => {
    server.script(demo(), answers);
    const { page } = await open({}, '#/heat');
    await page.getByRole('button', { name: 'abnormal-in-a-row, subtask 2: 220' }).focus();
    await page.keyboard.press('Enter');
    const told = page.locator('[data-part="chosen-subtask"]');
    assert.match(
      await told.innerText(),
      /Subtask 2 runs on local, slot 3, in attempt 1\. It has the key groups 86 to 127 of 128\./,
    );
    const row = page.locator('[data-part="vertex-detail"] tr[data-chosen="true"]');
    assert.match(await row.innerText(), /^2\s+RUNNING\s+slot 3/);
    assert.deepEqual(await seriousFindings(page), []);
    await page.getByRole('button', { name: 'events, subtask 0' }).click();
    await told.filter({ hasText: /It reads 1 split: split-0\./ }).waitFor();
    await told.getByRole('link', { name: 'What it computes' }).click();
    await page.locator('main[data-pane="profile"]').waitFor();
    assert.equal(await page.getByLabel('Subtask').inputValue(), '0');
  });

  it('tells what states take and which keys are the largest, and counts hot keys when it is asked to', async () => {
    const path = `/v1/x/jobs/${jobId}/state/abnormal-in-a-row/hot-keys`;
    const begun: HotKeys = {
      ...{ uid: 'abnormal-in-a-row', startedAt, durationMs: 5000, status: 'IN_PROGRESS', failure: null },
      ...{ records: 0, missedMax: 0, keys: [] },
    };
    const key = { keyText: '"user3"', keyGroup: 97, subtask: 2 };
    const others = ['"user1"', '"user2"', '"user4"'].map((keyText) => ({ ...key, keyText, records: 40 }));
    const done: HotKeys = {
      ...begun,
      ...{ status: 'COMPLETED', records: 1000, keys: [{ ...key, records: 880 }, ...others] },
    };
    let polls = 0;
    server.script(demo(), {
      ...answers,
      [`POST ${path}`]: begun,
      [`GET ${path}`]: () => ({ counted: polls++ === 0 ? null : done }),
    });
    const { page } = await open({}, '#/state');
    await page
      .getByRole('row', { name: /^abnormal value 3 54 B \[0\] 1 · 18 B \[1\] 0 \[2\] 2 · 36 B$/ })
      .waitFor();
    assert.match(
      await page.locator('[data-part="largest-keys"]').innerText(),
      /"user3" about 1\.31 KB, subtask 2/,
    );
    await page.getByText('Nothing is counted before you ask').waitFor();
    assert.ok(!server.asked.includes(`POST ${path}`));
    await page.getByRole('button', { name: 'Count keys for 5 s' }).click();
    const told = page.locator('[data-conclusion="hot-keys.hot"]');
    await told.waitFor();
    assert.match(
      await told.innerText(),
      /88% of the 1,000 records that came to abnormal-in-a-row in 5 s have the key "user3", which belongs to subtask 2/,
    );
    assert.deepEqual(
      { serious: await seriousFindings(page), cut: await cutOff(page) },
      { serious: [], cut: [] },
    );
    await page.locator('[data-part="hot-keys"]').getByRole('button', { name: '"user3"' }).click();
    await page.locator('[data-part="key-lens"]').getByRole('heading', { name: 'The key "user3"' }).waitFor();
  });

  it('gives the keys that are kept as a file, with their states', async () => {
    server.script(demo(), answers);
    const { page } = await open({}, '#/state');
    const coming = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download as JSON lines' }).click();
    const file = await coming;
    assert.equal(file.suggestedFilename(), 'millrace-state-abnormal-in-a-row.jsonl');
    const lines = readFileSync(await file.path(), 'utf8')
      .trimEnd()
      .split('\n');
    const entries = lines.map((line) => JSON.parse(line) as StateEntry);
    assert.deepEqual(
      entries.map(({ key, values }) => [key, values['abnormal']]),
      [
        ['user1', 2],
        ['user2', 0],
        ['user3', 3],
      ],
    );
  });

  it('looks a key up in the state', async () => {
    server.script(demo(), answers);
    const { page } = await open({}, '#/state');
    await page.getByText('abnormal: 2').waitFor();
    await page.locator('[data-part="keys"]').getByText('key group 93, subtask 2').waitFor();
    await page.getByLabel('Key', { exact: true }).fill('user1');
    const asked = page.waitForRequest((request) =>
      request.url().endsWith(`abnormal-in-a-row?key=${encodeURIComponent('"user1"')}`),
    );
    await page.getByRole('button', { name: 'Look up' }).click();
    await asked;
  });

  it('shows of one key where it lives, what its records did, and the alert that came of them', async () => {
    server.script(demo(), answers);
    const { page } = await open({}, '#/state');
    await page.locator('[data-part="keys"]').getByRole('button', { name: '"user3"' }).click();
    const lens = page.locator('[data-part="key-lens"]');
    await lens
      .getByText(
        /puts it into key group 97 of 128; .* subtask 2 of the 3 of abnormal-in-a-row, .* local, slot 3/,
      )
      .waitFor();
    assert.deepEqual(
      (
        await lens
          .locator('tbody tr')
          .filter({ hasText: /user3:|alert/ })
          .allInnerTexts()
      ).map((row) => /^(user3:\d+|alert)/.exec(row)?.[0]),
      ['user3:41', 'user3:42', 'user3:43', 'user3:44', 'alert'],
    );
    assert.match(await lens.locator('.key-states').innerText(), /Checkpoint 165\s+abnormal: 3/);
    assert.deepEqual(await seriousFindings(page), []);
    await lens.getByRole('link', { name: 'Watch its records come' }).click();
    assert.equal(await page.getByLabel('Behind').inputValue(), '0/0');
    assert.equal(await page.getByLabel('Search').inputValue(), '"user3"');
  });

  it('compares two checkpoints', async () => {
    const slow = checkpoint(163, { durationMs: 1500, stateBytes: 9216 });
    const [row] = slow.subtasks;
    const subtasks = [{ ...row!, asyncMs: 1400 }, ...slow.subtasks.slice(1)];
    server.script(demo(), { [`GET /v1/x/jobs/${jobId}/checkpoints/163`]: { ...slow, subtasks } });
    const { page } = await open({}, '#/checkpoints');
    await page.getByLabel('Compare with').selectOption('163');
    await page.getByText(/Checkpoint 165 took 1\.4\d s less than checkpoint 163/).waitFor();
    await page.getByText('Most of it: the state of events was written, 1.39 s').waitFor();
    await page.getByText('The state is 3 KB smaller').waitFor();
    assert.deepEqual(await seriousFindings(page), []);
    assert.deepEqual(await cutOff(page), []);
  });

  it('has a job go on from a checkpoint that is still there, when it was asked twice', async () => {
    const asked = `POST /v1/x/jobs/${jobId}/restore`;
    const old = `GET /v1/x/jobs/${jobId}/checkpoints/160`;
    server.script(demo(), { ...answers, [asked]: {}, [old]: checkpoint(160) });
    const { page } = await open({}, '#/checkpoints');
    await page.getByText('Go on from this one').focus();
    await page.keyboard.press('Enter');
    const before = server.bodies.length;
    await page.getByText('output of exactly-once sinks that was committed later is moved aside').waitFor();
    await page.getByRole('button', { name: 'Go on from checkpoint 165' }).click();
    assert.equal(server.bodies.length, before);
    assert.deepEqual(await seriousFindings(page), []);
    await page.getByRole('button', { name: 'Really? What came later is done again' }).click();
    await page.getByText('the job is started from there').waitFor();
    assert.deepEqual(server.bodies.at(-1), { asked, body: { checkpointId: 165 } });
    await page.goto(`${url}/#/checkpoints?checkpoint=160`);
    await page.reload();
    await page.getByText('Go on from this one').click();
    await page.getByText('It is removed by now: the newest 3 stay, and savepoints').waitFor();
  });

  it('tells the command line that goes on from a checkpoint where the job is part of the process', async () => {
    const features = { ...hello.features, restoreFrom: false };
    server.script([{ name: 'hello', data: { ...hello, features } }, ...demo().slice(1)], answers);
    const { page } = await open({}, '#/checkpoints');
    await page.getByText('Go on from this one').click();
    await page.getByText(/npx millrace run job\.ts -s '.*chk-165' --discard-later-output/).waitFor();
    assert.deepEqual(
      { serious: await seriousFindings(page), cut: await cutOff(page) },
      { serious: [], cut: [] },
    );
  });

  it('stops a job only when it was asked twice', async () => {
    const asked = `POST /v1/x/jobs/${jobId}/stop`;
    server.script(demo(), { ...answers, [asked]: {} });
    const { page } = await open();
    const before = server.asked.filter((each) => each === asked).length;
    await page.getByRole('button', { name: 'Stop with a last checkpoint' }).click();
    assert.equal(server.asked.filter((each) => each === asked).length, before);
    await page.getByRole('button', { name: 'Really? Press again' }).click();
    await page.getByText('asked for', { exact: true }).waitFor();
    assert.equal(server.asked.filter((each) => each === asked).length, before + 1);
  });

  it('shows hostile names as text', async () => {
    const name = '<img src=x onerror=alert(1)>';
    server.script(demo([{ name: 'job', data: { ...description, name } }]), answers);
    const { page, complaints } = await open();
    await page.getByText(name).first().waitFor();
    assert.deepEqual(complaints, []);
  });

  it('opens its menu on a phone, and closes it with a choice', async () => {
    server.script(demo());
    const { page } = await open({ width: 390 });
    await page.getByRole('button', { name: 'Panes' }).click();
    await page.getByRole('link', { name: 'Job graph' }).click();
    await page.getByRole('heading', { name: 'Job graph' }).waitFor();
    assert.equal(await page.locator('.side').isVisible(), false);
  });
});
