// What a thread allocates: the functions that took most memory, from a heap profile as V8 writes it.
import { type Conclusion, conclusion } from './conclusion.ts';

/** A place of a heap profile. */
export interface HeapNode {
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  /** Bytes that it allocated itself. */
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
}

/** What a `.heapprofile` file holds, as far as it is read. */
export interface HeapProfile {
  readonly head: HeapNode;
}

/** A function with what it allocated itself. */
export interface Allocator {
  /** `name (file:line)`. */
  readonly name: string;
  readonly bytes: number;
}

/** The largest first; those that allocated nothing are left out. */
export function allocators({ head }: HeapProfile): Allocator[] {
  const bytes = new Map<string, number>();
  const rest = [head];
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    if (node.selfSize > 0) bytes.set(nameOf(node), (bytes.get(nameOf(node)) ?? 0) + node.selfSize);
    rest.push(...node.children);
  }
  return [...bytes]
    .map(([name, own]) => ({ name, bytes: own }))
    .sort((left, right) => right.bytes - left.bytes);
}

/** How much, and who most of it. */
export function allocationConclusion(found: readonly Allocator[], seconds: number): Conclusion {
  const all = found.reduce((sum, { bytes }) => sum + bytes, 0);
  const [first] = found;
  if (first === undefined) return conclusion('good', 'heap-profile.nothing');
  return conclusion('plain', 'heap-profile.most', {
    rate: { kind: 'bytes', value: all / seconds },
    name: first.name,
    share: { kind: 'share', value: first.bytes / all },
  });
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: HeapNode): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  const file = url.slice(url.lastIndexOf('/') + 1);
  return file === '' ? name : `${name} (${file}:${lineNumber + 1})`;
}
