// Sessions of a real access log, against sessions that are computed the naive way.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { root } from '../architecture/read.ts';
import { committedRecords } from './committed.ts';
import { millrace, temporaryFolder } from './processes.ts';

const sessionsJob = join(root, 'examples', 'access-sessions.ts');
const bundledLog = join(root, 'examples', 'data', 'access.log');

interface Session {
  readonly client: string;
  readonly start: number;
  readonly end: number;
  readonly requests: number;
}

/** Requests of a client in the order of time; one that is `gapMs` or more behind the last one begins a session. */
function naiveSessions(gapMs: number): Session[] {
  const byClient = new Map<string, number[]>();
  for (const text of readFileSync(bundledLog, 'utf8').split('\n').filter(Boolean)) {
    const client = text.slice(0, text.indexOf(' '));
    const [, date = '', time = ''] = /\[([^:]+):(\S+) \+0000\]/.exec(text)!;
    const at = Date.parse(`${date.replaceAll('/', ' ')} ${time} UTC`);
    byClient.set(client, [...(byClient.get(client) ?? []), at]);
  }
  const sessions: Session[] = [];
  for (const [client, times] of byClient) {
    let open: Session | undefined;
    for (const at of times.toSorted((a, b) => a - b)) {
      if (open !== undefined && at <= open.end)
        open = { ...open, end: at + gapMs, requests: open.requests + 1 };
      else {
        if (open !== undefined) sessions.push(open);
        open = { client, start: at, end: at + gapMs, requests: 1 };
      }
    }
    if (open !== undefined) sessions.push(open);
  }
  return sessions;
}

async function run(cwd: string, ...words: string[]): Promise<{ sessions: Session[]; late: number }> {
  const output = join(cwd, 'out');
  const ended = await millrace(['run', sessionsJob, ...words, '--output', output], { cwd });
  assert.equal(ended.code, 0, ended.output);
  const late = /^(\d+) requests came too late$/m.exec(ended.output)?.[1];
  return { sessions: committedRecords<Session>(output), late: Number(late) };
}

function inOrder(sessions: readonly Session[]): string[] {
  return sessions.map((each) => JSON.stringify(each)).sort();
}

function requestsOf(sessions: readonly Session[]): number {
  return sessions.reduce((sum, { requests }) => sum + requests, 0);
}

describe('sessions of an access log', () => {
  for (const parallelism of ['1', '2']) {
    it(`are 3,052 with 10,000 requests at parallelism ${parallelism}`, async (test) => {
      const { sessions, late } = await run(temporaryFolder(test), '-p', parallelism, '--');
      assert.deepEqual([sessions.length, requestsOf(sessions), late], [3_052, 10_000, 0]);
      assert.deepEqual(inOrder(sessions), inOrder(naiveSessions(30 * 60_000)));
    });
  }

  it('with the bound of half the disorder every request is in a session or late', async (test) => {
    const { sessions, late } = await run(temporaryFolder(test), '--', '--bound', '30s');
    assert.equal(requestsOf(sessions) + late, 10_000);
  });

  it('with a short gap many requests are late, and the same ones however the job runs', async (test) => {
    const words = ['--', '--gap', '10s', '--bound', '5s'];
    const one = await run(temporaryFolder(test), '-p', '1', ...words);
    const two = await run(temporaryFolder(test), '-p', '2', ...words);
    assert.ok(one.late > 1_000, `${one.late} are late`);
    assert.equal(requestsOf(one.sessions) + one.late, 10_000);
    assert.deepEqual([inOrder(two.sessions), two.late], [inOrder(one.sessions), one.late]);
  });
});
