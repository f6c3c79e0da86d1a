import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from '../../base/errors.ts';
import { type LineOptions, LineSplitter } from './line-splitter.ts';

const OPTIONS: LineOptions = { file: '/in/a.log', maxLineBytes: 1_000, invalid: 'fail' };
const SEED = 20170327;
const RUNS = 2_000;

function splitterOf(options: Partial<LineOptions> = {}, offset = 0, line = 0): LineSplitter {
  return new LineSplitter({ ...OPTIONS, ...options }, offset, line);
}

/** Every line, with the position behind it; what is thrown about stands as its code. */
function linesOf(splitter: LineSplitter, chunks: readonly Uint8Array[]): [string, number, number][] {
  const found: [string, number, number][] = [];
  const drain = (next: () => string | undefined): void => {
    for (;;) {
      let text: string | undefined;
      try {
        text = next();
      } catch (error) {
        assert.ok(isMillraceError(error));
        found.push([error.code, splitter.offset, splitter.line]);
        continue;
      }
      if (text === undefined) return;
      found.push([text, splitter.offset, splitter.line]);
    }
  };
  for (const chunk of chunks) {
    splitter.push(chunk);
    drain(() => splitter.next());
  }
  drain(() => splitter.end());
  return found;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function texts(splitter: LineSplitter, ...chunks: Uint8Array[]): string[] {
  return linesOf(splitter, chunks).map(([text]) => text);
}

/** The same by splitting everything at once. */
function naiveLines(content: Uint8Array, maxLineBytes: number): string[] {
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (let at = 0; at < content.length; at++) {
    if (content[at] !== 10) continue;
    pieces.push(content.subarray(from, at));
    from = at + 1;
  }
  if (from < content.length) pieces.push(content.subarray(from));
  return pieces.map((piece, index) => {
    const body = piece.at(-1) === 13 ? piece.subarray(0, -1) : piece;
    const mark = index === 0 && body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
    const text = mark ? body.subarray(3) : body;
    if (text.length > maxLineBytes) return 'SOURCE_LINE_TOO_LONG';
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text);
    } catch {
      return 'SOURCE_LINE_NOT_TEXT';
    }
  });
}

function cut(content: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let from = 0, index = 0; from < content.length; index++) {
    const size = sizes[index % sizes.length]!;
    chunks.push(content.slice(from, from + size));
    from += size;
  }
  return chunks;
}

describe('a line splitter', () => {
  it('ends lines with LF, CR LF or the end of the file', () => {
    assert.deepEqual(texts(splitterOf(), bytes('a\nb\r\n\nlast')), ['a', 'b', '', 'last']);
    assert.deepEqual(texts(splitterOf(), bytes('a\n')), ['a']);
    assert.deepEqual(texts(splitterOf(), bytes('')), []);
    assert.deepEqual(texts(splitterOf(), bytes('\n')), ['']);
    assert.deepEqual(texts(splitterOf(), bytes('in\rside\r\n')), ['in\rside']);
  });

  it('leaves a byte order mark out at the start and only there', () => {
    assert.deepEqual(texts(splitterOf(), bytes('\ufeffa\n\ufeffb\n')), ['a', '\ufeffb']);
    assert.deepEqual(texts(splitterOf({}, 4, 1), bytes('\ufeffb')), ['\ufeffb']);
  });

  it('keeps characters whole that lie across chunks', () => {
    const content = bytes('żółć\n🂡🂢\n');
    assert.deepEqual(texts(splitterOf(), ...cut(content, [1])), ['żółć', '🂡🂢']);
  });

  it('tells apart U+FFFD that stands in the file and bytes that are not text', () => {
    assert.deepEqual(texts(splitterOf(), bytes('a\ufffdb\n')), ['a\ufffdb']);
    const garbage = Uint8Array.of(0x61, 0xff, 0x0a, 0x62, 0x0a);
    assert.deepEqual(texts(splitterOf(), garbage), ['SOURCE_LINE_NOT_TEXT', 'b']);
    assert.deepEqual(texts(splitterOf({ invalid: 'replace' }), garbage), ['a\ufffd', 'b']);
  });

  it('names file and line of what is not text', () => {
    const splitter = splitterOf();
    splitter.push(Uint8Array.of(0x61, 0x0a, 0xff, 0x0a));
    splitter.next();
    assert.throws(() => splitter.next(), /\/in\/a\.log:2 is not UTF-8/);
  });

  it('gives up a line that is too long once, wherever its end is, and goes on behind it', () => {
    const content = bytes(`short\n${'x'.repeat(5_000)}\nafter\n${'y'.repeat(5_000)}`);
    for (const size of [7, 100, 1_001, 4_096, 100_000]) {
      assert.deepEqual(linesOf(splitterOf(), cut(content, [size])), [
        ['short', 6, 1],
        ...tooLong(size, 6, 5_001, 1),
        ['after', 5_013, 3],
        ...tooLong(size, 5_013, 5_000, 3),
      ]);
    }
  });

  /** In one chunk the whole line is known; else the position stays at its start until its end is found. */
  function tooLong(size: number, offset: number, length: number, line: number): [string, number, number][] {
    const whole = size === 100_000;
    const ended = length === 5_001;
    return [
      ['SOURCE_LINE_TOO_LONG', whole && ended ? offset + length : offset, whole && ended ? line + 1 : line],
    ];
  }

  it('counts neither the mark nor the end of a line', () => {
    const content = bytes(`\ufeff${'x'.repeat(1_000)}\r\n${'y'.repeat(1_000)}\r\n`);
    for (const size of [1, 999, 1_003, 5_000]) {
      assert.deepEqual(texts(splitterOf(), ...cut(content, [size])), ['x'.repeat(1_000), 'y'.repeat(1_000)]);
    }
  });

  it('reads a line of 100 MB in bounded memory', () => {
    const splitter = splitterOf({ maxLineBytes: 8 * 1024 * 1024 });
    const chunk = new Uint8Array(65_536).fill(0x78);
    let errors = 0;
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for (let read = 0; read < 100 * 1024 * 1024; read += chunk.length) {
      splitter.push(chunk);
      try {
        assert.equal(splitter.next(), undefined);
      } catch (error) {
        assert.ok(isMillraceError(error, 'SOURCE_LINE_TOO_LONG'));
        errors++;
      }
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    splitter.push(bytes('\nnext\n'));
    assert.equal(splitter.next(), 'next');
    assert.equal(splitter.line, 2);
    assert.equal(splitter.offset, 100 * 1024 * 1024 + 6);
    assert.equal(errors, 1);
    assert.ok(most < 64 * 1024 * 1024, `${most} bytes`);
  });

  it('finds the lines of any bytes in chunks of any size, and continues from any line', () => {
    const piece = fc.oneof(
      fc.constantFrom('\n', '\r\n', '\r', 'a', 'ż', '🂡', '\ufffd', '\ufeff', 'line '),
      fc.string({ unit: 'binary', maxLength: 12 }),
    );
    const text = fc.array(piece, { maxLength: 40 }).map((pieces) => bytes(pieces.join('')));
    const content = fc.oneof(text, fc.uint8Array({ maxLength: 120 }));
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(content, sizes, fc.nat(), (all, chunkSizes, from) => {
        const maxLineBytes = 60;
        const found = linesOf(splitterOf({ maxLineBytes }), cut(all, chunkSizes));
        assert.deepEqual(
          found.map(([line]) => line),
          naiveLines(all, maxLineBytes),
        );
        const last = found.at(-1);
        if (last === undefined) return;
        const start = found[from % found.length]!;
        // A line that is too long may be known before its end: reading would begin with it again.
        if (found.some(([line]) => line === 'SOURCE_LINE_TOO_LONG')) return;
        const rest = linesOf(
          splitterOf({ maxLineBytes }, start[1], start[2]),
          cut(all.slice(start[1]), chunkSizes),
        );
        assert.deepEqual(rest, found.slice((from % found.length) + 1));
      }),
      { seed: SEED, numRuns: RUNS },
    );
    console.log(`cases: line splitter ${RUNS} (minimum ${RUNS})`);
  });
});
