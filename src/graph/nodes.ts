/**
 * What a job consists of before it is planned: operators and the edges between them, as the user described them.
 *
 * All of it is frozen. Streams without an operator of their own (a partitioning, a union, a side output) are no
 * nodes: they are resolved into the {@link Origin}s of the operator that reads them.
 */

import type { TypeShape } from '../codecs/type-shape.ts';
import type { PartitionerKind } from '../exchange/partitioners.ts';
import type { Operator, OperatorFactory } from '../operators/operator.ts';
import type { Sink } from '../operators/sink.ts';
import type { Source } from '../operators/source.ts';
import type { WatermarkAlignment } from '../operators/watermark-strategy.ts';
import type { PoisonPolicy } from './job-graph.ts';

/** Whether an operator may share a chain: with both sides, only as its head, or with nobody. */
export type ChainingStrategy = 'always' | 'head' | 'never';

/** Reads the key of a record. */
export type KeySelector = (value: unknown) => unknown;

/** Chooses the channel of a record. */
export type CustomPartitioner = (value: unknown, channels: number) => number;

/** What the user may say about any operator. */
export interface NodeSettings {
  readonly name: string;
  /** What the operator is for, in the user's words, for the plan. */
  readonly description: string | undefined;
  readonly uid: string | undefined;
  readonly parallelism: number | undefined;
  readonly maxParallelism: number | undefined;
  readonly chaining: ChainingStrategy;
  /** `undefined`: that of its inputs when they agree, else `default`. */
  readonly slotSharingGroup: string | undefined;
  /** How long a result may wait for its batch to fill, ms; -1 = until it is full, `undefined` = as the job says. */
  readonly bufferTimeoutMs: number | undefined;
  /** One subtask, whatever the configuration says; another number is refused. */
  readonly nonParallel: boolean;
  readonly poison: PoisonPolicy;
  /** Declared type of the main output; `undefined` = nobody said. */
  readonly outputType: TypeShape | undefined;
  /** Refuse to run the job when this source or sink is not exactly once from end to end. */
  readonly exactlyOnce: boolean;
}

/** The type of a side output: as it was declared, or that of the records of an input, which it hands on. */
export type SideType =
  | { readonly kind: 'declared'; readonly shape: TypeShape }
  | { readonly kind: 'input'; readonly input: number };

/** What an operator is. */
export interface NodeKind {
  /** For example `map`, `process`, `source`, `sink`. */
  readonly kind: string;
  readonly factory: OperatorFactory;
  /** It keeps keyed state or timers, or a position that must be found again. */
  readonly stateful: boolean;
  /** Refuse to plan it without a uid. */
  readonly needsUid: boolean;
  /** Most subtasks that it can have; `undefined` = any number. */
  readonly parallelismLimit: number | undefined;
  /** Of its side outputs, by tag, as far as they are known. */
  readonly sideTypes: Readonly<Record<string, SideType>>;
  /** How it runs, for the plan, where that is not obvious. */
  readonly note: string | undefined;
  readonly source: Source<unknown> | undefined;
  /** Of a source: how it waits for others. */
  readonly alignment: WatermarkAlignment | undefined;
  /** Of a source: the same operator over another source. A test reads its own input through it. */
  readonly readerOf: ((source: Source<unknown>) => Operator) | undefined;
  readonly sink: Sink<unknown> | undefined;
}

/** An operator. */
export interface StreamNode extends NodeSettings, NodeKind {
  /** Order of creation; every edge leads from a lower id to a higher one. */
  readonly id: number;
  /** By input: how the record's key is read, for keyed inputs. */
  readonly keySelectors: readonly (KeySelector | undefined)[];
}

/** One stream of records that an operator reads or could read. */
export interface Origin {
  readonly node: number;
  /** Side output, or `undefined` for the main one. */
  readonly tag: string | undefined;
  /** `undefined`: forward between equal parallelisms, else rebalance. */
  readonly partitioner: PartitionerKind | undefined;
  readonly customPartitioner: CustomPartitioner | undefined;
}

/** An origin that is read: by input `input` of the operator `to`. */
export interface StreamEdge extends Origin {
  readonly to: number;
  readonly input: number;
}
