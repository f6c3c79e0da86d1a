/** Code that is made while the program runs. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { test } from 'node:test';
import { makeCode } from './made-code.ts';

test('made code is named in stack traces, whatever its user is called', () => {
  const made = makeCode<() => void>(
    ["it's\n*/ globalThis.broken = 1 //", '\u2028`${x}`'],
    {
      call: () => {
        throw new Error('within');
      },
    },
    'return function made() { call(); };',
  );
  let stack = '';
  try {
    made!();
  } catch (error) {
    stack = (error as Error).stack ?? '';
  }
  assert.match(stack, /millrace\/it's%0A\*%2F%20globalThis\.broken/);
  assert.equal('broken' in globalThis, false);
});

test('a name that was cut within an emoji stops nothing', () => {
  assert.equal(makeCode<() => number>(['\ud800', 'cut \ud83d'], { one: 1 }, 'return () => one + 1;')!(), 2);
});

test('an error in a text is an error', () => {
  assert.throws(() => makeCode([], {}, 'return ('), SyntaxError);
});

test('a process that shares made code compiles equal texts once, each with values of its own', () => {
  const script = `
    import { makeCode, shareMadeCode } from ${JSON.stringify(new URL('./made-code.ts', import.meta.url).href)};
    const make = (name, one) => makeCode([name], { one }, 'return () => [one, new Error().stack];')();
    const alone = [make('a', 1), make('b', 2)];
    shareMadeCode();
    const together = [make('c', 3), make('d', 4)];
    const name = (stack) => /millrace.([a-d])/.exec(stack)[1];
    console.log([...alone, ...together].map(([one, stack]) => one + name(stack)).join());
  `;
  const flags = ['--input-type=module', '--eval', script];
  const { stdout, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8' });
  assert.equal(stdout.trim(), '1a,2b,3c,4c', stderr);
});

test('where code generation is forbidden nothing is made', () => {
  const script = `
    import { makeCode } from ${JSON.stringify(new URL('./made-code.ts', import.meta.url).href)};
    console.log(makeCode(['a job'], {}, 'return 1;'));
  `;
  const flags = ['--disallow-code-generation-from-strings', '--input-type=module', '--eval', script];
  const { stdout, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8' });
  assert.equal(stdout.trim(), 'undefined', stderr);
});
