import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError } from './errors.ts';
import {
  consoleLog,
  type ConsoleLogOptions,
  entryLog,
  logFormatHere,
  type LogEntry,
  RECORDED_LINES_MAX,
  recordingLog,
  teeLog,
} from './log.ts';

function logged(options: ConsoleLogOptions, use: (log: ReturnType<typeof consoleLog>) => void): string {
  let text = '';
  use(consoleLog({ now: () => 1_500_000_000_123, stream: { write: (line) => (text += line) }, ...options }));
  return text;
}

test('writes one JSON object a line, with the fields of all parents', () => {
  const text = logged({}, (log) => {
    log.child({ jobId: 'j' }).child({ subtask: 1 }).info('started', { uid: 'count' });
    log.warn('late');
  });
  assert.deepEqual(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    [
      { level: 'info', time: 1_500_000_000_123, jobId: 'j', subtask: 1, uid: 'count', msg: 'started' },
      { level: 'warn', time: 1_500_000_000_123, msg: 'late' },
    ],
  );
});

test('writes only what is at least as important as the level', () => {
  const everything = (log: ReturnType<typeof consoleLog>): void => {
    log.debug('d');
    log.info('i');
    log.warn('w');
    log.error('e');
  };
  const counts = (['debug', 'info', 'warn', 'error', 'silent'] as const).map(
    (level) => logged({ level }, everything).split('\n').length - 1,
  );
  assert.deepEqual(counts, [4, 3, 2, 1, 0]);
});

test('writes errors with code, place, remedy and cause', () => {
  const error = new MillraceError('FILES_FAILED', 'no', {
    where: { uid: 'count' },
    cause: new Error('deep'),
  });
  const { error: found } = JSON.parse(logged({}, (log) => log.error('failed', { error }))) as {
    error: { code: string; where: object; cause: { message: string }; remedy: string };
  };
  assert.equal(found.code, 'FILES_FAILED');
  assert.deepEqual(found.where, { uid: 'count' });
  assert.equal(found.cause.message, 'deep');
  assert.match(found.remedy, /disk/);
});

test('lifts the code of an error to where whoever searches looks for it', () => {
  const codeOf = (fields: object): unknown =>
    (JSON.parse(logged({}, (log) => log.error('failed', fields))) as { code?: unknown }).code;
  assert.equal(codeOf({ error: new MillraceError('FILES_FAILED', 'no') }), 'FILES_FAILED');
  assert.equal(codeOf({ error: new MillraceError('FILES_FAILED', 'no'), code: 'OWN' }), 'OWN');
  assert.equal(codeOf({ error: new Error('no') }), undefined);
  assert.equal(codeOf({ error: 'no' }), undefined);
});

test('auto is json where the standard error is no terminal', () => {
  // The runner reads the output of its tests.
  assert.equal(logFormatHere('auto'), process.stderr.isTTY === true ? 'pretty' : 'json');
  assert.equal(logFormatHere('pretty'), 'pretty');
  assert.equal(logFormatHere('json'), 'json');
});

test('survives every field, and a field cannot pass for the level or the message', () => {
  const circle: Record<string, unknown> = {
    big: 2n ** 70n,
    not: Number.NaN,
    bytes: new Uint8Array(3),
    none: undefined,
  };
  circle.self = circle;
  const line = JSON.parse(
    logged({}, (log) => log.info('m', { ...circle, msg: 'forged', level: 'error', time: 0 })),
  ) as Record<string, unknown>;
  assert.equal(line.level, 'info');
  assert.equal(line.msg, 'm');
  assert.equal(line.msg_, 'forged');
  assert.equal(line.big, '1180591620717411303424');
  assert.equal(line.not, 'NaN');
  assert.equal(line.bytes, '[3 bytes]');
});

test('lets no text break a line, drive a terminal or turn the writing around', () => {
  const nasty = 'a\nINFO forged\u001b[31m\u009b2J\u202eb\r\u2028';
  for (const format of ['json', 'pretty'] as const) {
    const text = logged({ format }, (log) => log.info(nasty, { [nasty]: nasty, nested: [nasty] }));
    assert.equal(text.split('\n').length, 2);
    assert.doesNotMatch(text.slice(0, -1), /[\p{Cc}\u2028-\u202e]/u);
  }
  const line = JSON.parse(logged({}, (log) => log.info(nasty))) as { msg: string };
  assert.equal(line.msg, nasty);
});

test('writes short lines for people, with the stack of an error below', () => {
  const error = new Error('went wrong');
  error.stack = 'Error: went wrong\n    at job (/tmp/job.ts:3:5)';
  assert.equal(
    logged({ format: 'pretty' }, (log) =>
      log.error('job failed', { uid: 'count', attempts: 2, why: 'a b', error }),
    ),
    '02:40:00.123 ERROR job failed uid=count attempts=2 why="a b" error="went wrong"\n    at job (/tmp/job.ts:3:5)\n',
  );
});

test('keeps the last lines of a recording, those of children too', () => {
  const log = recordingLog();
  log.child({ a: 1 }).warn('first', { b: 2 });
  assert.deepEqual(log.lines, [{ level: 'warn', message: 'first', fields: { a: 1, b: 2 } }]);
  for (let index = 0; index < RECORDED_LINES_MAX; index++) log.debug(String(index));
  assert.equal(log.lines.length, RECORDED_LINES_MAX);
  assert.equal(log.lines[0]!.message, '0');
});

test('hands lines on as plain data that may cross threads', () => {
  const entries: LogEntry[] = [];
  const log = entryLog(
    'info',
    () => 7,
    (entry) => entries.push(entry),
  );
  log.child({ subtask: 2 }).warn('slow', { ms: 12n, run: () => {}, error: new MillraceError('FENCED', 'x') });
  log.debug('not this');
  assert.equal(entries.length, 1);
  const copy = structuredClone(entries[0]!);
  assert.deepEqual([copy.at, copy.level, copy.message, copy.fields['subtask']], [7, 'warn', 'slow', 2]);
  assert.equal((copy.fields['error'] as { code: string }).code, 'FENCED');
});

test('a tee writes to all its logs, with the fields of its children', () => {
  const [left, right] = [recordingLog(), recordingLog()];
  teeLog(left, right).child({ uid: 'u' }).info('hello', { n: 1 });
  assert.deepEqual(left.lines, [{ level: 'info', message: 'hello', fields: { uid: 'u', n: 1 } }]);
  assert.deepEqual(right.lines, left.lines);
});
