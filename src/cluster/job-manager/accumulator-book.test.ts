import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BinaryWriter } from '../../codecs/binary.ts';
import { genericCodec } from '../../codecs/generic.ts';
import type { AccumulatorReport } from '../../hosts/messages.ts';
import { accumulators } from '../../operators/accumulators.ts';
import { AccumulatorBook } from './accumulator-book.ts';

const LIST = { name: 'list', aggregate: accumulators.list<string>() };

function part(subtask: number, ...values: readonly string[]): AccumulatorReport {
  const writer = new BinaryWriter();
  genericCodec.encode(values, writer);
  return { vertex: 0, subtask, name: 'list', part: writer.finish() };
}

test('a later part of a subtask takes the place of the earlier one (AB-1)', () => {
  const book = new AccumulatorBook(new Map([['list', LIST as never]]));
  assert.deepEqual(book.results(), { list: [] });
  book.report([part(1, 'c')]);
  book.report([part(0, 'a'), part(1, 'c', 'd')]);
  book.report([part(0, 'a', 'b')]);
  assert.deepEqual(book.results(), { list: ['a', 'b', 'c', 'd'] });
  assert.deepEqual(book.results(), { list: ['a', 'b', 'c', 'd'] }, 'merging changes nothing that is kept');
});

test('a new deployment begins without the parts of the failed one (AB-1)', () => {
  const book = new AccumulatorBook(new Map([['list', LIST as never]]));
  book.report([part(0, 'a'), part(1, 'b')]);
  book.nextDeployment();
  book.report([part(0, 'c')]);
  assert.deepEqual(book.results(), { list: ['c'] });
});
