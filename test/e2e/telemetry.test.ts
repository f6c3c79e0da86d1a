// A collector that is down, silent or unwilling costs a job nothing but its telemetry: the same records, one line that says so.
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cleanUp, loginsJob, millrace, start, temporaryFolder } from './processes.ts';

/** What the example writes; see its own test. */
const RECORDS = /7,121 read, 814 written/;

async function collector(
  test: TestContext,
  handle: RequestListener,
): Promise<{ url: string; paths: string[] }> {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    handle(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanUp(test, () => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, paths };
}

/** The output of a run whose telemetry goes to `url`. */
async function run(test: TestContext, variables: Readonly<Record<string, string>>): Promise<string> {
  const { code, output } = await millrace(['run', loginsJob], {
    cwd: temporaryFolder(test),
    environment: {
      OTEL_METRIC_EXPORT_INTERVAL: '100',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      ...variables,
    },
  });
  assert.equal(code, 0, output);
  assert.match(output, RECORDS);
  return output;
}

function linesOf(output: string): string[] {
  return output.split('\n').filter((line) => /metrics|traces|OTEL|telemetry/i.test(line));
}

describe('telemetry', () => {
  it('is told once for each signal when nobody listens, and the job does not notice', async (test) => {
    const { url } = await collector(test, () => {});
    const closed = new URL(url);
    closed.port = '9'; // Of the discard protocol, which nobody offers.
    const lines = linesOf(await run(test, { OTEL_EXPORTER_OTLP_ENDPOINT: closed.origin }));
    assert.equal(lines.length, 2, lines.join('\n'));
    for (const signal of ['metrics', 'traces']) {
      const line = lines.find((each) =>
        each.includes(`${signal} do not reach http://127.0.0.1:9/v1/${signal}`),
      );
      assert.match(line ?? '', /ECONNREFUSED/, lines.join('\n'));
    }
  });

  it('is given up at the end when a collector takes connections and never answers', async (test) => {
    const { url, paths } = await collector(test, () => {});
    await run(test, { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_TIMEOUT: '600000' });
    assert.deepEqual([...new Set(paths)].sort(), ['/v1/metrics', '/v1/traces']);
    assert.equal(paths.length, 2, 'one request of each signal at a time');
  });

  it('says what a collector that refuses says, and shows no secret', async (test) => {
    const { url } = await collector(test, (request, response) => {
      request.resume();
      const isKnown = request.headers['authorization'] === 'Bearer s3cret';
      response.writeHead(isKnown ? 403 : 401, { 'content-type': 'text/plain' }).end('no such tenant');
    });
    const output = await run(test, {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20s3cret',
    });
    const lines = linesOf(output);
    assert.equal(lines.length, 2, lines.join('\n'));
    assert.match(lines[0]!, /it answers 403 \(no such tenant\)/);
    assert.doesNotMatch(output, /s3cret/);
  });

  it('is sent by programs that run their jobs by themselves, to the last span, and only once', async (test) => {
    const spans: string[] = [];
    const { url, paths } = await collector(test, (request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += chunk));
      request.on('end', () => {
        if (request.url === '/v1/traces') spans.push(text);
        response.end('{}');
      });
    });
    const cwd = temporaryFolder(test);
    const environment = {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '60000',
    };
    const program = fileURLToPath(new URL('telemetry-program.ts', import.meta.url));
    for (const words of [[program, 'asynchronously'], [program]]) {
      spans.length = 0;
      paths.length = 0;
      const { code, output } = await start(process.execPath, words, { cwd, environment }).ended;
      assert.equal(code, 0, output);
      assert.match(output, /^FINISHED$/m);
      assert.deepEqual([...new Set(paths)].sort(), ['/v1/metrics', '/v1/traces'], output);
      const names = spans.join('').match(/"name":"JobInitialization"/g) ?? [];
      assert.equal(names.length, 1, 'one run began once');
    }
  });

  it('costs a program that runs its job by itself nothing but a warning when nobody listens', async (test) => {
    const cwd = temporaryFolder(test);
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' };
    const program = fileURLToPath(new URL('telemetry-program.ts', import.meta.url));
    const { code, output } = await start(process.execPath, [program], { cwd, environment }).ended;
    assert.equal(code, 0, output);
    assert.match(output, /^FINISHED$/m);
    assert.match(output, /metrics do not reach http:\/\/127\.0\.0\.1:9\/v1\/metrics/);
  });

  it('is off without an endpoint, and when it is switched off', async (test) => {
    const { url, paths } = await collector(test, (_, response) => void response.end());
    assert.deepEqual(linesOf(await run(test, { OTEL_SERVICE_NAME: 'x' })), []);
    assert.deepEqual(
      linesOf(await run(test, { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SDK_DISABLED: 'true' })),
      [],
    );
    assert.deepEqual(paths, []);
  });
});
