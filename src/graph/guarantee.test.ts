import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MapOperator } from '../operators/map.ts';
import type { Sink } from '../operators/sink.ts';
import type { Source } from '../operators/source.ts';
import { compile } from './compile.ts';
import { checkExactlyOnce, type GuaranteeSettings, guaranteeOf, guaranteeText } from './guarantee.ts';
import type { CompiledJob } from './job-graph.ts';
import type { Origin } from './nodes.ts';
import { StreamGraphBuilder } from './stream-graph.ts';

const factory = () => new MapOperator((value) => value);
const CHECKPOINTS: GuaranteeSettings = { checkpointing: true, mode: 'exactly-once' };

describe('the guarantee of a job', () => {
  it('is exactly once when the source goes back and the sink commits', () => {
    const promise = guaranteeOf(oneToOne({}), CHECKPOINTS);
    assert.equal(promise.guarantee, 'exactly once');
    assert.equal(
      guaranteeText('job', promise),
      'job: exactly once from "in" to "out": after a failure "in" is read again from the last checkpoint; ' +
        '"out" shows its output only when the checkpoint it belongs to is complete.\n',
    );
  });

  it('is at least once when the sink shows output at once, or checkpoints do not align', () => {
    assert.equal(guaranteeOf(oneToOne({ commits: false }), CHECKPOINTS).guarantee, 'at least once');
    const loose = guaranteeOf(oneToOne({}), { ...CHECKPOINTS, mode: 'at-least-once' });
    assert.equal(loose.guarantee, 'at least once');
    assert.match(loose.sinks[0]!.reasons.join(), /do not align/);
  });

  it('is at most once when the source cannot go back, and none when the sink repeats as well', () => {
    const lossy = guaranteeOf(oneToOne({ replayable: false }), CHECKPOINTS);
    assert.equal(lossy.guarantee, 'at most once');
    assert.match(lossy.sinks[0]!.reasons.join(), /"in" cannot go back.*since the last checkpoint/);
    const off = guaranteeOf(oneToOne({ replayable: false }), { ...CHECKPOINTS, checkpointing: false });
    assert.match(off.sinks[0]!.reasons.join(), /what it gave is lost/);
    const both = guaranteeOf(oneToOne({ replayable: false, commits: false }), CHECKPOINTS);
    assert.equal(both.guarantee, 'no guarantee');
  });

  it('without checkpoints a job reads again from the beginning, and commits at its end', () => {
    const off: GuaranteeSettings = { checkpointing: false, mode: 'at-least-once' };
    const promise = guaranteeOf(oneToOne({}), off);
    assert.equal(promise.guarantee, 'exactly once');
    assert.match(promise.sinks[0]!.reasons.join(), /from the beginning.*when the job has ended/);
    assert.equal(guaranteeOf(oneToOne({ toClient: true }), off).guarantee, 'at least once');
    assert.equal(guaranteeOf(oneToOne({ toClient: true }), CHECKPOINTS).guarantee, 'exactly once');
  });

  it('loses and repeats over all sinks, each by the sources that reach it', () => {
    const builder = new StreamGraphBuilder();
    const safe = builder.add({
      kind: 'source',
      uid: 'log',
      name: 'log',
      factory,
      source: source(true),
      inputs: [],
    });
    const live = builder.add({
      kind: 'source',
      uid: 'live',
      name: 'live',
      factory,
      source: source(false),
      inputs: [],
    });
    const key = { partitioner: 'key-group', keySelector: (value: unknown) => value } as const;
    const all = builder.add({
      kind: 'map',
      name: 'all',
      uid: 'all',
      factory,
      inputs: [
        { origins: [from(safe, key.partitioner), from(live, key.partitioner)], keySelector: key.keySelector },
      ],
    });
    sink(builder, 'files', all, true);
    sink(builder, 'screen', safe, false);
    const promise = guaranteeOf(compile(builder.build(), { name: 'job', parallelism: 2 }), CHECKPOINTS);
    assert.deepEqual(
      promise.sinks.map(({ sink: name, sources, guarantee }) => [name, [...sources].sort(), guarantee]),
      [
        ['screen', ['log'], 'at least once'],
        ['files', ['live', 'log'], 'at most once'],
      ],
    );
    assert.equal(promise.guarantee, 'no guarantee');
    assert.match(
      guaranteeText('job', promise),
      /^job: no guarantee for the job as a whole, over its 2 sinks/,
    );
  });

  it('a job without a sink says so', () => {
    const builder = new StreamGraphBuilder();
    builder.add({ kind: 'source', uid: 'in', name: 'in', factory, source: source(true), inputs: [] });
    const promise = guaranteeOf(compile(builder.build(), { name: 'job', parallelism: 1 }), CHECKPOINTS);
    assert.match(guaranteeText('job', promise), /no sink/);
  });
});

describe('exactlyOnce', () => {
  for (const exactlyOnce of ['in', 'out'] as const) {
    it(`asked for by the ${exactlyOnce === 'in' ? 'source' : 'sink'} is refused where the job cannot keep it`, () => {
      const refuses = (job: CompiledJob, settings: GuaranteeSettings, why: RegExp): void => {
        assert.throws(() => checkExactlyOnce(job, settings), {
          code: 'GUARANTEE_NOT_KEPT',
          message: new RegExp(`"${exactlyOnce}" must be exactly once.*${why.source}`),
        });
      };
      checkExactlyOnce(oneToOne({ exactlyOnce }), CHECKPOINTS);
      refuses(oneToOne({ exactlyOnce, replayable: false }), CHECKPOINTS, /at most once.*cannot go back/);
      refuses(oneToOne({ exactlyOnce, commits: false }), CHECKPOINTS, /at least once.*at once/);
      refuses(oneToOne({ exactlyOnce }), { ...CHECKPOINTS, mode: 'at-least-once' }, /do not align/);
    });
  }

  it('that nobody asks for is not required', () => {
    checkExactlyOnce(oneToOne({ replayable: false, commits: false }), CHECKPOINTS);
  });
});

function oneToOne(given: {
  replayable?: boolean;
  commits?: boolean;
  toClient?: boolean;
  exactlyOnce?: 'in' | 'out';
}): CompiledJob {
  const { replayable = true, commits = true, toClient = false, exactlyOnce } = given;
  const builder = new StreamGraphBuilder();
  const input = builder.add({
    kind: 'source',
    uid: 'in',
    name: 'in',
    factory,
    source: source(replayable),
    exactlyOnce: exactlyOnce === 'in',
    inputs: [],
  });
  const output = sink(builder, 'out', input, commits, toClient);
  builder.set(output, { exactlyOnce: exactlyOnce === 'out' });
  return compile(builder.build(), { name: 'job', parallelism: 1 });
}

function source(replayable: boolean): Source<unknown> {
  return { replayable, bounded: true } as Source<unknown>;
}

function sink(
  builder: StreamGraphBuilder,
  uid: string,
  node: number,
  commits: boolean,
  toClient = false,
): number {
  const guarantee = commits ? 'exactly-once' : 'at-least-once';
  const made = { guarantee, ...(toClient ? { receive: () => undefined } : {}) } as Sink<unknown>;
  return builder.add({
    kind: 'sink',
    uid,
    name: uid,
    factory,
    sink: made,
    inputs: [{ origins: [from(node)] }],
  });
}

function from(node: number, partitioner?: Origin['partitioner']): Origin {
  return { node, tag: undefined, partitioner, customPartitioner: undefined };
}
