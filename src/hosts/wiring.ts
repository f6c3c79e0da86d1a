/** Builds the gate and the ports of one subtask from the plan, and sorts what it restores. */

import { assert } from '../base/assert.ts';
import { checkKey, keyGroupOf, subtaskOfKeyGroup } from '../base/key-groups.ts';
import type { Random } from '../base/env.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import type { SubtaskRestore } from '../checkpoint/state-handle.ts';
import { InputGate } from '../exchange/input.ts';
import { OutputPort } from '../exchange/output.ts';
import { consumersOf, producersOf } from '../exchange/partitioners.ts';
import { createRouter } from '../exchange/router.ts';
import type { CompiledJob, JobEdge } from '../graph/job-graph.ts';
import type { CustomPartitioner } from '../graph/nodes.ts';
import type { RestoredOperator } from '../task/snapshot.ts';
import type { ChannelEnds } from './channels.ts';
import type { SlotSettings } from './messages.ts';

/** Which subtask is wired, and with what. */
export interface WiringParts {
  readonly compiled: CompiledJob;
  readonly settings: SlotSettings;
  readonly channels: ChannelEnds;
  readonly random: Random;
  readonly vertex: number;
  readonly subtask: number;
}

/** The gate of a subtask; `undefined` for a source. */
export function buildGate(
  parts: WiringParts & { readonly restore: SubtaskRestore | undefined },
): InputGate | undefined {
  const { compiled, channels, vertex, subtask } = parts;
  const { vertices, edges } = compiled.graph;
  const own = edges.filter((edge) => edge.to === vertex);
  if (own.length === 0) return undefined;
  const gate = new InputGate({
    consumer: subtask,
    channels: own.flatMap((edge) =>
      producersOf(
        edge.partitioner,
        subtask,
        vertices[edge.from]!.parallelism,
        vertices[vertex]!.parallelism,
      ).map((producer) => ({
        edge: edge.index,
        input: edge.input,
        producer,
        reader: channels.reader({ edge: edge.index, producer, consumer: subtask }),
        unaligned: edge.unaligned,
      })),
    ),
  });
  const recovered = parts.restore?.channels ?? [];
  if (recovered.length > 0) gate.recover(recovered, keepOwn(parts));
  return gate;
}

/** Of rerouted in-flight data a subtask keeps the records whose key group is its own. */
function keepOwn({ compiled, vertex, subtask }: WiringParts): (edge: number, value: unknown) => boolean {
  const { parallelism, maxParallelism } = compiled.graph.vertices[vertex]!;
  return (index, value) => {
    const edge = compiled.graph.edges[index]!;
    const selector = selectorOf(compiled, edge);
    assert(selector !== undefined, 'only keyed edges are rerouted by record');
    const keyGroup = keyGroupOf(checkKey(selector(value)), maxParallelism);
    return subtaskOfKeyGroup(keyGroup, parallelism, maxParallelism) === subtask;
  };
}

function selectorOf(compiled: CompiledJob, edge: JobEdge): ((value: unknown) => unknown) | undefined {
  const head = compiled.graph.vertices[edge.to]!.operators[0]!;
  return compiled.keySelectors.get(head.uid)?.[edge.input];
}

/** What gives the key of the records that an operator hands on to keyed ones; `undefined` where it does not. */
export function keySelectorBehind(
  compiled: CompiledJob,
  vertex: number,
  operator: number,
): ((value: unknown) => unknown) | undefined {
  const keyed = compiled.graph.edges.find(
    ({ from, fromOperator, partitioner, tag }) =>
      from === vertex && fromOperator === operator && partitioner === 'key-group' && tag === undefined,
  );
  return keyed && selectorOf(compiled, keyed);
}

/** The outgoing edges of a subtask, by index of the edge. */
export function buildPorts(parts: WiringParts): Map<number, OutputPort> {
  const { compiled, channels, settings, vertex, subtask, random } = parts;
  const { vertices, edges } = compiled.graph;
  const ports = new Map<number, OutputPort>();
  for (const edge of edges.filter((candidate) => candidate.from === vertex)) {
    const consumers = vertices[edge.to]!.parallelism;
    const { name, uid, explicitUid } = vertices[edge.to]!.operators[0]!;
    const to = explicitUid ? `"${name}" (uid ${uid})` : `"${name}"`;
    const wired = consumersOf(edge.partitioner, subtask, vertices[vertex]!.parallelism, consumers);
    const router = createRouter(edge.partitioner, {
      channels: wired.length,
      keySelector:
        edge.partitioner === 'custom' ? (value) => value : namedSelector(selectorOf(compiled, edge), to),
      maxParallelism: vertices[edge.to]!.maxParallelism,
      partitioner: namedPartitioner(compiled.customPartitioners.get(edge.index), to),
      random: random.fork(`edge ${edge.index} of ${vertex}#${subtask}`),
    });
    ports.set(
      edge.index,
      new OutputPort({
        edge: edge.index,
        producer: subtask,
        router,
        channels: wired.map((consumer) => ({
          consumer,
          writer: channels.writer({ edge: edge.index, producer: subtask, consumer }),
        })),
        unaligned: edge.unaligned,
        bufferTimeoutMs: edge.bufferTimeoutMs ?? settings.bufferTimeoutMs,
        freezeRecords: settings.freezeRecords,
        random: random.fork(`markers on edge ${edge.index} of ${vertex}#${subtask}`),
      }),
    );
  }
  return ports;
}

// What says where a record goes runs with the operator before the edge, which gives its errors their place in the
// input. That it is not the function of that operator, they say themselves. Hot path: once per record.

type Selector = (value: unknown) => unknown;

function namedSelector(select: Selector | undefined, to: string): Selector | undefined {
  if (select === undefined) return undefined;
  return (value) => {
    try {
      return checkKey(select(value));
    } catch (error) {
      throw routingFailed('key', to, error);
    }
  };
}

function namedPartitioner(
  partition: CustomPartitioner | undefined,
  to: string,
): CustomPartitioner | undefined {
  if (partition === undefined) return undefined;
  return (value, subtasks) => {
    try {
      return partition(value, subtasks);
    } catch (error) {
      throw routingFailed('partition', to, error);
    }
  };
}

function routingFailed(what: string, to: string, cause: unknown): MillraceError {
  if (isMillraceError(cause, 'KEY_INVALID')) {
    return new MillraceError('KEY_INVALID', `the ${what} of a record for ${to}: ${cause.message}`, { cause });
  }
  const message = cause instanceof Error ? `${cause.name}: ${cause.message}` : `threw ${String(cause)}`;
  return new MillraceError('OPERATOR_FAILED', `the ${what} of a record for ${to}: ${message}`, { cause });
}

/** What each operator of the chain gets back. */
export function restoredOperators(
  restore: SubtaskRestore | undefined,
): ReadonlyMap<string, RestoredOperator> {
  return new Map(
    (restore?.operators ?? []).map((operator) => [
      operator.uid,
      {
        sections: new Map(operator.sections.map((section) => [section.name, section.items])),
        keyGroups: operator.keyGroups,
      },
    ]),
  );
}
