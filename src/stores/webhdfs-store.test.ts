// HDFS by WebHDFS: the rules of all stores over a model of it, and what a failing or foreign server comes to.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STORE_RULES } from '../../test/stores/conformance.ts';
import { REQUEST_FAULTS, type RequestFault } from '../../test/stores/naive-server.ts';
import { NaiveWebHdfs } from '../../test/stores/naive-webhdfs.ts';
import { storeOver } from '../../test/stores/stores-in-memory.ts';
import { FilesError } from '../base/env.ts';
import type { HttpTransport } from './http.ts';

const JOBS = 'webhdfs://namenode.test:9870/jobs';

for (const { says, check } of STORE_RULES) {
  test(`HDFS: ${says}`, async () => {
    const hdfs = new NaiveWebHdfs();
    hdfs.user = 'ada';
    const [store, other] = [storeOver(hdfs.transport()), storeOver(hdfs.transport())];
    await check({ store, other, directory: JOBS });
    assert.deepEqual(
      hdfs.paths().filter((path) => path.endsWith('.tmp')),
      [],
      'no temporary file is left',
    );
  });
}

async function kindOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: unknown) => (error instanceof FilesError ? error.kind : String(error)),
  );
}

test('a fault at any request of a write, once or always, ends in the whole object, or in none, or is unknown', async () => {
  const counts = new Map<string, number>();
  for (const fault of REQUEST_FAULTS) {
    for (const isLasting of [false, true]) {
      for (let step = 1; ; step++) {
        const hdfs = new NaiveWebHdfs();
        let count = 0;
        const hook = (): RequestFault | undefined =>
          (isLasting ? ++count >= step : ++count === step) ? fault : undefined;
        const ended = await kindOf(storeOver(hdfs.transport(hook)).claim(`${JOBS}/attempts/1`));
        if (count < step) break;
        const isThere = hdfs.paths().includes('/jobs/attempts/1/.claim');
        const what = `${fault} ${isLasting ? 'from' : 'at'} ${step}: ${ended}`;
        if (ended === 'done') assert.ok(isThere, what);
        else if (ended !== 'unknown') {
          hdfs.arriveLate();
          assert.ok(!hdfs.paths().includes('/jobs/attempts/1/.claim'), what);
        }
        assert.notEqual(ended, 'exists', what);
        counts.set(ended, (counts.get(ended) ?? 0) + 1);
      }
    }
  }
  console.log(`outcomes: ${JSON.stringify(Object.fromEntries(counts))}`);
  for (const kind of ['done', 'io', 'unknown']) assert.ok((counts.get(kind) ?? 0) > 0, kind);
});

test('a publication whose rename may still come is unknown until it is settled, and then never changes', async () => {
  const hdfs = new NaiveWebHdfs();
  const publication = {
    directory: `${JOBS}/chk-1`,
    name: '_metadata',
    temporary: 't',
    bytes: Uint8Array.of(1),
  };
  // The rename is late, and then nobody answers.
  let isSilent = false;
  let isOver = false;
  const store = storeOver(
    hdfs.transport((request) => {
      if (request.startsWith('RENAME') && !isOver) isSilent = true;
      return isSilent ? (request.startsWith('RENAME') ? 'late' : 'lost') : undefined;
    }),
  );
  const outcome = await store.publish(publication);
  assert.equal(outcome.kind === 'failed' && outcome.outcomeKnown, false);
  isSilent = false;
  isOver = true;
  await store.settle(publication);
  const before = hdfs.paths();
  hdfs.arriveLate();
  assert.deepEqual(hdfs.paths(), before);
});

test('a delegation token goes in place of a user, to the DataNode too, and is in no error', async () => {
  const hdfs = new NaiveWebHdfs();
  hdfs.token = 'tok-en';
  const values = { 'fs.webhdfs.delegation-token': 'tok-en', 'fs.webhdfs.user': undefined };
  await storeOver(hdfs.transport(), values).create(`${JOBS}/a`, Uint8Array.of(1));
  assert.deepEqual(hdfs.paths(), ['/jobs/a']);
  const error: unknown = await storeOver(hdfs.transport(), {
    ...values,
    'fs.webhdfs.delegation-token': 'wr-ong',
  })
    .read(`${JOBS}/a`)
    .catch((reason: unknown) => reason);
  assert.ok(error instanceof FilesError && error.kind === 'denied');
  assert.match(
    error.message,
    /namenode\.test:9870.*fs\.webhdfs\.user, fs\.webhdfs\.delegation-token.*AccessControlException/,
  );
  assert.doesNotMatch(`${error.message} ${error.stack} ${String(error.cause)}`, /wr-ong/);
});

test('hdfs:// is asked of the HTTP server of its host, or of the one that the configuration names', async () => {
  const seen: string[] = [];
  const server: HttpTransport = ({ url }) => {
    seen.push(url.origin);
    return Promise.resolve({ status: 200, headers: {}, body: new TextEncoder().encode('{"boolean":true}') });
  };
  await storeOver(server).prepare('hdfs://namenode:8020/a');
  await storeOver(server, { 'fs.webhdfs.address': 'gateway:14000' }).prepare('hdfs://namenode:8020/a');
  await storeOver(server).prepare('swebhdfs://namenode/a');
  await storeOver(server).prepare('webhdfs://namenode:50070/a');
  assert.deepEqual(seen, [
    'http://namenode:9870',
    'http://gateway:14000',
    'https://namenode:9871',
    'http://namenode:50070',
  ]);
});

test('what is no answer of HDFS is an error and never absence', async () => {
  for (const status of [404, 500, 200]) {
    const page = new TextEncoder().encode('<html>somebody else</html>');
    const store = storeOver(() => Promise.resolve({ status, headers: {}, body: page }));
    if (status !== 200) assert.equal(await kindOf(store.read(`${JOBS}/a`)), 'io');
    if (status !== 200) assert.equal(await kindOf(store.list(JOBS)), 'io');
    assert.notEqual(await kindOf(store.claim(`${JOBS}/a`)), 'done');
  }
});
