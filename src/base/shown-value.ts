/** Any value as plain JSON of a bounded size, for people: what a record or a state holds, wherever it is shown. */

/** How much of a value is shown. */
export interface ShownBounds {
  readonly depth: number;
  /** Fields of an object, elements of a list. */
  readonly breadth: number;
  /** Characters of a text. */
  readonly textLength: number;
  /** Values in all. */
  readonly values: number;
}

/** Enough to understand a record, and little enough for twenty of them a second. */
export const SHOWN_BOUNDS: ShownBounds = { depth: 8, breadth: 50, textLength: 500, values: 500 };

/** What a masked field is shown as. */
export const MASKED = '***';

/** A value as it is shown. */
export interface ShownValue {
  /** Plain JSON; what JSON cannot say is text. */
  readonly value: unknown;
  /** Something was left out. */
  readonly isCut: boolean;
}

const NO_MASK: ReadonlySet<string> = new Set();

/** Makes a copy for people; fields whose names are in `mask` are masked at any depth. Never throws. */
export function shownValue(value: unknown, mask = NO_MASK, bounds = SHOWN_BOUNDS): ShownValue {
  const showing = new Showing(mask, bounds);
  return { value: showing.of(value, 0), isCut: showing.isCut };
}

class Showing {
  isCut = false;
  readonly #mask: ReadonlySet<string>;
  readonly #bounds: ShownBounds;
  #values = 0;

  constructor(mask: ReadonlySet<string>, bounds: ShownBounds) {
    this.#mask = mask;
    this.#bounds = bounds;
  }

  of(value: unknown, depth: number): unknown {
    this.#values += 1;
    try {
      return this.#shown(value, depth);
    } catch (error) {
      // A getter or a proxy of the user's that throws.
      return this.#cut(this.#text(`[not to be shown: ${described(error)}]`));
    }
  }

  #shown(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'bigint':
        return this.#text(`${value}n`);
      case 'boolean':
        return value;
      case 'undefined':
      case 'symbol':
        return this.#text(String(value));
      case 'function':
        return this.#text(`[function ${value.name}]`);
      default:
        return value === null ? null : this.#object(value as object, depth);
    }
  }

  #object(value: object, depth: number): unknown {
    if (depth >= this.#bounds.depth || this.#values >= this.#bounds.values) return this.#cut('…');
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (value instanceof Error) return this.#text(`${value.name}: ${value.message}`);
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (Array.isArray(value)) return this.#list(value, depth);
    if (value instanceof Set) return this.#list([...value], depth);
    if (value instanceof Map) return this.#map(value, depth);
    return this.#fields(Object.entries(value), depth);
  }

  #list(values: readonly unknown[], depth: number): unknown[] {
    const shown: unknown[] = [];
    for (const each of values) {
      if (this.#isFull(shown.length)) break;
      shown.push(this.of(each, depth + 1));
    }
    return shown;
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): unknown {
    const isNamed = [...map.keys()].every((key) => typeof key === 'string');
    if (isNamed) return this.#fields([...(map as ReadonlyMap<string, unknown>)], depth);
    return this.#list([...map], depth);
  }

  #fields(entries: readonly (readonly [string, unknown])[], depth: number): Record<string, unknown> {
    // Without a prototype: a field may be called as any property of one.
    const shown = Object.create(null) as Record<string, unknown>;
    let count = 0;
    for (const [name, field] of entries) {
      if (this.#isFull(count)) break;
      shown[this.#text(name)] = this.#mask.has(name) ? MASKED : this.of(field, depth + 1);
      count += 1;
    }
    return shown;
  }

  #isFull(count: number): boolean {
    if (count < this.#bounds.breadth && this.#values < this.#bounds.values) return false;
    this.isCut = true;
    return true;
  }

  #text(text: string): string {
    if (text.length <= this.#bounds.textLength) return text;
    return this.#cut(`${text.slice(0, this.#bounds.textLength)}…`);
  }

  #cut(text: string): string {
    this.isCut = true;
    return text;
  }
}

/** What was thrown, which may be anything. */
function described(error: unknown): string {
  try {
    return String(error);
  } catch {
    return typeof error;
  }
}
