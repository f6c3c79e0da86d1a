// What the table of routes promises, whatever its routes do.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RestContext } from './context.ts';
import { checkpointRoutes } from './routes-checkpoints.ts';
import { clusterRoutes } from './routes-cluster.ts';
import { jobRoutes } from './routes-jobs.ts';
import { ownRoutes } from './routes-own.ts';
import { savepointRoutes } from './routes-savepoints.ts';
import { vertexRoutes } from './routes-vertices.ts';

test('what is asked with GET only looks: nothing that a link leads to changes what runs', () => {
  const context = { watch: { onTick: () => {} } } as unknown as RestContext;
  const tables = [checkpointRoutes, clusterRoutes, jobRoutes, ownRoutes, savepointRoutes, vertexRoutes];
  const routes = tables.flatMap((rows) => rows(context));
  assert.ok(routes.length > 50);
  for (const { method, role, path } of routes)
    assert.equal(method === 'GET', role === 'view', `${method} ${path} needs the role "${role}"`);
});
