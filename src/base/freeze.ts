/** Makes a value and all that it holds unchangeable, as far as JavaScript can. */

/**
 * Freezes plain objects and arrays, and what stands in maps and sets; returns its argument.
 *
 * Maps, sets, dates and typed arrays themselves stay changeable: the language cannot freeze what is in them.
 */
export function deepFreeze<T>(value: T): T {
  freezeAll(value, new Set());
  return value;
}

// `seen` rather than `isFrozen`: a frozen object may hold one that is not.
function freezeAll(value: unknown, seen: Set<object>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if (ArrayBuffer.isView(value)) return;
  if (value instanceof Map) {
    for (const [key, item] of value as ReadonlyMap<unknown, unknown>) {
      freezeAll(key, seen);
      freezeAll(item, seen);
    }
    return;
  }
  if (value instanceof Set) {
    for (const item of value as ReadonlySet<unknown>) freezeAll(item, seen);
    return;
  }
  Object.freeze(value);
  for (const item of Object.values(value)) freezeAll(item, seen);
}
