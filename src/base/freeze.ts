/** Makes plain data unchangeable, all the way down; used by tests to find functions that change what they were given. */

const DEPTH_MAX = 32;

/** Freezes arrays and plain objects within `value`, to a depth of 32; bytes, maps and dates cannot be frozen and stay. */
export function deepFreeze<T>(value: T, depth = 0): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || depth > DEPTH_MAX)
    return value;
  if (ArrayBuffer.isView(value)) return value;
  Object.freeze(value);
  for (const key of Object.keys(value)) deepFreeze((value as Record<string, unknown>)[key], depth + 1);
  return value;
}
