/** What the generic codec refuses, and the search for where in a value it is. */

import { BINARY_KINDS, DEPTH_MAX } from './generic-format.ts';

const PLAIN_PROTOTYPES: ReadonlySet<unknown> = new Set([Object.prototype, Array.prototype, null]);
const COLLECTION_PROTOTYPES: ReadonlySet<unknown> = new Set([Map.prototype, Set.prototype]);
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
/** A longer path says no more about where to look. */
const PATH_STEPS_MAX = 12;

/** Thrown where the value was met; whoever encodes a whole value turns it into an error with a path. */
export class Unsupported extends Error {
  static instance(value: object): Unsupported {
    const type: unknown = (value as { constructor?: unknown }).constructor;
    const name = typeof type === 'function' && type.name !== '' ? type.name : 'a class';
    return new Unsupported(`an instance of ${name}, which would come back without its class,`);
  }

  static tooDeep(): Unsupported {
    return new Unsupported(`a value that contains itself or is nested deeper than ${DEPTH_MAX} levels`);
  }

  static extraProperties(): Unsupported {
    return new Unsupported('an array with properties of its own (a RegExp match? copy it with [...match])');
  }
}

/** The path of the first part of `value` that is refused, such as `.user.tags[2]`; walks as the encoder does. */
export function whereUnsupported(value: unknown): string | undefined {
  const steps: string[] = [];
  if (!search(value, steps)) return undefined;
  const shown = steps.slice(0, PATH_STEPS_MAX).join('');
  return steps.length > PATH_STEPS_MAX ? `${shown}…` : shown;
}

// Leaves in `steps` the way to what it found.
function search(value: unknown, steps: string[]): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return true;
  if (typeof value !== 'object' || value === null) return false;
  if (steps.length >= DEPTH_MAX) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (COLLECTION_PROTOTYPES.has(prototype)) return searchCollection(value as Iterable<unknown>, steps);
  if (PLAIN_PROTOTYPES.has(prototype)) return searchPlain(value as Record<string, unknown>, steps);
  return prototype !== Date.prototype && !BINARY_KINDS.has(prototype as object);
}

function searchPlain(value: Record<string, unknown>, steps: string[]): boolean {
  const isArray = Array.isArray(value);
  if (isArray && value['index'] !== undefined) return true;
  for (const key of Object.keys(value)) {
    steps.push(isArray ? `[${key}]` : IDENTIFIER.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
    if (search(value[key], steps)) return true;
    steps.pop();
  }
  return false;
}

function searchCollection(collection: Iterable<unknown>, steps: string[]): boolean {
  let index = 0;
  for (const item of collection) {
    const parts: readonly unknown[] = collection instanceof Map ? (item as unknown[]) : [item];
    for (const part of parts) {
      steps.push(collection instanceof Map ? `.entry(${index})` : `.item(${index})`);
      if (search(part, steps)) return true;
      steps.pop();
    }
    index++;
  }
  return false;
}
