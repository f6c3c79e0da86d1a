// Every route of Flink is served or refused with its reason, and the reference says which.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { routesOf } from './rest-server.ts';
import type { RestContext } from './context.ts';
import { Refusal, Router } from './router.ts';
import { refusedRoutes, refusedWithoutSubmissions } from './routes-refused.ts';

const page = readFileSync(new URL('../../docs/reference/rest.md', import.meta.url), 'utf8');
const told = [
  ...page.matchAll(/^\| ([A-Z]+) \| `([^`]+)` \| (served|served by a cluster|refused: .+) \|$/gm),
].map(([, method, path, here]) => ({ method: method!, path: path!, here: here! }));
// Rows are made, nothing is asked of them.
const watch = (submissions: object | undefined): RestContext =>
  ({ watch: { cluster: { submissions }, onTick: () => {} } }) as unknown as RestContext;
const routes = routesOf(watch({ bundleBytesMax: 1 }));
const routesOfRun = routesOf(watch(undefined));
const shape = (path: string): string => path.replaceAll(/:\w+/g, ':');
const key = ({ method, path }: { readonly method: string; readonly path: string }): string =>
  `${method} ${shape(path)}`;

test('the reference says of every route of Flink whether it is served', () => {
  assert.equal(told.length, 97);
  const refused = new Map(refusedRoutes.map((route) => [key(route), route.why]));
  const known = new Set(routes.map(key));
  for (const row of told) {
    const why = refused.get(key(row));
    const served = refusedWithoutSubmissions.some((each) => key(each) === key(row))
      ? 'served by a cluster'
      : 'served';
    assert.ok(known.has(key(row)), `${key(row)} is in the reference, and no route has it`);
    assert.equal(row.here, why === undefined ? served : `refused: ${why}`, key(row));
  }
});

test('nothing is refused that is served, and nothing that Flink does not have', () => {
  for (const table of [routes, routesOfRun]) {
    const all = table.map(key);
    assert.deepEqual(
      all.filter((each, index) => all.indexOf(each) !== index),
      [],
    );
    assert.deepEqual(
      told.map(key).filter((each) => !all.includes(each)),
      [],
    );
  }
  const flinks = new Set(told.map(key));
  assert.deepEqual(
    refusedRoutes.map(key).filter((each) => !flinks.has(each)),
    [],
  );
});

test('a refused route says why', async () => {
  const router = new Router(routes);
  const found = router.find('POST', '/v1/jobs');
  assert.ok(found.kind === 'route');
  await assert.rejects(
    async () =>
      found.route.handle({ params: {}, query: new URLSearchParams(), body: undefined, mayAct: false }),
    (error) => error instanceof Refusal && error.status === 501 && /millrace run -d/.test(error.message),
  );
});
