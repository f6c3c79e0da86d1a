// What a flame graph says: for which share of its thread's time a task computes, and in which function most of it goes.
import type { FlameGraph, FlameNode, JobDescription } from '../../../../src/rest/contract.ts';
import { type Conclusion, conclusion, saying } from './conclusion.ts';
import { labelOf } from './names.ts';

/** Fewer samples say nothing about shares. */
const samplesMin = 20;
/** A task that computes for less of its thread's time than that has nothing to be made faster. */
const quietShare = 0.05;

/** A function with what it computed itself, wherever it was called. */
export interface HotFunction {
  readonly name: string;
  readonly origin: FlameNode['origin'];
  /** Samples in the function itself. */
  readonly self: number;
  /** With what it called; a function that calls itself counts once. */
  readonly total: number;
}

/** Where the time went, the function with most samples of its own first. */
export function hotFunctions(root: FlameNode): HotFunction[] {
  const found = new Map<string, { origin: FlameNode['origin']; self: number; total: number }>();
  const visit = (node: FlameNode, above: ReadonlySet<string>): void => {
    const known = found.get(node.name) ?? { origin: node.origin, self: 0, total: 0 };
    found.set(node.name, known);
    known.self += selfOf(node);
    if (!above.has(node.name)) known.total += node.value;
    const below = new Set(above).add(node.name);
    for (const child of node.children) visit(child, below);
  };
  for (const child of root.children) visit(child, new Set());
  return [...found]
    .map(([name, rest]) => ({ name, ...rest }))
    .sort((left, right) => right.self - left.self || right.total - left.total);
}

function selfOf({ value, children }: FlameNode): number {
  return value - children.reduce((sum, child) => sum + child.value, 0);
}

/** The sentence above the graph. */
export function flameConclusion(description: JobDescription, graph: FlameGraph): Conclusion {
  const { root, busiestShare } = graph;
  const task = labelOf(description, graph.vertex);
  if (graph.status === 'FAILED') {
    return conclusion('bad', 'profile.failed', { task, reason: graph.failure ?? '' });
  }
  if (root === null) return conclusion('plain', 'profile.taking', { task });
  const values = { task, share: { kind: 'share', value: busiestShare } as const };
  const whole = graph.isWholeThread ? [saying('profile.whole-thread')] : [];
  if (root.value < samplesMin || busiestShare < quietShare) {
    return conclusion('good', 'profile.quiet', values, whole);
  }
  // The code of the job can be changed; what it calls is part of it.
  const hot = hotFunctions(root).filter(({ origin }) => origin === 'job');
  const own = hot.sort((left, right) => right.total - left.total)[0];
  if (own === undefined) return conclusion('plain', 'profile.engine', values, whole);
  const told = { ...values, name: own.name, part: { kind: 'share', value: own.total / root.value } as const };
  return conclusion('plain', 'profile.hottest', told, whole);
}

/** A frame where it is drawn: its place as a share of the width, its row from the top. */
export interface FlameFrame {
  readonly node: FlameNode;
  readonly path: readonly number[];
  readonly from: number;
  readonly width: number;
  readonly row: number;
}

/** The frames that are wide enough to be seen, below the one that fills the width. */
export function flameFrames(root: FlameNode, zoom: readonly number[], widthMin: number): FlameFrame[] {
  const frames: FlameFrame[] = [];
  let top = root;
  let row = 0;
  for (const [depth, index] of zoom.entries()) {
    const next = top.children[index];
    if (next === undefined) break;
    frames.push({ node: top, path: zoom.slice(0, depth), from: 0, width: 1, row });
    top = next;
    row += 1;
  }
  const add = (node: FlameNode, path: readonly number[], from: number, at: number): void => {
    const width = top.value === 0 ? 0 : node.value / top.value;
    if (width < widthMin) return;
    frames.push({ node, path, from, width, row: at });
    let next = from;
    for (const [index, child] of node.children.entries()) {
      add(child, [...path, index], next, at + 1);
      next += top.value === 0 ? 0 : child.value / top.value;
    }
  };
  add(top, zoom.slice(0, row), 0, row);
  return frames;
}
