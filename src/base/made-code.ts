/**
 * Code that is made while the program runs, so that the engine learns about one user of it apart from all others: a
 * function that many share is compiled for all that they do with it.
 *
 * The text never holds input: what differs are the values of its parameters. Its name for stack traces is
 * percent-encoded, and numbered, because equal texts would share what the engine learns.
 *
 * A process that runs many short jobs never learns enough of one of them to earn the making back; see {@link shareMadeCode}.
 */

type Maker = (...given: unknown[]) => unknown;

let serial = 0;
/** By parameters and text; `undefined` while each user has code of its own. */
let shared: Map<string, Maker> | undefined;

/**
 * Runs `text` with these values as its variables and gives back what it returns; `undefined` where code generation is
 * forbidden. `name` is shown in stack traces behind `millrace/`.
 */
export function makeCode<T>(
  name: readonly string[],
  values: Readonly<Record<string, unknown>>,
  text: string,
): T | undefined {
  try {
    return makerOf(name, Object.keys(values), text)(...Object.values(values)) as T;
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}

/**
 * From now on equal texts of this process are compiled once, under the name of their first user. Only for a process that
 * runs many short jobs, as simulations do: code of a long one is slower for what the engine learns about the others.
 */
export function shareMadeCode(): void {
  shared ??= new Map();
}

function makerOf(name: readonly string[], parameters: readonly string[], text: string): Maker {
  const known = shared?.get(`${parameters.join()}\n${text}`);
  if (known !== undefined) return known;
  const source = ['millrace', ...name.map(encoded), serial++].join('/');
  const named = `'use strict';\n${text}\n//# sourceURL=${source}`;
  // oxlint-disable-next-line typescript/no-implied-eval -- the text holds no input but a percent-encoded name; see the head of this file
  const maker = new Function(...parameters, named) as Maker;
  shared?.set(`${parameters.join()}\n${text}`, maker);
  return maker;
}

// A lone surrogate, as of a name cut within an emoji, cannot be percent-encoded.
function encoded(name: string): string {
  return encodeURIComponent(name.toWellFormed());
}
