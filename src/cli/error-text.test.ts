// Errors as people read them: what, where, at which line of theirs, why, what to do.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MillraceError } from '../base/errors.ts';
import { errorText, type ErrorTextOptions, locationText } from './error-text.ts';
import { styleOf } from './terminal.ts';

const options: ErrorTextOptions = {
  style: styleOf(false),
  verbose: false,
  ownFolder: '/app/node_modules/millrace/',
  workingDirectory: '/app',
};

function withStack(error: Error, frames: readonly string[]): Error {
  error.stack = [`${error.name}: ${error.message}`, ...frames.map((frame) => `    at ${frame}`)].join('\n');
  return error;
}

describe('the text of an error', () => {
  it('says what happened, where, at which line of the user, why and what to do', () => {
    const cause = withStack(new TypeError("Cannot read properties of undefined (reading 'id')"), [
      'Object.run (/app/node_modules/millrace/dist/task/chain.js:9:9)',
      'keyOf (file:///app/src/job.ts:12:9)',
      'node:internal/main:1:1',
    ]);
    const error = new MillraceError('KEY_INVALID', 'the key selector failed', {
      where: { operator: 'alerts', uid: 'a1', subtask: 1, position: 'auth.log:17' },
      remedy: 'Return a key.',
      cause,
    });
    assert.equal(
      errorText(error, options),
      [
        'KEY_INVALID  the key selector failed',
        '  where  operator alerts (uid a1) · subtask 1 · auth.log:17',
        '  at     src/job.ts:12:9 (keyOf)',
        "  why    TypeError: Cannot read properties of undefined (reading 'id')",
        '  do     Return a key.',
        '  more   millrace explain KEY_INVALID',
        '',
      ].join('\n'),
    );
  });

  it('takes the deepest place that is known', () => {
    const inner = new MillraceError('KEY_INVALID', 'inner', { where: { subtask: 2, position: 'x:1' } });
    const outer = new MillraceError('FILES_FAILED', 'outer', { where: { operator: 'map' }, cause: inner });
    assert.match(errorText(outer, options), /where {2}operator map · subtask 2 · x:1/);
  });

  it('puts what made the job fail in front of the failure', () => {
    const cause = new MillraceError('FILES_FAILED', 'open x: denied');
    const error = new MillraceError('JOB_FAILED', 'the job "a" failed (no restart): open x: denied', {
      cause,
    });
    const text = errorText(error, options);
    assert.match(text, /^FILES_FAILED {2}open x: denied\n/);
    assert.match(text, /so {5}the job "a" failed \(no restart\)\n/);
  });

  it('says a reason once, also when a cause only repeats it', () => {
    const cause = new SyntaxError('enum is not supported');
    const error = new MillraceError('JOB_NOT_LOADABLE', 'job.ts:3: enum is not supported', { cause });
    assert.doesNotMatch(errorText(error, options), /why/);
  });

  it('shortens paths in what to do, as everywhere', () => {
    const error = new MillraceError('CHECKPOINT_CORRUPT', 'x', { remedy: 'Choose -s /app/chk-7.' });
    assert.match(errorText(error, options), /do {5}Choose -s chk-7\.\n/);
  });

  it('shows stacks on request only', () => {
    const error = withStack(new Error('x'), ['run (/app/node_modules/millrace/dist/a.js:1:1)']);
    assert.doesNotMatch(errorText(error, options), /dist\/a\.js/);
    assert.match(errorText(error, { ...options, verbose: true }), /dist\/a\.js:1:1/);
  });

  it('takes whatever was thrown', () => {
    assert.equal(errorText('just text', options), 'Error  just text\n');
    assert.match(
      errorText(withStack(new RangeError('too far'), ['/app/job.ts:3:1']), options),
      /RangeError.*\n {2}at {5}job\.ts:3:1/,
    );
  });

  it('does not follow causes for ever', () => {
    const error = new Error('round');
    error.cause = error;
    assert.match(errorText(error, options), /round/);
  });

  it('names a place only when it is known', () => {
    assert.equal(locationText({}), undefined);
    assert.equal(locationText({ uid: 'a', subtask: 0 }), 'operator a · subtask 0');
  });
});
