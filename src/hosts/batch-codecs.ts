/** The codecs of a job's edges, for the channels of one thread. */

import type { Log } from '../base/env.ts';
import { type BatchCodec, createBatchCodec } from '../codecs/batch-codec.ts';
import type { JobGraph } from '../graph/job-graph.ts';

/** The codec of each edge, made when it is first asked for; what does not fit its declared type is logged once an edge. */
export function batchCodecs(graph: JobGraph, log: Log): (edge: number) => BatchCodec {
  const codecs = new Map<number, BatchCodec>();
  return (index) => {
    const edge = graph.edges[index]!;
    const codec =
      codecs.get(index) ??
      createBatchCodec(edge.type, {
        mismatched: (why) => {
          const operator = graph.vertices[edge.from]!.operators[edge.fromOperator]!.name;
          log.warn(
            'a record is not of the declared type of its stream: its batch goes by the generic serializer',
            {
              operator,
              why,
            },
          );
        },
      });
    codecs.set(index, codec);
    return codec;
  };
}

/** Says once a job what the streams without a declared type cost, when some cross between threads. */
export function warnOfGenericEdges(graph: JobGraph, log: Log): void {
  const streams = graph.edges
    .filter(({ type, partitioner }) => type === undefined && partitioner !== 'forward')
    .map(({ from, fromOperator }) => graph.vertices[from]!.operators[fromOperator]!.name);
  if (streams.length === 0) return;
  log.warn(
    'records without a declared type cross between threads by the generic serializer, which takes about three times ' +
      'as long as columns: declare their type with returns(schema) or validate(schema)',
    { behind: [...new Set(streams)] },
  );
}
