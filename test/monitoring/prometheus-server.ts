// A real Prometheus for a test, with the rules of the project, which it does not wait for: its minutes become seconds.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../architecture/read.ts';
import { type Cleaning, cleanUp, eventually, freePort, start, temporaryFolder } from '../e2e/processes.ts';

export const rulesPath = join(root, 'deploy', 'prometheus', 'millrace.rules.yml');

/** A busy machine is no failure: the runner has a limit of its own. */
export const PATIENCE_MS = 250_000;

export function promtool(words: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync('promtool', words, { encoding: 'utf8' });
  assert.equal(error, undefined, 'promtool is there: on Debian, apt-get install prometheus');
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

export class PrometheusServer {
  readonly #base: string;
  /** Alerts that have fired so far. */
  readonly fired = new Set<string>();

  private constructor(base: string) {
    this.#base = base;
  }

  static async start(test: Cleaning, ...targets: readonly string[]): Promise<PrometheusServer> {
    const folder = temporaryFolder(test);
    const port = await freePort();
    writeFileSync(join(folder, 'rules.yml'), hurried(readFileSync(rulesPath, 'utf8')));
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s', scrape_timeout: '1s' },
      rule_files: ['rules.yml'],
      scrape_configs: [{ job_name: 'millrace', static_configs: [{ targets }] }],
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
    await eventually(
      async () => (await fetch(`${base}/-/ready`).catch(() => undefined))?.status === 200,
      'Prometheus is ready',
      PATIENCE_MS,
    );
    return new PrometheusServer(base);
  }

  /** What an expression gives now. */
  async ask(expression: string): Promise<readonly unknown[]> {
    const response = await fetch(`${this.#base}/api/v1/query?query=${encodeURIComponent(expression)}`);
    assert.equal(response.status, 200, `${expression}: ${response.status}`);
    const { data } = (await response.json()) as { readonly data: { readonly result: readonly unknown[] } };
    return data.result;
  }

  /** Resolves when all of these alerts have fired, at any time since the start. */
  async fires(names: readonly string[], output: () => string): Promise<void> {
    const missing = (): string[] => names.filter((name) => !this.fired.has(name));
    await eventually(
      async () => {
        await this.#look();
        return missing().length === 0;
      },
      'alerts fire',
      PATIENCE_MS,
    ).catch(() =>
      assert.fail(`${missing().join(', ')} did not fire; ${[...this.fired].join(', ')} did\n${output()}`),
    );
  }

  async #look(): Promise<void> {
    const response = await fetch(`${this.#base}/api/v1/alerts`);
    const { data } = (await response.json()) as {
      data: { alerts: readonly { labels: { alertname: string }; state: string }[] };
    };
    for (const { labels, state } of data.alerts) if (state === 'firing') this.fired.add(labels.alertname);
  }
}

/** The same rules, with less patience: only times are changed. */
export function hurried(rules: string): string {
  return rules
    .replaceAll(/for: \d+m/g, 'for: 1s')
    .replaceAll(/\[(?:2|10)m\]/g, '[15s]')
    .replaceAll(/> 600\b/g, '> 5');
}
