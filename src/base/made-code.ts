/**
 * Code that is made while the program runs, so that the engine learns about one user of it apart from all others: a
 * function that many share is compiled for all that they do with it.
 *
 * The text never holds input: what differs are the values of its parameters. Its name for stack traces is
 * percent-encoded, and numbered, because equal texts would share what the engine learns.
 */

let serial = 0;

/**
 * Runs `text` with these values as its variables and gives back what it returns; `undefined` where code generation is
 * forbidden. `name` is shown in stack traces behind `millrace/`.
 */
export function makeCode<T>(
  name: readonly string[],
  values: Readonly<Record<string, unknown>>,
  text: string,
): T | undefined {
  const source = ['millrace', ...name.map(encoded), serial++].join('/');
  const named = `'use strict';\n${text}\n//# sourceURL=${source}`;
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- the text holds no input but a percent-encoded name; see the head of this file
    const make = new Function(...Object.keys(values), named) as (...given: unknown[]) => T;
    return make(...Object.values(values));
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}

// A lone surrogate, as of a name cut within an emoji, cannot be percent-encoded.
function encoded(name: string): string {
  return encodeURIComponent(name.toWellFormed());
}
