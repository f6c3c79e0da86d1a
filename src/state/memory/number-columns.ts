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

/** As many places are made bytes at a time: what one may take at most is asked for them, and not for a whole table. */
const PLACES_AT_ONCE = 2_048;
/** Where they are made; what comes of them is less, and is copied. */
const scratch = new BinaryWriter();

/** Makes a copy of bytes that are about to be overwritten. */
export type KeepBytes = (bytes: Uint8Array) => Uint8Array;

/** How numbers become bytes, unless as the generic codec writes them. */
export type NumberWriter = (value: number, out: BinaryWriter) => void;

/** See the head of the file. */
export class NumberColumns {
  count = 0;
  /** One after the other; nothing is longer than it has to be, as there may be many columns. */
  readonly keys: Uint8Array[] = [];
  readonly values: Uint8Array[] = [];
  readonly #write: NumberWriter | undefined;
  readonly #keep: KeepBytes | undefined;

  constructor(write?: NumberWriter, keep?: KeepBytes) {
    this.#write = write;
    this.#keep = keep;
  }

  /** Adds what is not free in a run that begins at the word `at`. */
  add(memory: Int32Array, at: number, { form, places }: PlaceRun): void {
    for (let done = 0; done < places; done += PLACES_AT_ONCE) {
      this.#addSome(memory, at + done * PLACE_WORDS[form], {
        form,
        places: Math.min(PLACES_AT_ONCE, places - done),
      });
    }
  }

  /** Hot path, here and below: once per key of a snapshot. */
  #addSome(memory: Int32Array, at: number, { form, places }: PlaceRun): void {
    const { buffer, byteOffset } = memory;
    const from = byteOffset + at * 4;
    const cells = new Float64Array(buffer, from, (places * PLACE_WORDS[form]) / 2);
    const numbers = form === 'number' ? this.#numberKeys(cells) : this.#textKeys(cells, buffer, from);
    this.count += numbers.length;
    const write = this.#write;
    if (write !== undefined) {
      const out = new BinaryWriter();
      for (let index = 0; index < numbers.length; index++) write(numbers[index]!, out);
      this.values.push(out.peek());
      return;
    }
    const written = this.#piece(numbers.length * GENERIC_NUMBER_BYTES_MAX, (bytes, offset) => {
      let end = offset;
      for (let index = 0; index < numbers.length; index++)
        end = writeGenericNumber(numbers[index]!, bytes, end);
      return end;
    });
    this.values.push(written);
  }

  #numberKeys(cells: Float64Array): number[] {
    const numbers: number[] = [];
    const keys = this.#piece((cells.length / 2) * NUMBER_KEY_BYTES, (bytes, offset) => {
      let at = offset;
      for (let cell = 0; cell < cells.length; cell += 2) {
        const key = cells[cell]!;
        if (Number.isNaN(key)) continue;
        at = writeKey(key, bytes, at);
        numbers.push(cells[cell + 1]!);
      }
      return at;
    });
    this.keys.push(keys);
    return numbers;
  }

  #textKeys(cells: Float64Array, buffer: ArrayBufferLike, byteOffset: number): number[] {
    const numbers: number[] = [];
    const units = Buffer.from(buffer, byteOffset, cells.length * 8);
    const keys = this.#piece((cells.length / 4) * TEXT_KEY_BYTES_MAX, (bytes, offset) => {
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
    this.keys.push(keys);
    return numbers;
  }

  /** What `write` makes, which takes `most` bytes at most. */
  #piece(most: number, write: (bytes: Uint8Array, at: number) => number): Uint8Array {
    scratch.reset();
    scratch.fill(most, write);
    return this.#keep === undefined ? scratch.finish() : this.#keep(scratch.peek());
  }
}

/** Columns by name. */
export class NumberAssembly {
  readonly #columns = new Map<number, NumberColumns>();
  readonly #keep: KeepBytes | undefined;
  #names = 0;

  constructor(keep?: KeepBytes) {
    this.#keep = keep;
  }

  /** A name that nobody has. */
  name(): number {
    return this.#names++;
  }

  of(name: number): NumberColumns {
    let columns = this.#columns.get(name);
    if (columns === undefined) {
      columns = new NumberColumns(undefined, this.#keep);
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
