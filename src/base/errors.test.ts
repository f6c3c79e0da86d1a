import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilesError } from './env.ts';
import { deserializeError, ERROR_TABLE, isMillraceError, MillraceError, serializeError } from './errors.ts';

/** What arrives at the other side of a thread or a process. */
function travelled(error: unknown): Error {
  return deserializeError(
    JSON.parse(JSON.stringify(serializeError(error))) as ReturnType<typeof serializeError>,
  );
}

test('an error keeps its code, place, remedy, stack and causes on its way to another thread', () => {
  const error = new MillraceError('KEY_INVALID', 'null cannot be a key', {
    where: { uid: 'count', subtask: 2, position: 'auth.log:7' },
    remedy: 'Return the address.',
    cause: new TypeError('deep', { cause: new MillraceError('CONFIG_INVALID', 'deeper') }),
  });
  const found = travelled(error);
  assert.ok(isMillraceError(found, 'KEY_INVALID'));
  assert.equal(found.message, error.message);
  assert.equal(found.stack, error.stack);
  assert.deepEqual(found.where, error.where);
  assert.equal(found.remedy, 'Return the address.');
  assert.equal(found.owner, 'user');
  assert.equal(found.retry, 'never');
  const cause = found.cause as Error;
  assert.equal(cause.name, 'TypeError');
  assert.ok(isMillraceError(cause.cause, 'CONFIG_INVALID'));
});

test('whatever was thrown arrives as an error, and a circle of causes ends', () => {
  assert.equal(travelled('only a text').message, 'only a text');
  assert.equal(travelled(undefined).message, 'undefined');
  const circle = new Error('round');
  circle.cause = circle;
  let depth = 0;
  for (let error: unknown = travelled(circle); error instanceof Error; error = error.cause) depth++;
  assert.equal(depth, 9);
});

test('an error of the file system that has no other code gets one', () => {
  const found = travelled(new FilesError('no-space', 'write', '/tmp/x'));
  assert.ok(isMillraceError(found, 'FILES_FAILED'));
  assert.equal(found.message, 'write /tmp/x: no-space');
  assert.equal(found.remedy, ERROR_TABLE.FILES_FAILED.remedy);
});

test('tells errors by code, also those of another copy of the class', () => {
  assert.equal(isMillraceError(new Error('x')), false);
  assert.equal(isMillraceError({ name: 'MillraceError', code: 'KEY_INVALID' }), false);
  assert.equal(isMillraceError(new MillraceError('KEY_INVALID', 'x'), 'CONFIG_INVALID'), false);
  const foreign = Object.assign(new Error('x'), { name: 'MillraceError', code: 'KEY_INVALID' });
  assert.equal(isMillraceError(foreign, 'KEY_INVALID'), true);
});

test('every row of the table says who acts, whether to try again, and what to do', () => {
  for (const [code, row] of Object.entries(ERROR_TABLE)) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
    assert.match(row.title, /[^.]$/, code);
    assert.match(row.remedy, /^[A-Z].{10}/, code);
  }
});
