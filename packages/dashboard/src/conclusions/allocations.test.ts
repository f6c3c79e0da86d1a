// Who allocates most.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allocationConclusion, allocators, type HeapNode } from './allocations.ts';

const node = (functionName: string, selfSize: number, children: readonly HeapNode[] = []): HeapNode => ({
  callFrame: { functionName, url: functionName === '(root)' ? '' : 'file:///job/job.ts', lineNumber: 11 },
  ...{ selfSize, children },
});

describe('what a thread allocates', () => {
  const head = node('(root)', 0, [
    node('process', 100, [node('parse', 700)]),
    node('', 0, [node('parse', 200)]),
  ]);

  it('is told by function, wherever it was called from', () => {
    assert.deepEqual(allocators({ head }), [
      { name: 'parse (job.ts:12)', bytes: 900 },
      { name: 'process (job.ts:12)', bytes: 100 },
    ]);
  });

  it('is a rate with the function that has most of it, or nothing', () => {
    const { key, values } = allocationConclusion(allocators({ head }), 5);
    assert.equal(key, 'heap-profile.most');
    assert.deepEqual(values, {
      rate: { kind: 'bytes', value: 200 },
      name: 'parse (job.ts:12)',
      share: { kind: 'share', value: 0.9 },
    });
    assert.equal(allocationConclusion([], 5).key, 'heap-profile.nothing');
  });
});
