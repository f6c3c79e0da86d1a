// Which role a token gives, on loopback and elsewhere, and that guessing is bounded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Access, WRONG_TOKENS_MAX } from './access.ts';
import { Refusal, type Role } from './router.ts';

const tokens = { view: 'a'.repeat(64), operate: 'b'.repeat(64), submit: 'c'.repeat(64) };
const roles: readonly Role[] = ['view', 'operate', 'submit'];
let now = 0;
const clock = { monotonic: () => now };

/** 200, or the status of the refusal. */
function status(access: Access, role: Role, token?: string): number {
  try {
    access.check(token === undefined ? undefined : `Bearer ${token}`, role);
    return 200;
  } catch (error) {
    assert.ok(error instanceof Refusal);
    return error.status;
  }
}

test('each role includes the ones before it, and elsewhere than on loopback each request needs one', () => {
  const access = new Access({ clock, tokens, isLoopback: false });
  const table = [undefined, tokens.view, tokens.operate, tokens.submit, '', 'd'.repeat(64)].map((token) =>
    roles.map((role) => status(access, role, token)),
  );
  assert.deepEqual(table, [
    [401, 401, 401],
    [200, 403, 403],
    [200, 200, 403],
    [200, 200, 200],
    [401, 401, 401],
    [401, 401, 401],
  ]);
});

test('on loopback everybody views and operates; where nobody has a token, nothing needs one', () => {
  const cluster = new Access({ clock, tokens, isLoopback: true });
  assert.deepEqual(
    roles.map((role) => status(cluster, role)),
    [200, 200, 401],
  );
  const run = new Access({ clock, tokens: undefined, isLoopback: true });
  assert.deepEqual(
    roles.map((role) => status(run, role)),
    [200, 200, 200],
  );
});

test('tokens are not looked at any more when too many were wrong within a minute', () => {
  const access = new Access({ clock, tokens, isLoopback: true });
  for (let each = 0; each < WRONG_TOKENS_MAX; each++) assert.equal(status(access, 'view', 'wrong'), 401);
  assert.equal(status(access, 'view', tokens.view), 429);
  assert.equal(status(access, 'view'), 200, 'who needs none is answered');
  now += 60_000;
  assert.equal(status(access, 'view', tokens.view), 200);
});
