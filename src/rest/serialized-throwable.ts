/**
 * An error as Flink's Java clients take it over the wire: a `SerializedThrowable` in the format of Java's object streams.
 *
 * They read nothing else of a failed operation, and go on asking for it until their time is over when they cannot.
 *
 * ```text
 *   magic, version
 *   OBJECT  CLASSDESC SerializedThrowable < CLASSDESC Exception < CLASSDESC Throwable < null
 *     Throwable            cause = null, detailMessage, stackTrace = null, suppressedExceptions = null, END
 *     SerializedThrowable  fullStringifiedStackTrace, originalErrorClassName, serializedException = null
 * ```
 *
 * Without a serialized exception the reader gives back the throwable itself, which prints the whole text: no class that a
 * client would have to load is named.
 */

const TC = { null: 0x70, reference: 0x71, class: 0x72, object: 0x73, string: 0x74, end: 0x78 } as const;
const STREAM_HEADER = [0xac, 0xed, 0x00, 0x05];
const SERIALIZABLE = 0x02;
const WRITES_ITSELF = 0x01;
/** Handles are given in the order of writing: the class is the first, the name of the type of strings the second. */
const HANDLE_OF_STRING_TYPE = [0x00, 0x7e, 0x00, 0x01];
const STRING_TYPE = 'Ljava/lang/String;';
/** A string of the short form holds no more; the rest of a longer one is left out. */
const STRING_BYTES_MAX = 65_535;

/** What is told of an error. */
export interface ToldError {
  /** Its code or class. */
  readonly name: string;
  /** One line. */
  readonly message: string;
  /** All of it, with the stack. */
  readonly stack: string;
}

/** In base64, as JSON carries it. */
export function serializedThrowable({ name, message, stack }: ToldError): string {
  return Buffer.concat([
    Uint8Array.from([...STREAM_HEADER, TC.object]),
    classHead('org.apache.flink.util.SerializedThrowable', 7_284_183_123_441_947_635n, SERIALIZABLE, 3),
    field('L', 'fullStringifiedStackTrace', string(STRING_TYPE)),
    field('L', 'originalErrorClassName', Uint8Array.from([TC.reference, ...HANDLE_OF_STRING_TYPE])),
    field('[', 'serializedException', string('[B')),
    Uint8Array.of(TC.end),
    classHead('java.lang.Exception', -3_387_516_993_124_229_948n, SERIALIZABLE, 0),
    Uint8Array.of(TC.end),
    classHead('java.lang.Throwable', -3_042_686_055_658_047_285n, SERIALIZABLE | WRITES_ITSELF, 4),
    field('L', 'cause', string('Ljava/lang/Throwable;')),
    field('L', 'detailMessage', Uint8Array.from([TC.reference, ...HANDLE_OF_STRING_TYPE])),
    field('[', 'stackTrace', string('[Ljava/lang/StackTraceElement;')),
    field('L', 'suppressedExceptions', string('Ljava/util/List;')),
    Uint8Array.of(TC.end, TC.null),
    Uint8Array.of(TC.null),
    string(message),
    Uint8Array.of(TC.null, TC.null, TC.end),
    string(stack),
    string(name),
    Uint8Array.of(TC.null),
  ]).toString('base64');
}

function classHead(name: string, version: bigint, flags: number, fields: number): Uint8Array {
  const tail = Buffer.alloc(11);
  tail.writeBigInt64BE(version, 0);
  tail.writeUInt8(flags, 8);
  tail.writeUInt16BE(fields, 9);
  return Buffer.concat([Uint8Array.of(TC.class), text(name), tail]);
}

function field(kind: 'L' | '[', name: string, type: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(kind, 'latin1'), text(name), type]);
}

function string(value: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(TC.string), text(value)]);
}

/** Java's modified UTF-8: each UTF-16 unit by itself, and no byte that is zero. */
function text(value: string): Uint8Array {
  const bytes: number[] = [];
  for (let index = 0; index < value.length; index++) {
    const unit = value.charCodeAt(index);
    const encoded =
      unit >= 1 && unit < 0x80
        ? [unit]
        : unit < 0x800
          ? [0xc0 | (unit >> 6), 0x80 | (unit & 0x3f)]
          : [0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)];
    if (bytes.length + encoded.length > STRING_BYTES_MAX) break;
    bytes.push(...encoded);
  }
  return Uint8Array.from([bytes.length >> 8, bytes.length & 0xff, ...bytes]);
}
