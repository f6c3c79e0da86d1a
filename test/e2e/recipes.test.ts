// The recipes of examples/ that are jobs as modules, in a test's hands: known answers to small inputs, and crashes.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type } from 'millrace';
import { sameUnderCrash, sameUnderShuffle, testJob } from 'millrace/testing';
import deduplicate, { type Order } from '../../examples/deduplicate.ts';
import dynamicRules, { type Reading, type Rule } from '../../examples/dynamic-rules.ts';
import enrich from '../../examples/enrich.ts';
import failuresInWindow from '../../examples/failures-in-window.ts';
import missingHeartbeats, { type Heartbeat } from '../../examples/missing-heartbeats.ts';
import topPages from '../../examples/top-pages.ts';
import { root } from '../architecture/read.ts';
import { committedRecords } from './committed.ts';
import { millrace, temporaryFolder } from './processes.ts';

const minuteMs = 60_000;
const sshdLine = (time: string, address: string) =>
  `Mar 27 ${time} host sshd[1]: Failed password for root from ${address} port 22 ssh2`;
const accessLine = (time: string, page: string) =>
  `198.18.0.0 - - [17/May/2015:${time} +0000] "GET ${page} HTTP/1.1" 200 1 "-" "-"`;

describe('the recipe failures-in-window', () => {
  const lines = ['10:00:00', '10:00:20', '10:01:00', '10:01:10', '10:01:15', '10:01:16', '10:01:17'].map(
    (time) => sshdLine(time, '198.18.0.1'),
  );
  const options = {
    inputs: { lines: [...lines, sshdLine('10:01:17', '198.18.0.2')] },
    outputs: { alerts: type<{ address: string; failures: number; at: number }>() },
    args: ['--count', '3', '--within', '1m'],
  };

  it('alerts at the third failure less than a minute after the first, and counts anew', async () => {
    const test = await testJob(failuresInWindow, options);
    await test.finish();
    assert.deepEqual(test.outputs.alerts.take(), [
      { address: '198.18.0.1', failures: 3, at: Date.UTC(2017, 2, 27, 10, 1, 10) },
      { address: '198.18.0.1', failures: 3, at: Date.UTC(2017, 2, 27, 10, 1, 17) },
    ]);
  });

  it('alerts the same wherever it is killed', async () => {
    await sameUnderCrash(failuresInWindow, options);
  });
});

describe('the recipe missing-heartbeats', () => {
  it('alerts when event time has passed the silence, once, and again after another heartbeat', async () => {
    const test = await testJob(missingHeartbeats, {
      inputs: { heartbeats: type<Heartbeat>() },
      outputs: { alerts: type<{ device: string; lastSeen: number; heartbeats: number }>() },
    });
    const { heartbeats } = test.inputs;
    const { alerts } = test.outputs;
    await heartbeats.push({ device: 'pump', at: 2 }, { device: 'pump', at: 1 });
    await heartbeats.push({ device: 'fan', at: 5 * minuteMs + 10_001 });
    await test.advance('1 s');
    await test.checkpoint();
    assert.deepEqual(alerts.take(), [], 'the watermark is one ms short of the silence');
    await heartbeats.push({ device: 'fan', at: 5 * minuteMs + 10_002 });
    await test.advance('1 s');
    await test.checkpoint();
    assert.deepEqual(alerts.take(), [{ device: 'pump', lastSeen: 2, heartbeats: 2 }]);
    await heartbeats.push(
      { device: 'pump', at: 6 * minuteMs },
      { device: 'fan', at: 11 * minuteMs + 10_001 },
    );
    await test.advance('1 s');
    await test.checkpoint();
    assert.deepEqual(
      alerts.take().sort((a, b) => a.lastSeen - b.lastSeen),
      [
        { device: 'fan', lastSeen: 5 * minuteMs + 10_002, heartbeats: 2 },
        { device: 'pump', lastSeen: 6 * minuteMs, heartbeats: 1 },
      ],
    );
  });

  it('alerts the same in every order that the bound allows', async () => {
    const seconds = [0, 4, 8, 299, 305, 308, 606, 612, 920];
    await sameUnderShuffle(missingHeartbeats, {
      inputs: { heartbeats: seconds.map((at) => ({ device: 'pump', at: at * 1_000 })) },
      outputs: { alerts: type<{ device: string; lastSeen: number; heartbeats: number }>() },
      disorder: { heartbeats: { timestamp: ({ at }) => at, bound: '10 s' } },
    });
  });
});

describe('the recipe deduplicate', () => {
  it('lets an id pass once within the time to live, also after a crash', async () => {
    const test = await testJob(deduplicate, {
      inputs: { orders: type<Order>() },
      outputs: { first: type<Order>() },
      args: ['--ttl', '1h'],
    });
    const tea = { id: 'o1', item: 'tea' };
    await test.inputs.orders.push(tea, tea);
    await test.checkpoint();
    assert.deepEqual(test.outputs.first.take(), [tea]);
    test.crash();
    await test.restore({ parallelism: 2 });
    await test.inputs.orders.push(tea);
    await test.checkpoint();
    assert.deepEqual(test.outputs.first.take(), []);
    await test.advance('2 h');
    await test.inputs.orders.push(tea);
    await test.checkpoint();
    assert.deepEqual(test.outputs.first.take(), [tea]);
  });
});

describe('the recipe top-pages', () => {
  it('ranks the pages of each window, equal ones by name', async () => {
    const requests = [
      ['10:59:59', '/b'],
      ['10:00:00', '/a'],
      ['10:30:00', '/c'],
      ['10:31:00', '/c'],
      ['11:00:00', '/d'],
    ];
    const test = await testJob(topPages, {
      inputs: { lines: requests.map(([time = '', page = '']) => accessLine(time, page)) },
      outputs: { top: type<{ start: number; end: number; top: { page: string; requests: number }[] }>() },
      args: ['--top', '2'],
      parallelism: 3,
    });
    await test.finish();
    const [ten, eleven, twelve] = [10, 11, 12].map((hour) => Date.UTC(2015, 4, 17, hour));
    const tops = test.outputs.top.take().sort((a, b) => a.start - b.start);
    assert.deepEqual(tops, [
      {
        start: ten,
        end: eleven,
        top: [
          { page: '/c', requests: 2 },
          { page: '/a', requests: 1 },
        ],
      },
      { start: eleven, end: twelve, top: [{ page: '/d', requests: 1 }] },
    ]);
  });
});

describe('the recipe dynamic-rules', () => {
  it('applies a rule from its arrival on, until it is taken away, in every subtask', async () => {
    const test = await testJob(dynamicRules, {
      inputs: { readings: type<Reading>(), rules: type<Rule>() },
      outputs: { alerts: type<{ sensor: string; rule: string; value: number; times: number }>() },
      parallelism: 3,
    });
    const { readings, rules } = test.inputs;
    const sensors = ['a', 'b', 'c', 'd', 'e', 'f'];
    const measure = async (value: number) => {
      await readings.push(...sensors.map((sensor) => ({ sensor, value })));
      await test.checkpoint();
      const alerts = test.outputs.alerts.take().sort((a, b) => (a.sensor < b.sensor ? -1 : 1));
      return alerts.map(({ sensor, rule, times }) => `${sensor} ${rule} ${times}`);
    };
    assert.deepEqual(await measure(31), []);
    await rules.push({ rule: 'warm', above: 30 });
    assert.deepEqual(await measure(30), []);
    assert.deepEqual(
      await measure(31),
      sensors.map((sensor) => `${sensor} warm 1`),
    );
    test.crash();
    await test.restore({ parallelism: 2 });
    assert.deepEqual(
      await measure(32),
      sensors.map((sensor) => `${sensor} warm 2`),
    );
    await rules.push({ rule: 'warm', above: null });
    assert.deepEqual(await measure(33), []);
  });
});

describe('the recipe enrich', () => {
  it('gives each order its price, and null to what has none', async () => {
    const items = ['tea', 'milk', 'tea', 'salt'];
    const test = await testJob(enrich, {
      inputs: { orders: items.map((item, index) => ({ id: `o${index}`, item })) },
      outputs: { priced: type<Order & { price: number | null }>() },
    });
    await test.finish();
    const priced = test.outputs.priced.take().sort((a, b) => (a.id < b.id ? -1 : 1));
    assert.deepEqual(
      priced.map(({ item, price }) => [item, price]),
      [
        ['tea', 3],
        ['milk', 1],
        ['tea', 3],
        ['salt', null],
      ],
    );
  });
});

describe('the recipes on their bundled data, from the command line', () => {
  // Not dynamic-rules: how many readings come before the rules is a matter of time there.
  const written = {
    'failures-in-window': 177,
    'missing-heartbeats': 3,
    deduplicate: 3,
    'top-pages': 84,
    enrich: 5,
  };
  for (const [recipe, count] of Object.entries(written)) {
    it(`${recipe} writes ${count} records`, async (test) => {
      const cwd = temporaryFolder(test);
      const ended = await millrace(['run', join(root, 'examples', `${recipe}.ts`)], { cwd });
      assert.equal(ended.code, 0, ended.output);
      assert.equal(committedRecords(join(cwd, '.millrace', recipe, 'output')).length, count);
    });
  }
});
