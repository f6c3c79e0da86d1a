// What a job does, told from its plan: where it reads, by what it divides, what it keeps, where it writes.
import type { JobDescription } from '../../../../src/rest/contract.ts';
import { isKeyed } from './balance.ts';
import { type Saying, saying } from './conclusion.ts';
import { vertexLabel } from './names.ts';

/** Some sentences, in the order of the data. */
export function pipelineSayings(description: JobDescription): Saying[] {
  const operators = description.vertices.flatMap((vertex, index) =>
    vertex.operators.map((operator) => ({ operator, vertex, index })),
  );
  const sayings: Saying[] = [];
  const sources = operators.filter(({ operator }) => operator.kind === 'source');
  for (const { operator, vertex } of sources) {
    sayings.push(
      saying('pipeline.source', {
        operator: operator.uid === '' || !operator.hasExplicitUid ? operator.name : operator.uid,
        n: { kind: 'count', value: vertex.parallelism },
      }),
    );
  }
  for (const [index, vertex] of description.vertices.entries()) {
    if (vertex.isSource || !isKeyed(description, index)) continue;
    const values = {
      operator: vertexLabel(vertex),
      n: { kind: 'count', value: vertex.parallelism },
    } as const;
    const isStateful = vertex.operators.some(({ isKeyed: keyed, isStateful: stateful }) => keyed && stateful);
    sayings.push(saying(isStateful ? 'pipeline.keyed-state' : 'pipeline.keyed', values));
  }
  for (const { operator } of operators.filter(({ operator: { kind } }) => kind === 'sink')) {
    const name = operator.hasExplicitUid ? operator.uid : operator.name;
    sayings.push(
      operator.target === null
        ? saying('pipeline.sink', { operator: name })
        : saying('pipeline.sink-target', { operator: name, target: operator.target }),
    );
  }
  const { checkpointing } = description;
  sayings.push(
    checkpointing === null
      ? saying('pipeline.no-checkpoints')
      : saying(checkpointing.mode === 'exactly-once' ? 'pipeline.exactly-once' : 'pipeline.at-least-once', {
          interval: { kind: 'duration', ms: checkpointing.intervalMs },
        }),
  );
  return sayings;
}
