// Takes the screenshots of docs/images/ from real jobs: each pane in both languages and both colour schemes.
//
//   npm run screenshots                 all panes
//   npm run screenshots -- graph home   some
//
// Needs Chromium and pngquant (on Debian: apt-get install chromium fonts-noto-cjk pngquant).
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { root } from '../../../test/architecture/read.ts';
import { goToPane, openPage, type View } from './browser.ts';
import { openBrowser } from './chromium.ts';
import { startJob, startJobInCluster } from './running-job.ts';

interface Scene {
  /** In a cluster of three TaskManagers instead of one process. */
  readonly inCluster?: boolean;
  readonly job: string;
  readonly words: readonly string[];
  /** How long the job runs before the first picture. */
  readonly warmUpMs: number;
  /** Panes, and what is done in them before the picture. */
  readonly panes: Readonly<Record<string, (page: Page) => Promise<unknown>>>;
}

const folder = join(root, 'docs/images');
const views = (['en', 'ko'] as const).flatMap((language) =>
  (['light', 'dark'] as const).map((scheme): View & { readonly name: string } => ({
    name: `${language}-${scheme}`,
    language,
    scheme,
    height: 960,
  })),
);
const nothing = (): Promise<void> => Promise.resolve();
const demo = ['-Dexecution.checkpointing.interval=2s', '--', '--speed', '40'];

const scenes: readonly Scene[] = [
  {
    job: 'examples/abnormal-users.ts',
    words: demo,
    warmUpMs: 45_000,
    panes: {
      home: nothing,
      heat: nothing,
      checkpoints: nothing,
      barriers: async (page) => {
        for (let step = 0; step < 7; step += 1)
          await page
            .locator('.button')
            .filter({ hasText: /Next step|다음 단계/ })
            .click();
      },
      latency: (page) => page.locator('[data-part="markers"] tbody').waitFor(),
      alerts: (page) => page.locator('details summary').first().click(),
      metrics: nothing,
      config: nothing,
      logs: nothing,
      state: (page) => page.locator('[data-part="keys"] tbody .link').last().click(),
      drill: async (page) => {
        if ((await page.locator('[data-drill]').count()) > 0) return;
        await page.locator('.kill-target').nth(1).click();
        await page.locator('.button[data-kind="danger"]').click();
        await page.locator('[data-drill="COMPLETED"]').waitFor();
      },
      recovery: nothing,
    },
  },
  {
    job: 'examples/abnormal-users.ts',
    inCluster: true,
    words: demo,
    warmUpMs: 15_000,
    panes: { workers: nothing },
  },
  {
    job: 'examples/abnormal-logins.ts',
    words: ['--', '--rate', '20'],
    warmUpMs: 30_000,
    panes: { backlog: nothing },
  },
  {
    job: 'test/jobs/hot-key.ts',
    words: [],
    warmUpMs: 10_000,
    panes: {
      tap: async (page) => {
        await page.locator('main .button[data-kind="main"]').click();
        await page.waitForTimeout(5000);
      },
      profile: async (page) => {
        await page.locator('main select').first().selectOption('1');
        const take = page.locator('main .button[data-kind="main"]');
        if ((await page.locator('.frame').count()) === 0) await take.click();
        await page.locator('.frame').first().waitFor();
      },
    },
  },
  { job: 'test/jobs/slow-sink.ts', words: [], warmUpMs: 25_000, panes: { graph: nothing } },
  { job: 'test/jobs/stuck-watermark.ts', words: [], warmUpMs: 75_000, panes: { 'event-time': nothing } },
  {
    job: 'test/jobs/failing.ts',
    words: ['-Drestart-strategy.type=fixed-delay', '-Drestart-strategy.fixed-delay.attempts=100'],
    warmUpMs: 30_000,
    panes: { exceptions: nothing },
  },
];

async function take(browser: Browser, scene: Scene, wanted: readonly string[]): Promise<void> {
  const panes = Object.entries(scene.panes).filter(([pane]) => wanted.length === 0 || wanted.includes(pane));
  if (panes.length === 0) return;
  const start = scene.inCluster === true ? startJobInCluster : startJob;
  const job = await start(scene.job, scene.words);
  try {
    const pages = await Promise.all(
      views.map(async (view) => ({ view, page: (await openPage(browser, job.url, view)).page })),
    );
    await new Promise((resolve) => setTimeout(resolve, scene.warmUpMs));
    for (const [pane, prepare] of panes) {
      await Promise.all(pages.map(({ page }) => goToPane(page, pane)));
      await new Promise((resolve) => setTimeout(resolve, 2500));
      // One after the other: a worker is killed once.
      for (const { page } of pages) await prepare(page);
      for (const { view, page } of pages) {
        await page.bringToFront();
        await page.waitForTimeout(400);
        save(`${pane}-${view.name}.png`, await page.screenshot());
      }
    }
  } finally {
    await job.end();
  }
}

/** Every pane there is. */
function paths(): string[] {
  const text = readFileSync(join(root, 'packages/dashboard/src/panes.ts'), 'utf8');
  return [...new Set([...text.matchAll(/path: '([\w-]+)'/g)].map(([, path]) => path!))];
}

// The pictures have few colours: a palette makes them a quarter of their size.
function save(name: string, png: Buffer): void {
  const { status, stdout, stderr } = spawnSync('pngquant', ['--speed', '1', '--strip', '--nofs', '64', '-'], {
    input: png,
    maxBuffer: 16 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`pngquant failed, is it installed? ${stderr?.toString() ?? ''}`);
  writeFileSync(join(folder, name), stdout);
  console.log(`${name} ${Math.round(stdout.length / 1024)} KB`);
}

const drawn = scenes.flatMap(({ panes }) => Object.keys(panes));
const missing = paths().filter((pane) => !drawn.includes(pane));
if (missing.length > 0) throw new Error(`no scene draws ${missing.join(', ')}`);
mkdirSync(folder, { recursive: true });
const browser = await openBrowser();
try {
  for (const scene of scenes) await take(browser, scene, process.argv.slice(2));
} finally {
  await browser.close();
}
