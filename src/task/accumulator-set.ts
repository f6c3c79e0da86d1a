/**
 * The accumulators of one subtask: what its operators add to, and the bytes that the job master merges.
 *
 * AS-1 A part leaves as bytes: neither another thread nor this one sees it change afterwards.
 * AS-2 A part has at most PART_BYTES_MAX bytes, because all parts are kept in the job master and travel twice a second.
 */

import { BinaryWriter } from '../codecs/binary.ts';
import { genericCodec } from '../codecs/generic.ts';
import { MillraceError } from '../base/errors.ts';
import type { Accumulator, LocalAccumulator } from '../operators/accumulators.ts';

/** AS-2. */
export const PART_BYTES_MAX = 1_048_576;

/** Accumulators by name. */
export type AccumulatorDeclarations = ReadonlyMap<string, Accumulator<never, unknown>>;

/** See the head of the file. */
export class AccumulatorSet {
  readonly #declared: AccumulatorDeclarations | undefined;
  readonly #parts = new Map<string, Part>();

  /** Without declarations it takes any accumulator. */
  constructor(declared?: AccumulatorDeclarations) {
    this.#declared = declared;
  }

  /** The part of one accumulator; the same for all operators of the subtask. */
  of<In, Out>(accumulator: Accumulator<In, Out>): LocalAccumulator<In, Out> {
    const { name } = accumulator;
    const known = this.#parts.get(name);
    if (known?.accumulator === accumulator) return known.handle as LocalAccumulator<In, Out>;
    if (this.#declared !== undefined && this.#declared.get(name) !== (accumulator as unknown)) {
      throw new MillraceError('ACCUMULATOR_INVALID', `the accumulator "${name}" is not one of this job`, {
        remedy: 'Make it with env.addAccumulator() on the environment that describes the job.',
      });
    }
    const part = partOf(accumulator as unknown as Accumulator<unknown, unknown>);
    this.#parts.set(name, part);
    return part.handle as LocalAccumulator<In, Out>;
  }

  /** The bytes of the parts that were added to since the last call, by name; `undefined` when there are none. */
  changed(): Readonly<Record<string, Uint8Array>> | undefined {
    const parts = [...this.#parts].filter(([, part]) => part.isChanged);
    if (parts.length === 0) return undefined;
    return Object.fromEntries(parts.map(([name, part]) => [name, bytesOf(name, part)]));
  }
}

interface Part {
  readonly accumulator: unknown;
  readonly handle: LocalAccumulator<unknown, unknown>;
  value: unknown;
  isChanged: boolean;
}

function partOf(accumulator: Accumulator<unknown, unknown>): Part {
  const { aggregate } = accumulator;
  const part: Part = {
    accumulator,
    value: aggregate.createAccumulator(),
    isChanged: true,
    handle: {
      add: (value) => {
        part.value = aggregate.add(value, part.value);
        part.isChanged = true;
      },
      local: () => aggregate.result(part.value),
    },
  };
  return part;
}

function bytesOf(name: string, part: Part): Uint8Array {
  const writer = new BinaryWriter();
  genericCodec.encode(part.value, writer);
  const bytes = writer.finish();
  if (bytes.length > PART_BYTES_MAX) {
    throw new MillraceError(
      'ACCUMULATOR_INVALID',
      `the accumulator "${name}" has grown to ${bytes.length} bytes in one subtask, and ${PART_BYTES_MAX} is the most`,
      { remedy: 'Accumulate less: write what is large to a sink.' },
    );
  }
  part.isChanged = false;
  return bytes;
}
