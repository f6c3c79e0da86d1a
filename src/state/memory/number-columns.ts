/**
 * Numbers by key as two columns of bytes, made of copies of the places of typed tables (number-table.ts draws a place).
 *
 * It knows neither tables nor states, so that it also works in a thread that has none.
 */

import { Buffer } from 'node:buffer';
import { writeKey, writePlainKey } from '../../base/key.ts';
import { BinaryWriter } from '../../codecs/binary.ts';
import { GENERIC_NUMBER_BYTES_MAX, writeGenericNumber } from '../../codecs/generic-number.ts';

/** What a place holds: a number by a number, or by a short text. */
export type PlaceForm = 'number' | 'text';

/** Words of 32 bits of a place. */
export const PLACE_WORDS: Readonly<Record<PlaceForm, number>> = { number: 4, text: 8 };

/** Places that lie one after the other. */
export interface PlaceRun {
  readonly form: PlaceForm;
  readonly places: number;
}

/** A run, and the columns that it belongs to. */
export interface NamedRun extends PlaceRun {
  readonly columns: number;
}

/** A tag and eight bytes. */
const NUMBER_KEY_BYTES = 9;
/** A tag, an end, and two bytes for each of 19 units: one above 0x7f, or one that is escaped. */
const TEXT_KEY_BYTES_MAX = 40;

/** How numbers become bytes, unless as the generic codec writes them. */
export type NumberWriter = (value: number, out: BinaryWriter) => void;

/** See the head of the file. */
export class NumberColumns {
  count = 0;
  readonly keys = new BinaryWriter();
  readonly values = new BinaryWriter();
  readonly #write: NumberWriter | undefined;

  constructor(write?: NumberWriter) {
    this.#write = write;
  }

  /** Adds what is not free in a run that begins at the word `at`. Hot path, here and below: once per key of a snapshot. */
  add(memory: Int32Array, at: number, { form, places }: PlaceRun): void {
    const { buffer, byteOffset } = memory;
    const from = byteOffset + at * 4;
    const cells = new Float64Array(buffer, from, (places * PLACE_WORDS[form]) / 2);
    const numbers = form === 'number' ? this.#numberKeys(cells) : this.#textKeys(cells, buffer, from);
    this.count += numbers.length;
    const write = this.#write;
    if (write !== undefined) {
      for (let index = 0; index < numbers.length; index++) write(numbers[index]!, this.values);
      return;
    }
    this.values.fill(numbers.length * GENERIC_NUMBER_BYTES_MAX, (bytes, offset) => {
      let end = offset;
      for (let index = 0; index < numbers.length; index++)
        end = writeGenericNumber(numbers[index]!, bytes, end);
      return end;
    });
  }

  #numberKeys(cells: Float64Array): number[] {
    const numbers: number[] = [];
    this.keys.fill((cells.length / 2) * NUMBER_KEY_BYTES, (bytes, offset) => {
      let at = offset;
      for (let cell = 0; cell < cells.length; cell += 2) {
        const key = cells[cell]!;
        if (Number.isNaN(key)) continue;
        at = writeKey(key, bytes, at);
        numbers.push(cells[cell + 1]!);
      }
      return at;
    });
    return numbers;
  }

  #textKeys(cells: Float64Array, buffer: ArrayBufferLike, byteOffset: number): number[] {
    const numbers: number[] = [];
    const units = Buffer.from(buffer, byteOffset, cells.length * 8);
    this.keys.fill((cells.length / 4) * TEXT_KEY_BYTES_MAX, (bytes, offset) => {
      let at = offset;
      for (let from = 5; from < units.length; from += 32) {
        const length = units[from - 1]! - 1;
        if (length < 0) continue;
        const end = writePlainKey(units, { from, length }, bytes, at);
        at = end >= 0 ? end : writeKey(units.toString('latin1', from, from + length), bytes, at);
        numbers.push(cells[(from + 19) >> 3]!);
      }
      return at;
    });
    return numbers;
  }
}

/** Columns by name. */
export class NumberAssembly {
  readonly #columns = new Map<number, NumberColumns>();
  #names = 0;

  /** A name that nobody has. */
  name(): number {
    return this.#names++;
  }

  of(name: number): NumberColumns {
    let columns = this.#columns.get(name);
    if (columns === undefined) {
      columns = new NumberColumns();
      this.#columns.set(name, columns);
    }
    return columns;
  }

  /** Adds runs that lie one after the other from the beginning of a memory. */
  add(memory: Int32Array, runs: readonly NamedRun[]): void {
    let at = 0;
    for (const run of runs) {
      this.of(run.columns).add(memory, at, run);
      at += run.places * PLACE_WORDS[run.form];
    }
  }
}
