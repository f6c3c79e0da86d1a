import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFIG_ORIGINS, Configuration, type ConfigKey, type ConfigOrigin } from './config.ts';
import { CONFIG_OPTIONS } from './config-options.ts';
import { isMillraceError } from './errors.ts';

const { defaults } = Configuration;
const interval = 'execution.checkpointing.interval';

test('the more specific origin wins, in whatever order the layers come', () => {
  const origins = CONFIG_ORIGINS.filter((origin) => origin !== 'default');
  for (const order of [origins, [...origins].reverse()]) {
    let configuration = defaults;
    for (const origin of order) {
      configuration = configuration.withLayer(origin, { 'parallelism.default': origins.indexOf(origin) + 2 });
    }
    assert.equal(configuration.get('parallelism.default'), origins.length + 1);
    assert.equal(configuration.origin('parallelism.default'), 'command line');
  }
  const twoLayers = defaults.withLayer('file', { [interval]: '5 s' }).withLayer('job', { [interval]: '1 s' });
  assert.equal(twoLayers.get(interval), 5_000);
  assert.equal(twoLayers.origin(interval), 'file');
  assert.equal(defaults.origin(interval), 'default');
});

test('a layer is added to its origin key by key and changes no other configuration', () => {
  const first = defaults.withLayer('job', { 'pipeline.name': 'a', 'parallelism.default': 2 });
  const second = first.withLayer('job', { 'pipeline.name': 'b', 'parallelism.default': undefined });
  assert.equal(second.get('pipeline.name'), 'b');
  assert.equal(second.get('parallelism.default'), 2);
  assert.equal(first.get('pipeline.name'), 'a');
  assert.equal(defaults.get('pipeline.name'), undefined);
});

test('reads texts as a command line, the environment and a file give them', () => {
  const configuration = defaults.withLayer('file', {
    'restart-strategy': { type: 'Fixed_Delay', 'fixed-delay': { attempts: 'infinite', delay: '10 s' } },
    execution: {
      checkpointing: { mode: 'at-least-once', 'data-inline-threshold': '64 kb', timeout: '1 min' },
    },
    pipeline: { 'operator-chaining': { enabled: 'FALSE' } },
    'restart-strategy.exponential-delay.jitter-factor': '0.25',
    'log.level': 'DEBUG',
  });
  assert.equal(configuration.get('restart-strategy.type'), 'fixed-delay');
  assert.equal(configuration.get('restart-strategy.fixed-delay.attempts'), Number.POSITIVE_INFINITY);
  assert.equal(configuration.get('restart-strategy.fixed-delay.delay'), 10_000);
  assert.equal(configuration.get('execution.checkpointing.mode'), 'AT_LEAST_ONCE');
  assert.equal(configuration.get('execution.checkpointing.data-inline-threshold'), 65_536);
  assert.equal(configuration.get('execution.checkpointing.timeout'), 60_000);
  assert.equal(configuration.get('pipeline.operator-chaining.enabled'), false);
  assert.equal(configuration.get('restart-strategy.exponential-delay.jitter-factor'), 0.25);
  assert.equal(configuration.get('log.level'), 'debug');
});

test('takes the names of Flink 1 for the same options', () => {
  const configuration = defaults.withLayer('file', {
    'state.checkpoints.dir': '/tmp/c',
    'restart-strategy': 'none',
    'execution.savepoint.path': 'latest',
  });
  assert.equal(configuration.get('execution.checkpointing.dir'), '/tmp/c');
  assert.equal(configuration.get('restart-strategy.type'), 'none');
  assert.equal(configuration.get('execution.state-recovery.path'), 'latest');
  const same = { 'state.checkpoints.num-retained': 2, 'execution.checkpointing.num-retained': '2' };
  assert.equal(defaults.withLayer('job', same).get('execution.checkpointing.num-retained'), 2);
  assert.throws(
    () => defaults.withLayer('job', { ...same, 'state.checkpoints.num-retained': 5 }),
    (error) => isMillraceError(error, 'CONFIG_INVALID') && /the same option/.test(error.message),
  );
});

test('an unknown key is an error that names its origin and the nearest key', () => {
  for (const [key, nearest] of [
    ['execution.checkpointing.intervall', interval],
    ['checkpointing.interval', interval],
    ['paralelism.default', 'parallelism.default'],
    ['taskmanager.numberOfTaskSlot', 'taskmanager.numberOfTaskSlots'],
  ] as const) {
    assert.throws(
      () => defaults.withLayer('command line', { [key]: '1' }),
      (error) =>
        isMillraceError(error, 'CONFIG_UNKNOWN_KEY') &&
        error.message === `there is no configuration key '${key}' (command line). Did you mean '${nearest}'?`,
    );
  }
  assert.throws(() => defaults.withLayer('file', { colour: 1 }), {
    message: "there is no configuration key 'colour' (file).",
  });
  assert.throws(() => defaults.withLayer('file', { constructor: 1, toString: 2 }), /no configuration key/);
});

test('keys of Flink that mean nothing here are listed, not refused', () => {
  const configuration = defaults
    .withLayer('file', {
      'taskmanager.memory.process.size': '4 gb',
      env: { java: { opts: { all: '-Xmx1g' } } },
    })
    .withLayer('environment', { 'taskmanager.memory.process.size': '2 gb', 'parallelism.default': 3 });
  assert.deepEqual(configuration.ignoredKeys, ['taskmanager.memory.process.size', 'env.java.opts.all']);
  assert.equal(configuration.get('parallelism.default'), 3);
});

test('a wrong value is an error that names the key, its origin and the value', () => {
  const wrong: [ConfigKey, unknown][] = [
    [interval, '5 ms'],
    [interval, 'often'],
    [interval, true],
    ['parallelism.default', 0],
    ['parallelism.default', '1.5'],
    ['parallelism.default', ''],
    ['parallelism.default', 40_000],
    ['pipeline.max-parallelism', null],
    ['pipeline.name', ''],
    ['pipeline.name', new Date(0)],
    ['pipeline.name', new Map()],
    ['execution.checkpointing.mode', 'TWICE'],
    ['execution.checkpointing.data-inline-threshold', '2 mb'],
    ['pipeline.operator-chaining.enabled', 'yes'],
    ['restart-strategy.exponential-delay.jitter-factor', 2],
    ['restart-strategy.fixed-delay.attempts', 'Infinity'],
    ['log.level', ['info']],
  ];
  for (const [key, value] of wrong) {
    assert.throws(
      () => defaults.withLayer('environment', { [key]: value }),
      (error) =>
        isMillraceError(error, 'CONFIG_INVALID') && error.message.startsWith(`${key} (environment): `),
      `${key}: ${String(value)}`,
    );
  }
  assert.equal(defaults.withLayer('job', { [interval]: 0 }).get(interval), 0);
});

test('unaligned checkpoints need exactly-once and one checkpoint at a time', () => {
  const unaligned = defaults.withLayer('job', { 'execution.checkpointing.unaligned.enabled': true });
  unaligned.checkConsistency();
  for (const layer of [
    { 'execution.checkpointing.mode': 'AT_LEAST_ONCE' },
    { 'execution.checkpointing.max-concurrent-checkpoints': 2 },
  ]) {
    const contradictory = unaligned.withLayer('command line', layer);
    assert.throws(
      () => contradictory.checkConsistency(),
      (error) =>
        isMillraceError(error, 'CONFIG_INVALID') &&
        error.message.includes('(command line)') &&
        error.message.includes('(job)'),
    );
  }
});

test('every default is a value of its own option, and no name is used twice', () => {
  const names = new Set<string>();
  for (const [key, option] of Object.entries(CONFIG_OPTIONS)) {
    for (const name of [key, ...option.aliases]) {
      assert.ok(!names.has(name), name);
      names.add(name);
    }
    if (option.default !== undefined) assert.equal(option.parse(option.default, key), option.default);
    assert.match(option.description, /^[A-Z].*\.$/);
  }
});

test('lists every option with its value and origin', () => {
  const entries = defaults.withLayer('file', { 'rest.port': 80 }).entries();
  assert.equal(entries.length, Object.keys(CONFIG_OPTIONS).length);
  const expected: { key: string; value: unknown; origin: ConfigOrigin } = {
    key: 'rest.port',
    value: 80,
    origin: 'file',
  };
  assert.deepEqual(
    entries.find(({ key }) => key === 'rest.port'),
    expected,
  );
});
