// Failures that somebody has muted: kept in this browser for as long as the job lives, so that what is known stands aside.
import { useSyncExternalStore } from 'react';

const storageKey = 'millrace.muted-failures';
/** As many groups as there can be failures, of a few jobs. */
const keptMax = 1000;

const listeners = new Set<() => void>();
let known: ReadonlySet<string> = read();

/** Which groups of a job are muted, and how that changes. */
export function useMuted(jobId: string): {
  readonly isMuted: (group: string) => boolean;
  readonly toggle: (group: string) => void;
} {
  const muted = useSyncExternalStore(subscribe, () => known);
  const identity = (group: string): string => JSON.stringify([jobId, group]);
  return {
    isMuted: (group) => muted.has(identity(group)),
    toggle: (group) => change(identity(group)),
  };
}

function change(identity: string): void {
  const others = [...known].filter((each) => each !== identity);
  known = new Set(known.has(identity) ? others : [...others, identity].slice(-keptMax));
  try {
    localStorage.setItem(storageKey, JSON.stringify([...known]));
  } catch {
    // A browser that keeps nothing knows it until the page is closed.
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function read(): ReadonlySet<string> {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(storageKey) ?? '[]');
    return new Set(Array.isArray(stored) ? stored.filter((each) => typeof each === 'string') : []);
  } catch {
    return new Set();
  }
}
