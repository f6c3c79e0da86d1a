/**
 * The numbers of a column in the form that takes the fewest bytes of four; the format is drawn in `columns.ts`.
 *
 * Made loops keep the numbers of a batch in memory of their own, which is used again: {@link NumberMemory}.
 */

import type { BinaryReader, BinaryWriter } from './binary.ts';
import { Mismatch } from './row-format.ts';
import { describeShape, type TypeShape } from './type-shape.ts';

const F64 = 0;
const I32 = 1;
const EQUAL = 2;
const NEAR = 3;

/** Values that may stand in bytes that do not grow with them: what claims more is damaged. */
export const EQUAL_MAX = 65_536;
const U32_MAX = 0xffff_ffff;

/** The numbers of a column while a batch is written or read; they lie in one of the two. */
export class NumberMemory {
  i32: Int32Array = new Int32Array(0);
  f64: Float64Array = new Float64Array(0);

  reserve(count: number): void {
    if (this.f64.length >= count) return;
    this.i32 = new Int32Array(count);
    this.f64 = new Float64Array(count);
  }
}

/** Writes numbers of which nothing is known. */
export function writeNumbers(shape: TypeShape, values: readonly unknown[], out: BinaryWriter): void {
  let whole = true;
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (typeof value !== 'number') throw new Mismatch(`it is no ${describeShape(shape)}`);
    if (whole && !isI32(value)) whole = false;
  }
  writeKnownNumbers(values as readonly number[], values.length, whole, out);
}

/** Writes the first `count` numbers; `whole`: each is an i32, and none is -0. */
export function writeKnownNumbers(
  values: ArrayLike<number>,
  count: number,
  whole: boolean,
  out: BinaryWriter,
): void {
  if (areEqual(values, count, whole)) {
    out.u8(EQUAL);
    out.f64(values[0]!);
    return;
  }
  if (whole) {
    out.u8(I32);
    out.i32s(values, count);
    return;
  }
  const base = baseOf(values, count);
  if (base === undefined) {
    out.u8(F64);
    out.f64s(values, count);
  } else {
    out.u8(NEAR);
    out.f64(base);
    out.u32sAbove(base, values, count);
  }
}

/** Reads so many numbers. */
export function readNumbers(count: number, from: BinaryReader): number[] {
  const form = formOf(count, from);
  const values = new Array<number>(count);
  if (form === EQUAL) return values.fill(from.f64());
  if (form === I32) from.i32s(count, values);
  else fill(form, count, from, values);
  return values;
}

/** Reads so many numbers into the memory; true when they lie in `i32`. */
export function readNumbersInto(count: number, from: BinaryReader, memory: NumberMemory): boolean {
  const form = formOf(count, from);
  memory.reserve(count);
  if (form === I32) {
    from.i32s(count, memory.i32);
    return true;
  }
  if (form !== EQUAL) {
    fill(form, count, from, memory.f64);
    return false;
  }
  const value = from.f64();
  const whole = isI32(value);
  if (whole) memory.i32.fill(value, 0, count);
  else memory.f64.fill(value, 0, count);
  return whole;
}

function fill(form: number, count: number, from: BinaryReader, into: { [index: number]: number }): void {
  if (form === F64) from.f64s(count, into);
  else from.u32sAbove(from.f64(), count, into);
}

function formOf(count: number, from: BinaryReader): number {
  const form = from.u8();
  if (form > NEAR) throw from.corrupt(`numbers begin with ${form}`, from.position - 1);
  // What is not there is not made room for.
  if (form === EQUAL ? count > EQUAL_MAX : count * 4 > from.remaining)
    throw from.corrupt(`${count} numbers were expected`);
  return form;
}

// Not -0, which i32 would lose.
function isI32(value: number): boolean {
  return (value | 0) === value && !Object.is(value, -0);
}

// Zeros that are not whole may have either sign.
function areEqual(values: ArrayLike<number>, count: number, whole: boolean): boolean {
  const first = values[0];
  if (count === 0 || count > EQUAL_MAX || (!whole && first === 0)) return false;
  for (let index = 0; index < count; index++) if (values[index] !== first) return false;
  return true;
}

/** The smallest of integers that lie near each other, such as times. */
function baseOf(values: ArrayLike<number>, count: number): number | undefined {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < count; index++) {
    const value = values[index]!;
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) return undefined;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return most - least <= U32_MAX ? least : undefined;
}
