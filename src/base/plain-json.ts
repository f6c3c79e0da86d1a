/** Values that JSON says whole, and how their shapes differ: what a person may write in the place of another value. */

/** How deep is looked; what is deeper is not plain. */
const DEPTH_MAX = 32;

/** True when reading what JSON writes of the value gives the same value. */
export function isPlain(value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object':
      if (value === null) return true;
      if (depth >= DEPTH_MAX) return false;
      if (Array.isArray(value)) return Array.from(value).every((each) => isPlain(each, depth + 1));
      return isRecord(value) && Object.values(value).every((each) => isPlain(each, depth + 1));
    default:
      return false;
  }
}

/** Whether two plain values are equal; the order of fields does not count. */
export function isSamePlain(left: unknown, right: unknown): boolean {
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) {
    return Object.is(left, right);
  }
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every(
      (name) => Object.hasOwn(right, name) && isSamePlain(fieldOf(left, name), fieldOf(right, name)),
    )
  );
}

/**
 * The first difference between the shapes of two plain values, for people; `undefined` when one may stand for the other.
 * Elements of a list have the shape of the first one there was, and `null` may have become anything.
 */
export function shapeDifference(before: unknown, after: unknown, path = ''): string | undefined {
  if (before === null || before === undefined) return undefined;
  const [was, is] = [kindOf(before), kindOf(after)];
  const where = path === '' ? 'it' : `"${path}"`;
  if (was !== is) return `${where} is ${is}, and was ${was}`;
  if (Array.isArray(before) && Array.isArray(after)) {
    if (before.length === 0) return undefined;
    return firstOf(after, (each, index) => shapeDifference(before[0], each, `${path}[${index}]`));
  }
  if (typeof before !== 'object' || typeof after !== 'object' || after === null) return undefined;
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return firstOf([...names], (name) => {
    const inner = path === '' ? name : `${path}.${name}`;
    if (!Object.hasOwn(after, name)) return `the field "${inner}" is missing`;
    if (!Object.hasOwn(before, name)) return `the field "${inner}" was not there before`;
    return shapeDifference(fieldOf(before, name), fieldOf(after, name), inner);
  });
}

function firstOf<T>(
  items: readonly T[],
  look: (item: T, index: number) => string | undefined,
): string | undefined {
  for (const [index, item] of items.entries()) {
    const found = look(item, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function isRecord(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function fieldOf(value: object, name: string): unknown {
  return (value as Record<string, unknown>)[name];
}
