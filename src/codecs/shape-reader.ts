/**
 * Readers of objects with known keys, compiled once per shape and thread.
 *
 * An object literal is made several times faster than an object that gets its keys one by one. The source
 * holds only keys, each as a string literal, so that no key is more than a name.
 */

/** Makes an object whose values come from `next`, in the order of the keys. */
export type ReadObject = (next: () => unknown) => object;

/** How many shapes are kept; when there are more the oldest goes. */
const CACHED_SHAPES_MAX = 256;
/** Objects with more keys are dictionaries, not records. */
const COMPILED_KEYS_MAX = 64;

const cache = new Map<string, ReadObject>();

/** The reader of a shape, or `undefined` when it is not worth one. */
export function readerOfShape(keys: readonly string[]): ReadObject | undefined {
  if (keys.length > COMPILED_KEYS_MAX) return undefined;
  const signature = JSON.stringify(keys);
  let reader = cache.get(signature);
  if (reader === undefined) {
    reader = compile(keys);
    if (cache.size >= CACHED_SHAPES_MAX) cache.delete(cache.keys().next().value!);
    cache.set(signature, reader);
  }
  return reader;
}

function compile(keys: readonly string[]): ReadObject {
  const fields = keys.map((key) => {
    const name = JSON.stringify(key);
    // A computed `__proto__` is a property like any other; a plain one would set the prototype.
    return key === '__proto__' ? `[${name}]: next()` : `${name}: next()`;
  });
  // oxlint-disable-next-line typescript/no-implied-eval -- the source is made of string literals only
  return new Function('next', `return { ${fields.join(', ')} };`) as ReadObject;
}
