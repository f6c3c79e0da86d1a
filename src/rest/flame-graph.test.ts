import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLAME_DEPTH_MAX, FLAME_NODES_MAX, flameOf, type Profile } from './flame-graph.ts';
import type { FlameNode } from './contract.ts';
import type { PlaceOf } from './source-places.ts';

interface Node {
  readonly name: string;
  readonly url?: string;
  readonly hits?: number;
  readonly children?: readonly Node[];
}

/** A profile as V8 writes it. */
function profile(root: Node): Profile {
  const nodes: (Profile['nodes'][number] & { children: number[] })[] = [];
  const add = ({ name, url = 'file:///job.ts', hits = 0, children = [] }: Node): number => {
    const id = nodes.length + 1;
    const node = { id, callFrame: { functionName: name, url, lineNumber: 4 }, hitCount: hits, children: [0] };
    nodes.push(node);
    node.children = children.map(add);
    return id;
  };
  add(root);
  return { nodes };
}

const task = (vertex: number, subtask: number, ...children: Node[]): Node => ({
  name: `runTask_${vertex}_${subtask}`,
  url: '',
  children,
});

const thread = (subtask: number): Profile =>
  profile({
    name: '(root)',
    url: '',
    children: [
      { name: '(idle)', url: '', hits: 50 },
      {
        name: 'turn',
        url: new URL('../hosts/slot-executor.ts', import.meta.url).href,
        hits: 1,
        children: [
          task(0, subtask, { name: 'read', hits: 5 }),
          task(3, subtask, {
            name: 'score',
            hits: 20,
            children: [{ name: 'sqrt', url: 'node:math', hits: 4 }],
          }),
        ],
      },
    ],
  });

const lines = (node: FlameNode, depth = 0): string[] => [
  `${' '.repeat(depth)}${node.name} ${node.value} ${node.origin}`,
  ...node.children.flatMap((child) => lines(child, depth + 1)),
];

test('the graph of a task is what was under it in the profiles of its threads, and nothing else', () => {
  const both = flameOf([thread(0), thread(1)], { vertex: 3, subtask: undefined });
  assert.deepEqual(lines(both.root), [
    'root 48 engine',
    ' score (job.ts:5) 48 job',
    '  sqrt (node:math:5) 8 node',
  ]);
  assert.deepEqual([both.busiestShare, both.isWholeThread], [24 / 80, false]);
  const idle = profile({ name: '(root)', url: '', children: [{ name: '(idle)', url: '', hits: 5000 }] });
  const withIdle = flameOf([idle, thread(0)], { vertex: 3, subtask: undefined });
  assert.equal(withIdle.busiestShare, 24 / 80, 'a sibling that waits does not lower it');
  const one = flameOf([thread(1)], { vertex: 0, subtask: 1 });
  assert.deepEqual(lines(one.root), ['root 5 engine', ' read (job.ts:5) 5 job']);
  assert.equal(flameOf([thread(1)], { vertex: 0, subtask: 10 }).root.value, 0, '10 is not 1');
});

test('what a task hands over to another one in its own step is in the graph of that one', () => {
  const handing = profile({
    name: '(root)',
    url: '',
    children: [
      task(0, 0, {
        name: 'read',
        hits: 5,
        children: [task(3, 0, { name: 'score', hits: 20 }), { name: 'parse', hits: 2 }],
      }),
    ],
  });
  const graphOf = (vertex: number) => lines(flameOf([handing], { vertex, subtask: 0 }).root);
  assert.deepEqual(graphOf(0), ['root 7 engine', ' read (job.ts:5) 7 job', '  parse (job.ts:5) 2 job']);
  assert.deepEqual(graphOf(3), ['root 20 engine', ' score (job.ts:5) 20 job']);
});

test('where tasks have no code of their own it is all that the threads computed', () => {
  const plain = profile({
    name: '(root)',
    url: '',
    children: [
      { name: '(idle)', url: '', hits: 9 },
      { name: 'turn', hits: 3 },
    ],
  });
  const { root, isWholeThread } = flameOf([plain], { vertex: 0, subtask: undefined });
  assert.deepEqual([isWholeThread, ...lines(root)], [true, 'root 3 engine', ' turn (job.ts:5) 3 job']);
});

test('a graph has bounds, and what lies beyond them is counted where it was called', () => {
  let deep: Node = { name: 'f', hits: 1 };
  for (let depth = 0; depth < FLAME_DEPTH_MAX + 50; depth += 1)
    deep = { name: `f${depth}`, children: [deep] };
  const { root } = flameOf([profile({ name: '(root)', url: '', children: [task(0, 0, deep)] })], {
    vertex: 0,
    subtask: undefined,
  });
  const depthOf = ({ children }: FlameNode): number => 1 + Math.max(0, ...children.map(depthOf));
  assert.deepEqual([depthOf(root), root.value], [FLAME_DEPTH_MAX + 1, 1]);
  const wide = Array.from({ length: FLAME_NODES_MAX * 2 }, (_, index) => ({
    name: `g${index}`,
    hits: 1 + (index % 2),
  }));
  const flat = flameOf([profile({ name: '(root)', url: '', children: [task(0, 0, ...wide)] })], {
    vertex: 0,
    subtask: undefined,
  });
  assert.ok(lines(flat.root).length <= FLAME_NODES_MAX + 1);
  assert.equal(flat.root.value, FLAME_NODES_MAX * 3);
});

test('frames of what the build has put together are named by their sources', () => {
  const built = profile({
    name: '(root)',
    url: '',
    children: [task(0, 0, { name: 'step', url: 'file:///millrace/dist/parts/chunk-A.js', hits: 3 })],
  });
  const places: PlaceOf = (url, line) =>
    url.endsWith('chunk-A.js') && line === 4 ? { file: '../../src/task/task.ts', line: 99 } : undefined;
  const { root } = flameOf([built], { vertex: 0, subtask: 0 }, places);
  assert.match(lines(root).join('\n'), / step \(task\.ts:100\) 3 /);
});
