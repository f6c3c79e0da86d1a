/** Makes a value and all that it holds unchangeable, as far as JavaScript can. */

/**
 * Freezes plain objects and arrays, and what stands in maps and sets; returns its argument.
 *
 * Maps, sets, dates and typed arrays themselves stay changeable: the language cannot freeze what is in them.
 */
export function deepFreeze<T>(value: T): T {
  if (!isFrozenAlone(value)) freezeAll(value as object, new Set());
  return value;
}

/** Freezes what holds nothing that could be frozen, as most records do: `seen` is for what can be in a circle. */
function isFrozenAlone(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return true;
  if (value instanceof Map || value instanceof Set) return false;
  for (const item of Object.values(value)) if (typeof item === 'object' && item !== null) return false;
  Object.freeze(value);
  return true;
}

// `seen` rather than `isFrozen`: a frozen object may hold one that is not.
function freezeAll(value: object, seen: Set<object>): void {
  if (seen.has(value)) return;
  seen.add(value);
  if (value instanceof Map) {
    for (const [key, item] of value as ReadonlyMap<unknown, unknown>) {
      freezeItem(key, seen);
      freezeItem(item, seen);
    }
    return;
  }
  if (value instanceof Set) {
    for (const item of value as ReadonlySet<unknown>) freezeItem(item, seen);
    return;
  }
  Object.freeze(value);
  for (const item of Object.values(value)) freezeItem(item, seen);
}

function freezeItem(item: unknown, seen: Set<object>): void {
  if (!isFrozenAlone(item)) freezeAll(item as object, seen);
}
