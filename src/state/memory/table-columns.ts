/** The cells of one state and key group as bytes, made cell by cell; table-bytes.ts draws them. */

import { BinaryWriter } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';
import { GENERIC_CODEC_ID } from '../../codecs/generic.ts';
import { GenericEncoder } from '../../codecs/generic-encoder.ts';
import type { ListBuffer } from './list-buffer.ts';
import { encodeScopedKey, type ScopedKey } from './scoped-key.ts';
import { type Stamped, StampedCodec } from './stamped.ts';
import type { StateLayout } from './state-layout.ts';

/** What is written of a map. */
export interface StoredMap {
  readonly size: number;
  visit(each: (key: unknown, value: unknown) => void): void;
}

/** See the head of the file. */
export class TableColumns {
  count = 0;
  readonly keys = new BinaryWriter();
  readonly #kind: StateLayout['kind'];
  /** Of lists and maps: how many each holds. */
  readonly #lengths: BinaryWriter | undefined;
  readonly #mapKeys: Column | undefined;
  readonly #values: Column;

  /** `first` values are written before these, and count in the messages of errors. */
  constructor({ kind, codec, keyCodec }: StateLayout, first = 0) {
    this.#kind = kind;
    this.#lengths = kind === 'list' || kind === 'map' ? new BinaryWriter() : undefined;
    this.#mapKeys = kind === 'map' ? new Column(keyCodec, 0) : undefined;
    this.#values = new Column(codec, first);
  }

  /** So many bytes are there by now. */
  get bytes(): number {
    return this.keys.length + this.#values.bytes + (this.#mapKeys?.bytes ?? 0);
  }

  add(key: ScopedKey, value: unknown): void {
    encodeScopedKey(key, this.keys);
    this.count++;
    if (this.#kind === 'list') this.#addList(value as ListBuffer);
    else if (this.#kind === 'map') this.#addMap(value as StoredMap);
    else this.#values.add(value);
  }

  /** The values alone, without what a column begins with. */
  plainValues(): Uint8Array {
    return this.#values.plain();
  }

  /** The whole table. */
  body(): Uint8Array {
    const out = new BinaryWriter(this.bytes + (this.#lengths?.length ?? 0) + COUNTS_BYTES);
    out.varint(this.count);
    out.raw(this.keys.peek());
    if (this.#lengths !== undefined) out.raw(this.#lengths.peek());
    this.#mapKeys?.writeTo(out);
    this.#values.writeTo(out);
    return out.peek();
  }

  #addList(list: ListBuffer): void {
    const items = list.peek();
    this.#lengths!.varint(items.length);
    for (const item of items) this.#values.add(item);
  }

  #addMap(map: StoredMap): void {
    this.#lengths!.varint(map.size);
    map.visit((key, value) => {
      this.#mapKeys!.add(key);
      this.#values.add(value);
    });
  }
}

/** Three counts. */
const COUNTS_BYTES = 24;

/** Values of one codec, one behind the other. */
class Column {
  readonly #out = new BinaryWriter();
  readonly #times: BinaryWriter | undefined;
  readonly #codec: Codec<unknown>;
  readonly #generic: GenericEncoder | undefined;
  #count = 0;
  readonly #first: number;

  constructor(codec: Codec<unknown>, first: number) {
    this.#times = codec instanceof StampedCodec ? new BinaryWriter() : undefined;
    this.#codec = codec instanceof StampedCodec ? codec.inner : codec;
    this.#generic = this.#codec.id === GENERIC_CODEC_ID ? new GenericEncoder(this.#out) : undefined;
    this.#first = first;
  }

  get bytes(): number {
    return this.#out.length + (this.#times?.length ?? 0);
  }

  add(value: unknown): void {
    let plain = value;
    if (this.#times !== undefined) {
      this.#times.f64((value as Stamped<unknown>).time);
      plain = (value as Stamped<unknown>).value;
    }
    if (this.#generic === undefined) this.#codec.encode(plain, this.#out);
    else this.#generic.root(plain, this.#first + this.#count);
    this.#count++;
  }

  plain(): Uint8Array {
    return this.#out.peek();
  }

  writeTo(out: BinaryWriter): void {
    if (this.#times !== undefined) out.raw(this.#times.peek());
    if (this.#generic !== undefined) out.varint(this.#count);
    out.raw(this.#out.peek());
  }
}
