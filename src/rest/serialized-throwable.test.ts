// The bytes of a throwable are those that Java's own writer makes, but for what is left out of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serializedThrowable } from './serialized-throwable.ts';

test('begins as a SerializedThrowable of Java and holds what is told', () => {
  const bytes = Buffer.from(
    serializedThrowable({ name: 'SAVEPOINT_FAILED', message: 'boom ✓', stack: 'boom\n at x' }),
    'base64',
  );
  assert.equal(bytes.subarray(0, 6).toString('hex'), 'aced00057372');
  // Version, flags and number of fields, as Java writes them behind the name.
  assert.equal(bytes.subarray(49, 60).toString('hex'), '65169df51fa713f3020003');
  for (const text of ['SAVEPOINT_FAILED', 'boom ✓', 'boom\n at x', 'java.lang.Throwable'])
    assert.ok(bytes.includes(Buffer.from(text)), text);
});

test('a character of two units and a zero are written as Java does, and what is too long is cut', () => {
  const bytes = Buffer.from(
    serializedThrowable({ name: 'x', message: '\0😀', stack: 's'.repeat(70_000) }),
    'base64',
  );
  assert.ok(bytes.includes(Buffer.from('740008c080eda0bdedb880', 'hex')));
  assert.ok(bytes.includes(Buffer.from(`74ffff${'73'.repeat(8)}`, 'hex')));
  assert.ok(bytes.length < 67_000);
});
