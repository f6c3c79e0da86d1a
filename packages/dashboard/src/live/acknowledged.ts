// Alerts that somebody has acknowledged: kept in this browser, so that what is known does not count as new.
import { useMemo } from 'react';
import type { Alert } from '../../../../src/rest/contract.ts';
import { isText, Kept, listOf, useKept } from './kept.ts';

/** More than the server keeps. */
const keptMax = 2000;

const known = new Kept('acknowledged', (stored) => listOf(stored, isText));

/** What is acknowledged, and how one more is. */
export function useAcknowledged(): {
  readonly isAcknowledged: (alert: Alert) => boolean;
  readonly acknowledge: (alert: Alert) => void;
} {
  const entries = useKept(known);
  const acknowledged = useMemo(() => new Set(entries), [entries]);
  return { isAcknowledged: (alert) => acknowledged.has(identityOf(alert)), acknowledge };
}

function acknowledge(alert: Alert): void {
  known.change([...new Set([...known.current(), identityOf(alert)])].slice(-keptMax));
}

/** Numbers of alerts begin anew with each server; what it is about and when do not. */
function identityOf({ jobId, kind, at, message }: Alert): string {
  return JSON.stringify([jobId, kind, at, message.slice(0, 80)]);
}
