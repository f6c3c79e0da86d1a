// Flink's own tools, unmodified: its command line in a JVM, and a server that has its pages beside what Millrace serves.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { extname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { provideJars } from '../../bench/flink/jars.ts';
import { cleanUp, type Ended, start, temporaryFolder } from '../e2e/processes.ts';

/** What `bin/flink` of the distribution opens to it and gives it; logging is off without a configuration of it. */
const JVM_OPTIONS = [
  ...['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
  ...['java.lang', 'java.net', 'java.util'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
];

/** Flink's command, told where the JobManager is by its own configuration file. */
export class FlinkCommand {
  readonly #jars: string;
  readonly #folder: string;

  constructor(test: TestContext, rest: string) {
    this.#jars = provideJars();
    this.#folder = temporaryFolder(test);
    const { hostname, port } = new URL(rest);
    const configuration = `rest:\n  address: ${hostname}\n  port: ${port}\n`;
    writeFileSync(join(this.#folder, 'config.yaml'), configuration);
  }

  /** Runs `flink <words>` to its end. */
  run(...words: string[]): Promise<Ended> {
    const entry = 'org.apache.flink.client.cli.CliFrontend';
    return start('java', [...JVM_OPTIONS, '-cp', join(this.#jars, '*'), entry, ...words], {
      cwd: this.#folder,
      environment: { FLINK_CONF_DIR: this.#folder },
    }).ended;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
};

/** Serves Flink's pages, and hands everything else on to `rest`; the address. */
export async function serveFlinkPages(
  test: TestContext,
  rest: string,
): Promise<{ readonly url: string; readonly refused: string[] }> {
  const pages = unpackedPages(test);
  const refused: string[] = [];
  const target = new URL(rest);
  const server: Server = createServer((asked, answer) => {
    const path = new URL(asked.url ?? '/', 'http://page').pathname;
    const file = join(pages, path === '/' ? 'index.html' : path);
    if (existsSync(file) && statSync(file).isFile()) {
      answer.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
      answer.end(readFileSync(file));
      return;
    }
    // As a proxy on one machine does: the server hears its own name, and the rest as the browser said it.
    const headers = { ...asked.headers, host: target.host };
    if (asked.headers.origin !== undefined) Object.assign(headers, { origin: target.origin });
    const { method, url } = asked;
    const handedOn = request(target, { method, path: url, headers }, (response) => {
      const status = response.statusCode ?? 502;
      if (status >= 400) refused.push(`${status} ${method} ${url}`);
      answer.writeHead(status, response.headers);
      response.pipe(answer);
    });
    handedOn.on('error', () => answer.destroy());
    asked.pipe(handedOn);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUp(test, () => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://localhost:${(server.address() as { readonly port: number }).port}`, refused };
}

/** The static files inside of Flink's jar, which is a zip file. */
function unpackedPages(test: TestContext): string {
  const folder = temporaryFolder(test);
  const jar = join(provideJars(), 'flink-runtime-web-2.3.0.jar');
  mkdirSync(folder, { recursive: true });
  const { status, stderr } = spawnSync('python3', ['-m', 'zipfile', '-e', jar, folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`python3 could not unpack ${jar}: ${stderr}`);
  return join(folder, 'web');
}
