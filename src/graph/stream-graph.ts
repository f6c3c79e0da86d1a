/**
 * The job as it was described, and the builder that the fluent interface fills.
 *
 * Owns the list of nodes and edges of one job. The fluent interface adds and sets; `build` gives a frozen copy.
 * Invariant G1: an edge leads from a lower node id to a higher one, so the order of the nodes is topological.
 */

import { assert } from '../base/assert.ts';
import type { Accumulator } from '../operators/accumulators.ts';
import type { JobDeclarations } from './job-graph.ts';
import type { NodeKind, NodeSettings, Origin, StreamEdge, StreamNode, KeySelector } from './nodes.ts';

/** A job without any decision about how it runs. */
export interface StreamGraph {
  /** Topological (G1). */
  readonly nodes: readonly StreamNode[];
  readonly edges: readonly StreamEdge[];
  /** Options that the job sets in code, by key; the command line and others come before them. */
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly declarations: JobDeclarations;
}

/** An operator to add; what is left out has its default. */
export interface NewNode
  extends Partial<Omit<NodeSettings, 'name'>>,
    Partial<Omit<NodeKind, 'kind' | 'factory'>> {
  readonly kind: string;
  /** Default: the kind. */
  readonly name?: string | undefined;
  readonly factory: NodeKind['factory'];
  readonly inputs: readonly NewInput[];
}

/** An input of a new operator. */
export interface NewInput {
  /** Several = a union. */
  readonly origins: readonly Origin[];
  readonly keySelector?: KeySelector | undefined;
}

/** Collects the operators of one job. */
export class StreamGraphBuilder {
  readonly #nodes: StreamNode[] = [];
  readonly #edges: StreamEdge[] = [];
  readonly #configuration = new Map<string, unknown>();
  readonly #accumulators = new Map<string, Accumulator<never, unknown>>();
  readonly #cachedFiles = new Map<string, string>();
  #jobParameters: Readonly<Record<string, string>> = Object.freeze({});

  /** Adds an operator behind others and returns its id. */
  add({ inputs, name, ...given }: NewNode): number {
    const id = this.#nodes.length;
    const node: StreamNode = {
      uid: undefined,
      parallelism: undefined,
      maxParallelism: undefined,
      chaining: 'always',
      slotSharingGroup: undefined,
      description: undefined,
      bufferTimeoutMs: undefined,
      nonParallel: false,
      poison: 'fail',
      outputType: undefined,
      sideTypes: {},
      exactlyOnce: false,
      stateful: false,
      needsUid: false,
      parallelismLimit: undefined,
      note: undefined,
      source: undefined,
      alignment: undefined,
      readerOf: undefined,
      sink: undefined,
      ...defined(given),
      kind: given.kind,
      factory: given.factory,
      name: name ?? given.kind,
      id,
      keySelectors: Object.freeze(inputs.map(({ keySelector }) => keySelector)),
    };
    this.#nodes.push(Object.freeze(node));
    for (const [input, { origins }] of inputs.entries()) this.#connect(origins, id, input);
    return id;
  }

  /** Changes what the user said about an operator. */
  set(id: number, settings: Partial<NodeSettings>): void {
    const node = this.#nodes[id];
    assert(node !== undefined, 'a stream stands for an operator of its own job');
    this.#nodes[id] = Object.freeze({ ...node, ...settings });
  }

  /** What is known of an operator so far. */
  node(id: number): StreamNode {
    const node = this.#nodes[id];
    assert(node !== undefined, 'a stream stands for an operator of its own job');
    return node;
  }

  configure(key: string, value: unknown): void {
    this.#configuration.set(key, value);
  }

  /** False when there is one of this name. */
  addAccumulator(accumulator: Accumulator<never, unknown>): boolean {
    if (this.#accumulators.has(accumulator.name)) return false;
    this.#accumulators.set(accumulator.name, accumulator);
    return true;
  }

  /** False when there is one of this name. */
  addCachedFile(name: string, path: string): boolean {
    if (this.#cachedFiles.has(name)) return false;
    this.#cachedFiles.set(name, path);
    return true;
  }

  setJobParameters(parameters: Readonly<Record<string, string>>): void {
    this.#jobParameters = Object.freeze({ ...parameters });
  }

  build(): StreamGraph {
    return Object.freeze({
      nodes: Object.freeze([...this.#nodes]),
      edges: Object.freeze([...this.#edges]),
      configuration: Object.freeze(Object.fromEntries(this.#configuration)),
      declarations: Object.freeze({
        accumulators: new Map(this.#accumulators),
        jobParameters: this.#jobParameters,
        cachedFiles: new Map(this.#cachedFiles),
      }),
    });
  }

  #connect(origins: readonly Origin[], to: number, input: number): void {
    assert(origins.length > 0, 'an input reads at least one stream');
    for (const origin of origins) {
      assert(origin.node < to, 'an edge leads to a later operator (G1)');
      this.#edges.push(Object.freeze({ ...origin, to, input }));
    }
  }
}

/** The fields that are not `undefined`: an option that was not given must not hide a default. */
function defined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
