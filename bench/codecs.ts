// The three ways of a batch to bytes and back, in one thread: `node bench/codecs.ts`. Records of seven fields with three
// strings, batches of 256, by turns; what counts is the median of seven turns of a second each, behind one that warms up.
import { BinaryReader, BinaryWriter } from '../src/codecs/binary.ts';
import { type BatchCodec, createBatchCodec, GENERIC } from '../src/codecs/batch-codec.ts';
import { shapeOfSchema } from '../src/codecs/schema-shape.ts';
import { t } from '../src/codecs/types.ts';

const BATCH = 256;
const TURNS = 8;
const TURN_MS = 1_000;

const login = t.object({
  user: t.string,
  host: t.string,
  path: t.string,
  status: t.int32,
  bytes: t.int32,
  at: t.int64,
  ok: t.boolean,
});
const records = Array.from({ length: BATCH }, (_, index) => ({
  user: `user-${(index * 7_919) % 1_000_003}`,
  host: `host-${index % 16}`,
  path: `/page/${index % 128}`,
  status: 200,
  bytes: index % 4_096,
  at: 1_700_000_000_000 + index,
  ok: index % 3 !== 0,
}));

const shape = shapeOfSchema(login);
const codecs: Readonly<Record<string, BatchCodec>> = {
  generic: GENERIC,
  'columns, plain loops': createBatchCodec(shape, { plain: true }),
  'columns, made loops': createBatchCodec(shape),
};

/** M records/s of writing, of reading, and of both one after the other. */
function turn(codec: BatchCodec): number[] {
  const out = new BinaryWriter();
  let layout = codec.write(records, out);
  const bytes = out.finish();
  const write = () => {
    out.reset();
    layout = codec.write(records, out);
  };
  const read = () => void codec.read(layout, BATCH, new BinaryReader(bytes));
  const both = () => {
    write();
    read();
  };
  return [write, read, both].map((work) => {
    const from = performance.now();
    let batches = 0;
    for (; performance.now() - from < TURN_MS / 3; batches++) work();
    return (batches * BATCH) / (performance.now() - from) / 1_000;
  });
}

const turns = Array.from({ length: TURNS }, () => Object.values(codecs).map((codec) => turn(codec))).slice(1); // The first one warms up.
for (const [index, name] of Object.keys(codecs).entries()) {
  const [write, read, both] = [0, 1, 2].map((part) => {
    const rates = turns.map((all) => all[index]![part]!).toSorted((left, right) => left - right);
    return `${rates[rates.length >> 1]!.toFixed(1)} (${rates[0]!.toFixed(1)} to ${rates.at(-1)!.toFixed(1)})`;
  });
  console.log(`${name.padEnd(22)} write ${write}, read ${read}, both ${both} M records/s`);
}
