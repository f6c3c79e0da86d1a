// A reporter for `node --test` that sends each event as one JSON line to file descriptor 3, where scripts/test.ts reads.
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import type { TestEvent } from 'node:test/reporters';

/** What scripts/test.ts needs of an event of the test runner. */
export interface ReportedEvent {
  readonly kind: 'start' | 'pass' | 'fail' | 'output' | 'summary';
  readonly file?: string | undefined;
  readonly name?: string | undefined;
  readonly line?: number | undefined;
  readonly nesting?: number | undefined;
  readonly isSuite?: boolean | undefined;
  /** The reason of a skip or a todo, when the test is one. */
  readonly skip?: string | undefined;
  readonly durationMs?: number | undefined;
  readonly error?: string | undefined;
  /** True when a test failed only because one of its subtests did. */
  readonly isEcho?: boolean | undefined;
  readonly text?: string | undefined;
}

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<never> {
  for await (const event of source) {
    const line = translate(event);
    if (line !== undefined) send(`${JSON.stringify(line)}\n`);
  }
  yield* [];
}

function translate(event: TestEvent): ReportedEvent | undefined {
  switch (event.type) {
    case 'test:start':
      return { kind: 'start', file: event.data.file, name: event.data.name, nesting: event.data.nesting };
    case 'test:pass':
    case 'test:fail': {
      const { data } = event;
      return {
        kind: event.type === 'test:pass' ? 'pass' : 'fail',
        file: data.file,
        name: data.name,
        line: data.line,
        nesting: data.nesting,
        isSuite: data.details.type === 'suite',
        skip: reason('skipped', data.skip) ?? reason('todo', data.todo),
        durationMs: data.details.duration_ms,
        ...(event.type === 'test:fail' ? describe(event.data.details.error) : {}),
      };
    }
    case 'test:stdout':
    case 'test:stderr':
      return { kind: 'output', file: event.data.file, text: event.data.message };
    // Among them: an error thrown after its test had ended.
    case 'test:diagnostic':
      return /error/i.test(event.data.message)
        ? { kind: 'output', file: event.data.file, text: `${event.data.message}\n` }
        : undefined;
    case 'test:summary':
      return { kind: 'summary', file: event.data.file };
    default:
      return undefined;
  }
}

function reason(kind: string, value: string | boolean | undefined): string | undefined {
  if (value === undefined || value === false) return undefined;
  return typeof value === 'string' && value !== '' ? `${kind}: ${value}` : `${kind}, without a reason`;
}

function describe(
  error: Error & { cause?: unknown; failureType?: string },
): Pick<ReportedEvent, 'error' | 'isEcho'> {
  const shown = error.cause ?? error;
  // An error whose stack is its message has nothing more to say.
  const isPlain = shown instanceof Error && shown.stack === shown.message;
  const text = isPlain ? shown.message : inspect(shown, { depth: 6, colors: false });
  return {
    error: typeof shown === 'string' ? shown : text,
    isEcho: error.failureType === 'subtestsFailed',
  };
}

// A pipe takes 64 KB at a time; a long line is written in pieces, waiting while the reader is behind.
function send(line: string): void {
  let rest = Buffer.from(line);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(3, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
