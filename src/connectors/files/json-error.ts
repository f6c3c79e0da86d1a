/** Finds where a text stops being JSON: engines tell it for some errors only, and each in its own words. */

const SPACE = /[ \t\n\r]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SCALAR = /(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)/y;

/** What may come next. */
type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma or close' | 'nothing';

/**
 * The column, from 1 on, of the first character that cannot stand where it is; one behind the end when the text
 * stops too early; `undefined` when the text is JSON.
 */
export function jsonErrorColumn(text: string): number | undefined {
  const open: string[] = [];
  let expected: Expected = 'value';
  let at = skip(SPACE, text, 0);
  while (at < text.length) {
    const step: { at: number; expected: Expected } | undefined = advance(text, at, expected, open);
    if (step === undefined) return columnOf(text, at, expected);
    expected = step.expected;
    at = skip(SPACE, text, step.at);
  }
  return expected === 'nothing' ? undefined : text.length + 1;
}

/** One token; moves `open`, the brackets that wait for their partner. */
function advance(
  text: string,
  at: number,
  expected: Expected,
  open: string[],
): { at: number; expected: Expected } | undefined {
  const char = text[at];
  switch (expected) {
    case 'value':
    case 'value or ]':
      if (char === ']' && expected === 'value or ]') return close(at, open);
      return value(text, at, open);
    case 'key':
    case 'key or }': {
      if (char === '}' && expected === 'key or }') return close(at, open);
      const end = char === '"' ? stringEnd(text, at) : -1;
      return end > 0 ? { at: end, expected: 'colon' } : undefined;
    }
    case 'colon':
      return char === ':' ? { at: at + 1, expected: 'value' } : undefined;
    case 'comma or close':
      if (char === ',') return { at: at + 1, expected: open.at(-1) === '{' ? 'key' : 'value' };
      return char === (open.at(-1) === '{' ? '}' : ']') ? close(at, open) : undefined;
    case 'nothing':
      return undefined;
  }
}

function value(text: string, at: number, open: string[]): { at: number; expected: Expected } | undefined {
  const char = text[at];
  if (char === '{' || char === '[') {
    open.push(char);
    return { at: at + 1, expected: char === '{' ? 'key or }' : 'value or ]' };
  }
  const end = char === '"' ? stringEnd(text, at) : skip(SCALAR, text, at);
  return end > at ? { at: end, expected: after(open) } : undefined;
}

function close(at: number, open: string[]): { at: number; expected: Expected } {
  open.pop();
  return { at: at + 1, expected: after(open) };
}

function after(open: readonly string[]): Expected {
  return open.length === 0 ? 'nothing' : 'comma or close';
}

/** Inside a broken string the error is at the character that breaks it. */
function columnOf(text: string, at: number, expected: Expected): number {
  const mayBeString = expected.startsWith('value') || expected.startsWith('key');
  if (!mayBeString || text[at] !== '"') return at + 1;
  return -stringEnd(text, at) + 1;
}

/** Behind the closing quote, or minus the place where the string breaks. A loop: lines may be long. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const unit = text.charCodeAt(at);
    if (unit === 0x22) return at + 1;
    if (unit < 0x20) return -at;
    const next = unit === 0x5c ? skip(ESCAPE, text, at) : at + 1;
    if (next === at) return -at;
    at = next;
  }
  return -at;
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
