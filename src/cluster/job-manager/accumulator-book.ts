/**
 * The accumulators of a job: the latest part of each subtask of the current deployment, merged when they are asked for.
 *
 * AB-1 A part is counted once: a later one of the same subtask takes its place, a new deployment begins without any, and so
 *      does a subtask whose region begins anew.
 */

import { MillraceError } from '../../base/errors.ts';
import { BinaryReader } from '../../codecs/binary.ts';
import { genericCodec } from '../../codecs/generic.ts';
import type { AccumulatorReport } from '../../hosts/messages.ts';
import type { Accumulator } from '../../operators/accumulators.ts';
import type { SubtaskId } from './execution-graph.ts';

/** See the head of the file. */
export class AccumulatorBook {
  readonly #declared: ReadonlyMap<string, Accumulator<never, unknown>>;
  /** By accumulator and subtask. */
  readonly #parts = new Map<string, Map<string, AccumulatorReport>>();

  constructor(declared: ReadonlyMap<string, Accumulator<never, unknown>>) {
    this.#declared = declared;
  }

  report(reports: readonly AccumulatorReport[]): void {
    for (const report of reports) {
      const parts = this.#parts.get(report.name) ?? new Map<string, AccumulatorReport>();
      this.#parts.set(report.name, parts.set(`${report.vertex}/${report.subtask}`, report));
    }
  }

  /** A failed deployment counts nothing. */
  nextDeployment(): void {
    this.#parts.clear();
  }

  /** Subtasks that begin anew count nothing yet. */
  renew(isRenewed: (id: SubtaskId) => boolean): void {
    for (const parts of this.#parts.values())
      for (const [key, part] of parts) if (isRenewed(part)) parts.delete(key);
  }

  /** All accumulators of the job by name; the error in place of a result that could not be merged. */
  results(): Readonly<Record<string, unknown>> {
    return Object.fromEntries(
      [...this.#declared.values()].map((accumulator) => [accumulator.name, this.#result(accumulator)]),
    );
  }

  #result({ name, aggregate }: Accumulator<never, unknown>): unknown {
    // In the same order at every call: not every merge gives the same in any order (sums of fractions, lists).
    const parts = [...(this.#parts.get(name)?.values() ?? [])].sort(
      (left, right) => left.vertex - right.vertex || left.subtask - right.subtask,
    );
    try {
      const values = parts.map(({ part }) => genericCodec.decode(new BinaryReader(part)));
      const first = values.length === 0 ? aggregate.createAccumulator() : values[0];
      return aggregate.result(values.slice(1).reduce((left, right) => aggregate.merge(left, right), first));
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      return new MillraceError(
        'ACCUMULATOR_INVALID',
        `the parts of the accumulator "${name}" could not be merged: ${message}`,
        { cause },
      );
    }
  }
}
