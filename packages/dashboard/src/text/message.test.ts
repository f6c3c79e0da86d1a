// Messages: values, English plurals, Korean particles.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endsInConsonant, type Filling, messageParts, placeholders } from './message.ts';

const say = (template: string, language: 'en' | 'ko', values: Record<string, Filling>): string =>
  messageParts(template, language, (name) => values[name])
    .map(({ text }) => text)
    .join('');

describe('a message', () => {
  it('sets values off from what the catalogue says', () => {
    assert.deepEqual(
      messageParts('Reads {rate} from {source}.', 'en', (name) => ({ text: name.toUpperCase() })),
      [
        { text: 'Reads ', isValue: false },
        { text: 'RATE', isValue: true },
        { text: ' from ', isValue: false },
        { text: 'SOURCE', isValue: true },
        { text: '.', isValue: false },
      ],
    );
  });

  it('takes the singular for one alone', () => {
    const times = (n: number): string => say('{n} {n|time|times}', 'en', { n: { text: `${n}`, number: n } });
    assert.deepEqual([0, 1, 2].map(times), ['0 times', '1 time', '2 times']);
  });

  it('takes the Korean particle by the end of the word', () => {
    const waits = (name: string): string =>
      say('{name}{name|을|를} 기다립니다', 'ko', { name: { text: name } });
    assert.equal(waits('싱크'), '싱크를 기다립니다');
    assert.equal(waits('작업'), '작업을 기다립니다');
    assert.equal(waits('slot 3'), 'slot 3을 기다립니다');
    assert.equal(waits('slot 2'), 'slot 2를 기다립니다');
  });

  it('shows the name of a value that nobody gave', () => {
    assert.equal(say('{n} records', 'en', {}), '{n} records');
  });

  it('knows its placeholders, each once', () => {
    assert.deepEqual(placeholders('{n} {n|time|times} of {total}'), ['n', 'total']);
  });

  it('reads brackets at the end of a word past', () => {
    assert.equal(endsInConsonant('events[1]'), true);
    assert.equal(endsInConsonant('events[2]'), false);
    assert.equal(endsInConsonant(''), false);
  });
});
