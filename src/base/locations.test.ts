// Locations: paths of this machine and URIs of stores.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isUri, isWithin, locationIn, locationOf, nameOf, parentOf, schemeOf } from './locations.ts';

test('a relative path begins at the working directory, a URI is kept', () => {
  assert.equal(locationOf('a/../b', '/work'), '/work/b');
  assert.equal(locationOf('/a', '/work'), '/a');
  assert.equal(locationOf('file:///a%20b', '/work'), '/a b');
  assert.equal(locationOf('file:/a', '/work'), '/a');
  assert.equal(locationOf('s3://bucket/a/', '/work'), 's3://bucket/a');
  assert.equal(locationOf('s3://bucket', '/work'), 's3://bucket');
  assert.equal(locationOf('hdfs://host:9000/a b', '/work'), 'hdfs://host:9000/a b');
});

test('names are put to a URI and taken from it as to a path', () => {
  for (const root of ['/a', 's3://bucket', 's3://bucket/a']) {
    const whole = locationIn(locationIn(root, 'chk-1'), '_metadata');
    assert.equal(whole, `${root}/chk-1/_metadata`);
    assert.equal(nameOf(whole), '_metadata');
    assert.equal(parentOf(whole), `${root}/chk-1`);
    assert.ok(isWithin(root, whole) && isWithin(root, root) && !isWithin(root, `${root}1`));
  }
  assert.deepEqual(
    [isUri('s3://b'), isUri('file:///a'), isUri('/a'), isUri('C:/a')],
    [true, false, false, false],
  );
  assert.equal(schemeOf('S3://b'), 's3');
});

test('a URI that is no place, or leads out of its folder, is refused; a password in it is not shown', () => {
  for (const given of [
    's3://',
    's3:///a',
    's3://b/../c',
    's3://b/a//c',
    's3://b/./c',
    's3://b/a?x',
    's3://b/a\nb',
    's3://b/a#c',
  ])
    assert.throws(() => locationOf(given, '/'), { code: 'CONFIG_INVALID' }, given);
  assert.throws(
    () => locationOf('s3://ada:secret@bucket/a', '/'),
    (error: Error) => /holds a user/.test(error.message) && !/secret|ada/.test(error.message),
  );
});
