import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MapOperator } from '../operators/map.ts';
import { compile } from './compile.ts';
import { explain } from './explain.ts';
import type { Origin } from './nodes.ts';
import { StreamGraphBuilder } from './stream-graph.ts';

const factory = () => new MapOperator((value) => value);
const from = (node: number, rest: Partial<Origin> = {}): Origin => ({
  node,
  tag: undefined,
  partitioner: undefined,
  customPartitioner: undefined,
  ...rest,
});

it('shows chains, numbers, inputs and operators', () => {
  const builder = new StreamGraphBuilder();
  const source = builder.add({
    kind: 'source',
    name: 'log',
    uid: 'log',
    stateful: true,
    factory,
    inputs: [],
  });
  const map = builder.add({
    kind: 'map',
    name: 'Map',
    uid: 'parse',
    poison: 'skip',
    factory,
    inputs: [{ origins: [from(source)] }],
  });
  const count = builder.add({
    kind: 'keyed-process',
    name: 'Process',
    uid: 'count',
    stateful: true,
    note: 'in a hurry',
    factory,
    inputs: [{ origins: [from(map, { partitioner: 'key-group' })], keySelector: (value) => value }],
  });
  builder.add({
    kind: 'sink',
    name: 'late',
    uid: 'late',
    factory,
    parallelism: 1,
    inputs: [{ origins: [from(count, { tag: 'late' })] }],
  });
  const { graph } = compile(builder.build(), { name: 'logins', parallelism: 2 });
  assert.equal(
    explain(graph),
    `Job "logins": 3 tasks, 2 slots

1  Source: log -> Map
   parallelism 2, max parallelism 128
   * log (source, uid log, state)
   * Map (map, uid parse, on error: skip)

2  Process
   parallelism 2, max parallelism 128
   <- 1, Map: key-group
   * Process (keyed-process, uid count, keyed, state, in a hurry)

3  Sink: late
   parallelism 1, max parallelism 128
   <- 2, Process, side output "late": rebalance
   * late (sink, uid late)
`,
  );
});

it('shows slot sharing groups where there are several', () => {
  const builder = new StreamGraphBuilder();
  const source = builder.add({ kind: 'source', name: 'log', factory, inputs: [] });
  builder.add({
    kind: 'map',
    name: 'model',
    slotSharingGroup: 'heavy',
    factory,
    inputs: [{ origins: [from(source)] }],
  });
  const text = explain(compile(builder.build(), { name: 'job', parallelism: 2 }).graph);
  assert.match(text, /^Job "job": 2 tasks, 4 slots\nSlots: 2 of group "default", 2 of group "heavy"\n/);
  assert.match(text, /2 {2}model\n {3}parallelism 2, max parallelism 128, slot sharing group "heavy"\n/);
});
