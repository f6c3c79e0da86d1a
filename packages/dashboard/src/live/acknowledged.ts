// Alerts that somebody has acknowledged: kept in this browser, so that what is known does not count as new.
import { useSyncExternalStore } from 'react';
import type { Alert } from '../../../../src/rest/contract.ts';

const storageKey = 'millrace.acknowledged';
/** More than the server keeps. */
const keptMax = 2000;

const listeners = new Set<() => void>();
let known: ReadonlySet<string> = read();

/** What is acknowledged, and how one more is. */
export function useAcknowledged(): {
  readonly isAcknowledged: (alert: Alert) => boolean;
  readonly acknowledge: (alert: Alert) => void;
} {
  const acknowledged = useSyncExternalStore(subscribe, () => known);
  return { isAcknowledged: (alert) => acknowledged.has(identityOf(alert)), acknowledge };
}

function acknowledge(alert: Alert): void {
  known = new Set([...known, identityOf(alert)].slice(-keptMax));
  try {
    localStorage.setItem(storageKey, JSON.stringify([...known]));
  } catch {
    // A browser that keeps nothing knows it until the page is closed.
  }
  for (const listener of listeners) listener();
}

/** Numbers of alerts begin anew with each server; what it is about and when do not. */
function identityOf({ jobId, kind, at, message }: Alert): string {
  return JSON.stringify([jobId, kind, at, message.slice(0, 80)]);
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
