/**
 * From CPU profiles of threads to the flame graph of one task: a pure function.
 *
 * The work of each task goes through a function with a name of its own (see `hosts/task-runner.ts`): what is under it in a
 * profile is what the task computed, whatever else its thread did. Where code generation is forbidden there is no such
 * function, and the graph is that of the whole thread. Of code that V8 optimized before a profile began it tells the name of
 * the function, and not that of a file that only the code itself names.
 */

import { codeFolder } from '../base/own-package.ts';
import type { FlameNode } from './contract.ts';
import type { PlaceOf } from './source-places.ts';

/** Frames of one graph; the smallest are left out. */
export const FLAME_NODES_MAX = 4_000;
/** Flink's `rest.flamegraph.stack-depth`. */
export const FLAME_DEPTH_MAX = 100;

/** What is looked for in a profile. */
export interface FlamedTask {
  readonly vertex: number;
  /** All of them without. */
  readonly subtask: number | undefined;
}

/** A graph, and how much the threads did besides. */
export interface Flame {
  readonly root: FlameNode;
  /** See `FlameGraph.busiestShare`. */
  readonly busiestShare: number;
  readonly isWholeThread: boolean;
}

/** A node of a profile as V8 writes it. */
interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    /** From 0 on. */
    readonly lineNumber: number;
    readonly columnNumber?: number;
  };
  readonly hitCount?: number;
  readonly children?: readonly number[];
}

/** A CPU profile as V8 writes it, as far as it is looked at. */
export interface Profile {
  readonly nodes: readonly ProfileNode[];
}

interface Building {
  readonly name: string;
  readonly origin: FlameNode['origin'];
  value: number;
  readonly children: Map<string, Building>;
}

/** The modules whose functions are in a profile. */
export function urlsIn({ nodes }: Profile): Set<string> {
  return new Set(nodes.map(({ callFrame }) => callFrame.url));
}

/** The function through which a task works, see `hosts/task-runner.ts`. */
const TASK = /^runTask_(\d+)_(\d+)$/;

/** Puts the profiles of several threads together. */
export function flameOf(
  profiles: readonly Profile[],
  task: FlamedTask,
  placeOf: PlaceOf = () => undefined,
): Flame {
  const threads = profiles.map((profile) => new Thread(profile, placeOf));
  const isTold = threads.some((thread) => thread.hasTasks);
  const root: Building = { name: 'root', origin: 'engine', value: 0, children: new Map() };
  let busiestShare = 0;
  for (const thread of threads) {
    const nodes = isTold ? thread.nodesOf(task) : thread.roots();
    const own = nodes.reduce((sum, node) => sum + thread.addChildren(root, node, 0), 0);
    if (thread.samples > 0) busiestShare = Math.max(busiestShare, own / thread.samples);
  }
  return { root: finished(root, smallestKept(root)), busiestShare, isWholeThread: !isTold };
}

class Thread {
  readonly samples: number;
  readonly hasTasks: boolean;
  readonly #nodes: ReadonlyMap<number, ProfileNode>;
  readonly #placeOf: PlaceOf;

  constructor({ nodes }: Profile, placeOf: PlaceOf) {
    this.#placeOf = placeOf;
    this.#nodes = new Map(nodes.map((node) => [node.id, node]));
    this.samples = nodes.reduce((sum, { hitCount = 0 }) => sum + hitCount, 0);
    this.hasTasks = nodes.some(({ callFrame }) => TASK.test(callFrame.functionName));
  }

  nodesOf({ vertex, subtask }: FlamedTask): ProfileNode[] {
    return [...this.#nodes.values()].filter(({ callFrame }) => {
      const [, ofVertex, ofSubtask] = TASK.exec(callFrame.functionName) ?? [];
      return Number(ofVertex) === vertex && (subtask === undefined || Number(ofSubtask) === subtask);
    });
  }

  roots(): ProfileNode[] {
    return [...this.#nodes.values()].filter(({ callFrame }) => callFrame.functionName === '(root)');
  }

  /** What is under a node, and what the node itself computed, into a frame; the sum of both. */
  addChildren(into: Building, { hitCount = 0, children = [] }: ProfileNode, depth: number): number {
    let value = hitCount;
    for (const id of children) {
      const child = this.#nodes.get(id);
      if (child === undefined || child.callFrame.functionName === '(idle)') continue;
      // What a task hands over to another one is that one's.
      if (TASK.test(child.callFrame.functionName)) continue;
      value += depth >= FLAME_DEPTH_MAX ? this.#total(child) : this.#add(into, child, depth + 1);
    }
    into.value += value;
    return value;
  }

  #add(into: Building, node: ProfileNode, depth: number): number {
    const { functionName, url, lineNumber, columnNumber = 0 } = node.callFrame;
    const place = this.#placeOf(url, lineNumber, columnNumber) ?? { file: url, line: lineNumber };
    const name = nameOf(functionName, place.file, place.line);
    let frame = into.children.get(name);
    if (frame === undefined) {
      frame = { name, origin: originOf(url), value: 0, children: new Map() };
      into.children.set(name, frame);
    }
    return this.addChildren(frame, node, depth);
  }

  #total({ hitCount = 0, children = [] }: ProfileNode): number {
    return children.reduce((sum, id) => {
      const child = this.#nodes.get(id);
      return child === undefined ? sum : sum + this.#total(child);
    }, hitCount);
  }
}

/** `name (file:line)`; the file without its folders. */
function nameOf(functionName: string, url: string, lineNumber: number): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const path = url.startsWith('millrace/') ? 'made code' : (url.split('?')[0] ?? url);
  const file = path.startsWith('node:') ? path : (path.split('/').at(-1) ?? path);
  return lineNumber < 0 ? `${name} (${file})` : `${name} (${file}:${lineNumber + 1})`;
}

function originOf(url: string): FlameNode['origin'] {
  if (url === '') return 'native';
  if (url.startsWith('node:')) return 'node';
  if (url.startsWith('millrace/') || url.startsWith(codeFolder.href)) return 'engine';
  return url.includes('/node_modules/') ? 'library' : 'job';
}

/** What a frame must have at least, so that there are not too many of them. */
function smallestKept(root: Building): number {
  const values: number[] = [];
  const all = [root];
  for (let frame = all.pop(); frame !== undefined; frame = all.pop()) {
    values.push(frame.value);
    all.push(...frame.children.values());
  }
  if (values.length <= FLAME_NODES_MAX) return 0;
  return values.sort((left, right) => right - left)[FLAME_NODES_MAX]! + 1;
}

function finished({ name, origin, value, children }: Building, least: number): FlameNode {
  const shown = [...children.values()].filter((child) => child.value >= least && child.value > 0);
  return {
    name,
    origin,
    value,
    children: shown.sort((left, right) => right.value - left.value).map((child) => finished(child, least)),
  };
}
