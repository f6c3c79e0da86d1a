/** The plan for people, as `millrace info` prints it: what runs in which chain, and how records travel between them. */

import type { JobEdge, JobGraph, JobVertex, PlannedOperator } from './job-graph.ts';
import { requiredSlots, slotSharingGroups } from './job-graph.ts';

/** The plan as text. The JSON of it is `JSON.stringify(graph)`. */
export function explain(graph: JobGraph): string {
  const head = `Job "${graph.name}": ${count(graph.vertices.length, 'task')}, ${count(requiredSlots(graph), 'slot')}`;
  const groups = slotSharingGroups(graph);
  const sharing =
    groups.length <= 1
      ? []
      : [`Slots: ${groups.map(({ name, slots }) => `${slots} of group "${name}"`).join(', ')}`];
  const tasks = graph.vertices.map((vertex, index) => explainVertex(vertex, index, graph));
  return `${[[head, ...sharing].join('\n'), ...tasks].join('\n\n')}\n`;
}

function explainVertex(vertex: JobVertex, index: number, graph: JobGraph): string {
  const inputs = graph.edges.filter(({ to }) => to === index).map((edge) => explainInput(edge, graph));
  return [
    `${index + 1}  ${vertex.name}`,
    `   parallelism ${vertex.parallelism}, max parallelism ${vertex.maxParallelism}${groupText(vertex)}`,
    ...inputs,
    ...vertex.operators.map(explainOperator),
  ].join('\n');
}

function groupText({ slotSharingGroup }: JobVertex): string {
  return slotSharingGroup === undefined ? '' : `, slot sharing group "${slotSharingGroup}"`;
}

function explainInput(edge: JobEdge, graph: JobGraph): string {
  const producer = graph.vertices[edge.from]!.operators[edge.fromOperator]!;
  const output = edge.tag === undefined ? '' : `, side output "${edge.tag}"`;
  return `   <- ${edge.from + 1}, ${producer.name}${output}: ${edge.partitioner}`;
}

function explainOperator(operator: PlannedOperator): string {
  const notes = [
    operator.kind,
    operator.explicitUid ? `uid ${operator.uid}` : 'no uid',
    ...(operator.keyed ? ['keyed'] : []),
    ...(operator.stateful ? ['state'] : []),
    ...(operator.description === undefined ? [] : [operator.description]),
    ...(operator.note === undefined ? [] : [operator.note]),
    ...(operator.poison === 'fail' ? [] : [`on error: ${operator.poison}`]),
  ];
  return `   * ${operator.name} (${notes.join(', ')})`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
