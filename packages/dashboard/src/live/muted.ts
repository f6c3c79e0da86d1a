// Failures that somebody has muted: kept in this browser for as long as the job lives, so that what is known stands aside.
import { useMemo } from 'react';
import { isText, Kept, listOf, useKept } from './kept.ts';

/** As many groups as there can be failures, of a few jobs. */
const keptMax = 1000;

const known = new Kept('muted-failures', (stored) => listOf(stored, isText));

/** Which groups of a job are muted, and how that changes. */
export function useMuted(jobId: string): {
  readonly isMuted: (group: string) => boolean;
  readonly toggle: (group: string) => void;
} {
  const entries = useKept(known);
  const muted = useMemo(() => new Set(entries), [entries]);
  const identity = (group: string): string => JSON.stringify([jobId, group]);
  return {
    isMuted: (group) => muted.has(identity(group)),
    toggle: (group) => change(identity(group)),
  };
}

function change(identity: string): void {
  const before = known.current();
  const others = before.filter((each) => each !== identity);
  known.change(others.length < before.length ? others : [...others, identity].slice(-keptMax));
}
