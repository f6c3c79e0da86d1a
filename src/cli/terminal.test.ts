// Colours and redrawing only where they are wanted.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { screenOf } from './terminal.ts';

const stream = { isTTY: true, columns: 100, write: () => true };

it('a terminal has colours, and NO_COLOR takes them away', () => {
  assert.equal(screenOf(stream, {}).style.red('x'), '\u001b[31mx\u001b[39m');
  assert.equal(screenOf(stream, { NO_COLOR: '1' }).style.red('x'), 'x');
  assert.equal(screenOf(stream, { NO_COLOR: '1' }).live, true);
  assert.equal(screenOf(stream, {}).columns(), 100);
});

it('a pipe has none, unless they are forced', () => {
  const pipe = { write: () => true };
  assert.equal(screenOf(pipe, {}).style.red('x'), 'x');
  assert.equal(screenOf(pipe, {}).live, false);
  assert.equal(screenOf(pipe, { FORCE_COLOR: '1' }).style.bold('x'), '\u001b[1mx\u001b[22m');
  assert.equal(screenOf(pipe, { FORCE_COLOR: '0' }).style.bold('x'), 'x');
});

it('a dumb terminal redraws nothing', () => {
  assert.equal(screenOf(stream, { TERM: 'dumb' }).live, false);
});
