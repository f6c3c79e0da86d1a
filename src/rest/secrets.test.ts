// What is secret in the configuration: shown to nobody, and in nothing that goes to another process or into a store.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Configuration } from '../base/config.ts';
import { CONFIG_OPTIONS } from '../base/config-options.ts';
import { layersOf } from '../run/load.ts';
import { masked } from './routes-cluster.ts';

const VALUE = 'not-to-be-seen';

test('a text whose key says that it is secret is secret in the table too, and the other way round', () => {
  const options = Configuration.defaults.entries().filter(({ key }) => CONFIG_OPTIONS[key].type === 'string');
  const hidden = options.map(({ key }) => key).filter((key) => masked(key, VALUE) !== VALUE);
  const secret = options.map(({ key }) => key).filter((key) => Configuration.isSecret(key));
  assert.ok(secret.includes('s3.secret-key'));
  assert.deepEqual(hidden, secret);
});

test('what a submission, a plan or a thread is told of a configuration holds no secret', () => {
  const secret = Configuration.defaults.entries().filter(({ key }) => Configuration.isSecret(key));
  const values = Object.fromEntries(secret.map(({ key }) => [key, VALUE]));
  const layers = layersOf(Configuration.defaults.withLayer('file', { ...values, 's3.region': 'here' }));
  const told = layers.filter((layer) => Object.keys(layer.values).length > 0);
  assert.deepEqual(told, [{ origin: 'file', values: { 's3.region': 'here' } }]);
});
