// Four questions of a person who never saw the project, about the demo while it runs: each is answered by text that is to
// be seen on the first page, in both languages, without a click.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { goToPane, openPage } from './browser.ts';
import { openBrowser } from './chromium.ts';
import { type RunningJob, startJob } from './running-job.ts';

const waitMsMax = 60_000;
const languages = ['en', 'ko'] as const;

/** What is to be read, by language. */
const answers = {
  reads: {
    en: /Reads from events with 3 subtasks/,
    ko: /events에서 3개의 서브태스크로 읽습니다/,
  },
  divides: {
    en: /Divides the records by key among 3 subtasks of abnormal-in-a-row, which keeps state for each key/,
    ko: /레코드를 키별로 abnormal-in-a-row 서브태스크 3개에 나누고, 키마다 상태를 유지합니다/,
  },
  writes: { en: /Writes to alerts/, ko: /alerts에 씁니다/ },
  idle: {
    en: /Subtask 1 of abnormal-in-a-row has received nothing: no key has been seen that belongs there/,
    ko: /abnormal-in-a-row 서브태스크 1번은 받은 것이 없습니다. 그곳에 속하는 키가 아직 나오지 않았습니다/,
  },
  idleWhy: {
    en: /A key goes to a subtask by the hash of its value: 128 key groups .* that is chance, not an error/,
    ko: /키는 값의 해시에 따라 서브태스크가 정해집니다\. 키 그룹 128개를 .* 오류가 아니라 우연입니다/,
  },
  cost: {
    en: /Checkpoint \d+ took [\d.]+ (ms|s) and stored [\d.]+ K?B; no subtask stood still for longer than [\d.]+ (ms|s)/,
    ko: /체크포인트 \d+번은 [\d.]+(ms|s|초)? ?.*걸려 [\d.]+ K?B를 저장했고, 서브태스크가 멈춘 시간은 길어야 [\d.]+/,
  },
  nothingFailed: { en: /Nothing has failed in this run/, ko: /이번 실행에서는 장애가 없었습니다/ },
  lost: {
    en: /The worker embedded, slot 2, was lost\./,
    ko: /워커 embedded의 슬롯 2이 죽었습니다\./,
  },
  back: {
    en: /All subtasks ran again after [\d.]+ (ms|s), and the job has caught up\. State and positions came from checkpoint \d+\. \d+ records? w\w+ read a second time/,
    ko: /만에 모든 서브태스크가 다시 실행되었고, 작업이 따라잡았습니다\. 상태와 위치는 체크포인트 \d+번에서 되살렸습니다\. 레코드 \d+건을 다시 읽었습니다/,
  },
} as const;

describe('a stranger before the demo', { concurrency: false }, () => {
  let browser: Browser;
  let job: RunningJob;
  const pages = new Map<(typeof languages)[number], Page>();

  before(async () => {
    browser = await openBrowser();
    job = await startJob('examples/abnormal-users.ts', [
      ...['-Dexecution.checkpointing.interval=1s', '--', '--speed', '40'],
    ]);
    for (const language of languages) {
      const { page } = await openPage(browser, job.url, { language });
      page.setDefaultTimeout(waitMsMax);
      pages.set(language, page);
    }
  });
  after(async () => {
    await browser?.close();
    await job?.end();
  });

  /** Waits until every page shows its text in a part of the overview. */
  const reads = async (part: string, text: Readonly<Record<'en' | 'ko', RegExp>>): Promise<void> => {
    for (const [language, page] of pages) {
      const place = page.locator(`[data-part="${part}"]`).filter({ hasText: text[language] });
      await place.waitFor().catch(async (error: unknown) => {
        throw new Error(`${language} shows:\n${await page.locator('main').innerText()}`, { cause: error });
      });
    }
  };

  it('reads what the job does', async () => {
    await reads('pipeline', answers.reads);
    await reads('pipeline', answers.divides);
    await reads('pipeline', answers.writes);
  });

  it('reads which task is idle, and why', async () => {
    await reads('idle', answers.idle);
    await reads('idle', answers.idleWhy);
  });

  it('reads what the last checkpoint has cost', async () => {
    await reads('lately', answers.cost);
  });

  it('reads what happened when a worker was killed', async () => {
    await reads('lately', answers.nothingFailed);
    const page = pages.get('en')!;
    await goToPane(page, 'drill');
    await page.getByLabel('embedded, slot 2').check();
    await page.getByRole('button', { name: 'Kill this worker' }).click();
    await page.locator('[data-drill="COMPLETED"]').waitFor();
    await goToPane(page, 'home');
    await reads('lately', answers.lost);
    await reads('lately', answers.back);
    for (const each of pages.values()) {
      assert.equal(await each.locator('[data-part="lately"]').isVisible(), true);
    }
  });
});
