// Pages in Chromium that collect what went wrong in them.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';

/** How a page is looked at. */
export interface View {
  readonly width?: number;
  readonly height?: number;
  readonly language?: 'en' | 'ko';
  readonly scheme?: 'light' | 'dark';
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A page, and everything that it complained about: errors, refused styles and scripts, failed requests. */
export async function openPage(
  browser: Browser,
  url: string,
  { width = 1280, height = 800, language = 'en', scheme = 'light' }: View = {},
): Promise<{ readonly page: Page; readonly complaints: string[] }> {
  const page = await browser.newPage({
    viewport: { width, height },
    locale: language === 'ko' ? 'ko-KR' : 'en-US',
    colorScheme: scheme,
    timezoneId: 'UTC',
  });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`${message.text()} ${message.location().url}`.trim());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(url);
  return { page, complaints };
}

/** Goes to a pane and waits until it has drawn. */
export async function goToPane(page: Page, pane: string): Promise<void> {
  await page.evaluate((hash) => {
    window.location.hash = hash;
  }, `#/${pane}`);
  await page.locator(`main[data-pane="${pane}"] h1`).waitFor();
}

/**
 * How much of the page moves without anybody touching it: the least of some stretches of `ms`, because what comes late on
 * a busy machine moves once, and what moves with each update moves in all of them.
 */
export async function layoutShift(page: Page, ms: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let stretch = 0; stretch < 3 && least > 0; stretch += 1)
    least = Math.min(least, await shiftWithin(page, ms));
  return least;
}

/** Chromium's layout shift, 0 for none. */
function shiftWithin(page: Page, ms: number): Promise<number> {
  return page.evaluate(
    (duration) =>
      new Promise<number>((resolve) => {
        let shift = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) shift += (entry as unknown as { value: number }).value;
        }).observe({ type: 'layout-shift' });
        setTimeout(() => resolve(shift), duration);
      }),
    ms,
  );
}

/** What axe calls serious or critical, one line each. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // By the debugger, so that the policy of the page stays as it is.
  await page.evaluate(axeSource);
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: {
        run(
          options: object,
        ): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
      };
    };
    return (await axe.run({ resultTypes: ['violations'] })).violations;
  });
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0]?.html.slice(0, 200)} (${nodes.length} places)`,
    );
}

/**
 * Elements that reach beyond the page to the right, texts that are cut without a tooltip, and, where there is room for it,
 * tables of which a column is out of sight.
 */
export function cutOff(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width) {
      found.push(`the page is ${document.documentElement.scrollWidth} px wide, the window ${width} px`);
    }
    for (const scroll of width < 1000 ? [] : document.querySelectorAll<HTMLElement>('.scroll:has(table)')) {
      if (scroll.scrollWidth > scroll.clientWidth + 1) found.push(`beyond its card: ${scroll.ariaLabel}`);
    }
    for (const element of document.querySelectorAll<HTMLElement>(
      'h1, h2, dd, dt, button, .badge, p, th, td',
    )) {
      const style = getComputedStyle(element);
      const isCut = element.scrollWidth > element.clientWidth + 1 && style.overflowX !== 'visible';
      const isTold = element.title !== '' || element.closest('[title]') !== null;
      if (element.clientWidth > 0 && isCut && !isTold && style.overflowX !== 'auto') {
        found.push(`cut off: ${element.textContent}`);
      }
    }
    return found;
  });
}

/** Controls of a pane that the tab key does not come to, or that do not show that they have the focus. */
export async function unreachedByTab(page: Page): Promise<string[]> {
  const count = await page.evaluate(() => {
    const controls = [
      ...document.querySelectorAll<HTMLElement>(
        'main :is(a[href], button, select, input, textarea, summary, [tabindex="0"], [role="slider"])',
      ),
    ].filter((element) => element.checkVisibility() && !element.matches(':disabled, [tabindex="-1"]'));
    for (const [index, control] of controls.entries()) control.dataset['control'] = String(index);
    document.querySelector<HTMLElement>('main')?.focus();
    return controls.length;
  });
  const reached = new Set<string>();
  // What comes while it is gone through makes the way longer.
  for (let step = 0; step < count * 2 + 5 && reached.size < count; step += 1) {
    await page.keyboard.press('Tab');
    const control = await page.evaluate(() => {
      const active = document.activeElement as HTMLElement | null;
      if (active === null) return undefined;
      const isSeen = [active, ...active.querySelectorAll('*')].some((element) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        return outlineStyle !== 'none' && outlineWidth !== '0px';
      });
      return isSeen ? active.dataset['control'] : undefined;
    });
    if (control !== undefined) reached.add(control);
  }
  return page.evaluate(
    (known) => {
      const missed: string[] = [];
      for (const control of document.querySelectorAll<HTMLElement>('[data-control]')) {
        // Of a group of radio buttons the chosen one has the turn.
        const isOther = control instanceof HTMLInputElement && control.type === 'radio' && !control.checked;
        if (!isOther && !known.includes(control.dataset['control'] ?? ''))
          missed.push(control.outerHTML.slice(0, 160));
        delete control.dataset['control'];
      }
      return missed;
    },
    [...reached],
  );
}
