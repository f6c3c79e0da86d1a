// What the table of routes promises, whatever its routes do.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RestContext } from './context.ts';
import { routesOf } from './rest-server.ts';

test('what is asked with GET only looks, but for scripts of the own page: nothing that a link leads to changes what runs', () => {
  const context = { watch: { cluster: {}, onTick: () => {} } } as unknown as RestContext;
  const routes = routesOf(context);
  assert.ok(routes.length > 100);
  for (const { method, role, path, onlyForPage } of routes)
    assert.equal(
      method === 'GET' && onlyForPage !== true,
      role === 'view',
      `${method} ${path} needs the role "${role}"`,
    );
  const acting = routes.filter(({ onlyForPage }) => onlyForPage === true).map(({ path }) => path);
  assert.deepEqual(acting, ['/jobs/:jobid/yarn-cancel', '/jobs/:jobid/yarn-stop']);
});
