import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ErrorCode, isMillraceError } from '../base/errors.ts';
import { JobArguments } from './job-arguments.ts';

function args(...words: string[]): JobArguments {
  return new JobArguments(words);
}

function failsWith(code: ErrorCode, message: RegExp) {
  return (error: unknown): boolean => isMillraceError(error, code) && message.test(error.message);
}

describe('arguments of a job', () => {
  it('are read with = and with a space, negative numbers and empty texts included', () => {
    const given = args('--input', 'auth.log', '--rate=300', '--shift', '-5', '--prefix=', '--equation=a=b');
    assert.equal(given.string('input'), 'auth.log');
    assert.equal(given.number('rate'), 300);
    assert.equal(given.number('shift'), -5);
    assert.equal(given.string('prefix'), '');
    assert.equal(given.string('equation'), 'a=b');
    given.refuseUnknown();
  });

  it('have defaults, and are required without', () => {
    const given = args();
    assert.equal(given.string('input', 'auth.log'), 'auth.log');
    assert.equal(given.number('rate', 0), 0);
    assert.equal(given.boolean('verbose'), false);
    assert.equal(given.boolean('colour', true), true);
    assert.throws(() => given.string('output'), failsWith('JOB_ARGUMENT_INVALID', /--output is required/));
  });

  it('can be durations, which are milliseconds', () => {
    assert.equal(args('--gap', '30m').duration('gap'), 1_800_000);
    assert.equal(args('--gap=250').duration('gap', '1 s'), 250);
    assert.equal(args().duration('gap', '1 s'), 1_000);
    assert.throws(
      () => args('--gap', 'soon').duration('gap', '1 s'),
      failsWith('JOB_ARGUMENT_INVALID', /--gap soon is not a duration/),
    );
  });

  it('can be flags', () => {
    const given = args('--verbose', '--colour=false', '--quiet', 'true');
    assert.deepEqual(
      ['verbose', 'colour', 'quiet', 'other'].map((name) => given.boolean(name)),
      [true, false, true, false],
    );
    assert.equal(given.has('verbose'), true);
    assert.equal(given.has('other'), false);
  });

  it('may be repeated: the last one counts, and all can be had', () => {
    const given = args('--in', 'a', '--in=b', '--in');
    assert.deepEqual(given.strings('in'), ['a', 'b', '']);
    assert.deepEqual(given.strings('out'), []);
    assert.equal(args('--in', 'a', '--in', 'b').string('in'), 'b');
  });

  it('can be one of a few words', () => {
    assert.equal(args('--key', 'user').oneOf('key', ['address', 'user']), 'user');
    assert.equal(args().oneOf('key', ['address', 'user'], 'address'), 'address');
    assert.throws(
      () => args('--key', 'adress').oneOf('key', ['address', 'user']),
      failsWith('JOB_ARGUMENT_INVALID', /none of address, user. Did you mean 'address'\?/),
    );
  });

  it('without a name keep their order, and all behind -- are such', () => {
    const given = args('a', '--n', '1', '-b', '--', '--c', 'd');
    assert.deepEqual(given.positional, ['a', '-b', '--c', 'd']);
    assert.equal(given.number('n'), 1);
    given.refuseUnknown();
  });
});

describe('a mistake in the arguments', () => {
  it('is told with what was meant', () => {
    const given = args('--inptu', 'x');
    given.string('input', 'auth.log');
    given.number('rate', 0);
    assert.throws(
      () => given.refuseUnknown(),
      failsWith(
        'JOB_ARGUMENT_UNKNOWN',
        /no argument --inptu. Did you mean '--input'\? It takes --input, --rate\./,
      ),
    );
  });

  it('is told also when the job takes none', () => {
    assert.throws(() => args('--x').refuseUnknown(), failsWith('JOB_ARGUMENT_UNKNOWN', /It takes none/));
    assert.throws(() => args('x').refuseUnknown(), failsWith('JOB_ARGUMENT_UNKNOWN', /was given "x"/));
  });

  for (const [what, read, message] of [
    ['a number that is none', () => args('--rate', 'fast').number('rate'), /--rate fast is not a number/],
    ['an empty number', () => args('--rate=').number('rate'), /is not a number/],
    ['an endless number', () => args('--rate', 'Infinity').number('rate'), /is not a number/],
    ['a text without a value', () => args('--input').string('input'), /--input has no value/],
    ['a flag with a value', () => args('--quick', 'a.log').boolean('quick'), /write --quick=true if "a.log"/],
    ['a name of nothing', () => args('--=x'), /names no argument/],
  ] as const) {
    it(`is refused: ${what}`, () => {
      assert.throws(read, failsWith('JOB_ARGUMENT_INVALID', message));
    });
  }
});
