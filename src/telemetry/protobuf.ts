/**
 * Messages of OTLP as bytes of Protocol Buffers, and the little of an answer that is read.
 *
 * A message is its fields, each behind a tag; a message within another has its length before it:
 *
 * ```text
 * tag = number << 3 | wire type        wire types: 0 varint, 1 eight bytes, 2 length and bytes
 * ```
 *
 * Bytes are written from the last to the first, so that the length of a message is known when its tag is written.
 */

type Scalar = 'string' | 'bool' | 'int64' | 'fixed64' | 'sfixed64' | 'double' | 'enum' | 'hex';

/** Fields of a message by their names in JSON: the number, and what stands there. */
interface Schema {
  readonly [field: string]: readonly [number, Scalar | Schema];
}

const ANY_VALUE: Schema = {
  stringValue: [1, 'string'],
  boolValue: [2, 'bool'],
  intValue: [3, 'int64'],
  doubleValue: [4, 'double'],
};
const KEY_VALUE: Schema = { key: [1, 'string'], value: [2, ANY_VALUE] };
const RESOURCE: Schema = { attributes: [1, KEY_VALUE] };
const SCOPE: Schema = { name: [1, 'string'], version: [2, 'string'] };
const NUMBER_DATA_POINT: Schema = {
  startTimeUnixNano: [2, 'fixed64'],
  timeUnixNano: [3, 'fixed64'],
  asDouble: [4, 'double'],
  asInt: [6, 'sfixed64'],
  attributes: [7, KEY_VALUE],
};
const QUANTILE: Schema = { quantile: [1, 'double'], value: [2, 'double'] };
const SUMMARY_DATA_POINT: Schema = {
  startTimeUnixNano: [2, 'fixed64'],
  timeUnixNano: [3, 'fixed64'],
  count: [4, 'fixed64'],
  sum: [5, 'double'],
  quantileValues: [6, QUANTILE],
  attributes: [7, KEY_VALUE],
};
const METRIC: Schema = {
  name: [1, 'string'],
  gauge: [5, { dataPoints: [1, NUMBER_DATA_POINT] }],
  sum: [
    7,
    { dataPoints: [1, NUMBER_DATA_POINT], aggregationTemporality: [2, 'enum'], isMonotonic: [3, 'bool'] },
  ],
  summary: [11, { dataPoints: [1, SUMMARY_DATA_POINT] }],
};
const SPAN: Schema = {
  traceId: [1, 'hex'],
  spanId: [2, 'hex'],
  parentSpanId: [4, 'hex'],
  name: [5, 'string'],
  kind: [6, 'enum'],
  startTimeUnixNano: [7, 'fixed64'],
  endTimeUnixNano: [8, 'fixed64'],
  attributes: [9, KEY_VALUE],
  status: [15, { message: [2, 'string'], code: [3, 'enum'] }],
};

/** What is sent to `/v1/metrics`. */
export const METRICS_REQUEST: Schema = {
  resourceMetrics: [
    1,
    { resource: [1, RESOURCE], scopeMetrics: [2, { scope: [1, SCOPE], metrics: [2, METRIC] }] },
  ],
};

/** What is sent to `/v1/traces`. */
export const TRACES_REQUEST: Schema = {
  resourceSpans: [1, { resource: [1, RESOURCE], scopeSpans: [2, { scope: [1, SCOPE], spans: [2, SPAN] }] }],
};

const VARINT = 0;
const EIGHT_BYTES = 1;
const LENGTH = 2;
const WIRE_TYPE: Readonly<Record<Scalar, number>> = {
  string: LENGTH,
  hex: LENGTH,
  bool: VARINT,
  int64: VARINT,
  enum: VARINT,
  fixed64: EIGHT_BYTES,
  sfixed64: EIGHT_BYTES,
  double: EIGHT_BYTES,
};

/** The bytes of a message; fields that the schema does not know are refused. */
export function encodeMessage(message: object, schema: Schema): Uint8Array {
  const writer = new BackwardWriter();
  writeFields(writer, message, schema);
  return writer.bytes();
}

function writeFields(writer: BackwardWriter, message: object, schema: Schema): void {
  for (const [name, value] of Object.entries(message).reverse()) {
    const field = schema[name];
    if (field === undefined) throw new TypeError(`no message of the protocol has a field "${name}" here`);
    const [number, type] = field;
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    for (let index = values.length - 1; index >= 0; index -= 1) {
      if (values[index] !== undefined) writeField(writer, number, type, values[index]);
    }
  }
}

function writeField(writer: BackwardWriter, number: number, type: Scalar | Schema, value: unknown): void {
  if (typeof type === 'string') {
    writeScalar(writer, type, value);
    writer.varint(BigInt((number << 3) | WIRE_TYPE[type]));
    return;
  }
  const before = writer.length;
  writeFields(writer, value as object, type);
  writer.varint(BigInt(writer.length - before));
  writer.varint(BigInt((number << 3) | LENGTH));
}

function writeScalar(writer: BackwardWriter, type: Scalar, value: unknown): void {
  switch (type) {
    case 'string':
      return writer.lengthAndBytes(Buffer.from(value as string, 'utf8'));
    case 'hex':
      return writer.lengthAndBytes(Buffer.from(value as string, 'hex'));
    case 'bool':
      return writer.varint(value === true ? 1n : 0n);
    case 'enum':
      return writer.varint(BigInt(value as number));
    case 'int64':
      // A negative number takes all ten bytes, as two's complement of 64 bits.
      return writer.varint(BigInt.asUintN(64, BigInt(value as string)));
    case 'fixed64':
    case 'sfixed64':
      return writer.eightBytes((view) =>
        view.setBigUint64(0, BigInt.asUintN(64, BigInt(value as string)), true),
      );
    case 'double':
      return writer.eightBytes((view) => view.setFloat64(0, value as number, true));
  }
}

const BYTES_AT_FIRST = 4_096;

/** Grows at its beginning. */
class BackwardWriter {
  #buffer = new Uint8Array(BYTES_AT_FIRST);
  #start = BYTES_AT_FIRST;

  get length(): number {
    return this.#buffer.length - this.#start;
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start);
  }

  varint(value: bigint): void {
    const bytes: number[] = [];
    let rest = value;
    while (rest > 0x7fn) {
      bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.#put(bytes);
  }

  lengthAndBytes(bytes: Uint8Array): void {
    this.#put(bytes);
    this.varint(BigInt(bytes.length));
  }

  eightBytes(write: (view: DataView) => void): void {
    const bytes = new Uint8Array(8);
    write(new DataView(bytes.buffer));
    this.#put(bytes);
  }

  #put(bytes: ArrayLike<number>): void {
    if (bytes.length > this.#start) this.#grow(bytes.length);
    this.#start -= bytes.length;
    this.#buffer.set(bytes, this.#start);
  }

  #grow(needed: number): void {
    const { length } = this.#buffer;
    const grown = new Uint8Array(Math.max(2 * length, length + needed));
    const start = this.#start + grown.length - length;
    grown.set(this.bytes(), start);
    this.#buffer = grown;
    this.#start = start;
  }
}

/** What a collector says when it did not take everything. */
export interface PartialSuccess {
  readonly rejected: number;
  readonly message: string;
}

/** Of an answer in bytes; bytes that are none are taken for "everything was taken". */
export function decodePartialSuccess(bytes: Uint8Array): PartialSuccess | undefined {
  const partial = fieldsOf(bytes).get(1);
  if (!(partial instanceof Uint8Array)) return undefined;
  const fields = fieldsOf(partial);
  const rejected = fields.get(1);
  const message = fields.get(2);
  return {
    rejected: typeof rejected === 'number' ? rejected : 0,
    message: message instanceof Uint8Array ? Buffer.from(message).toString('utf8') : '',
  };
}

/** Varints and bytes of one message by their numbers, as far as they can be read. */
function fieldsOf(bytes: Uint8Array): Map<number, number | Uint8Array> {
  const fields = new Map<number, number | Uint8Array>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let power = 1; at < bytes.length; power *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * power;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case VARINT:
        fields.set(number, varint());
        break;
      case LENGTH: {
        const length = varint();
        fields.set(number, bytes.subarray(at, at + length));
        at += length;
        break;
      }
      case EIGHT_BYTES:
        at += 8;
        break;
      default:
        return fields;
    }
  }
  return fields;
}
