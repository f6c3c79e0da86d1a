// Saved views of metrics: what is plotted, how far back, and whether the overview shows it; kept in this browser.
import { useSyncExternalStore } from 'react';
import { shortReachMs } from './history.ts';

/** How far back a plot may go, ms. */
export const reaches = { '15m': shortReachMs, '2h': 8 * shortReachMs, '24h': 96 * shortReachMs } as const;
/** The name of one of {@link reaches}. */
export type Reach = keyof typeof reaches;
/** The shortest first. */
export const reachNames: readonly Reach[] = ['15m', '2h', '24h'];

/** What is the name of no reach is the shortest. */
export function reachOf(name: string): Reach {
  return reachNames.find((each) => each === name) ?? '15m';
}

/** A metric of the job, of the JobManager, or of a vertex (of which the highest subtask is drawn). */
export interface MetricPick {
  /** `job`, `jobmanager`, or the id of a vertex. */
  readonly scope: string;
  readonly id: string;
}

/** What a view holds. */
export interface MetricView {
  readonly name: string;
  readonly measure: string;
  readonly reach: string;
  readonly picks: readonly MetricPick[];
  readonly isOnOverview: boolean;
}

const storageKey = 'millrace.metric-views';
const viewsMax = 20;

const listeners = new Set<() => void>();
let known: readonly MetricView[] = read();

/** The views, and how they change; one of the same name takes the place of the other. */
export function useViews(): {
  readonly views: readonly MetricView[];
  readonly save: (view: MetricView) => void;
  readonly remove: (name: string) => void;
} {
  const views = useSyncExternalStore(subscribe, () => known);
  return {
    views,
    save: (view) => change([...known.filter(({ name }) => name !== view.name), view].slice(-viewsMax)),
    remove: (name) => change(known.filter((view) => view.name !== name)),
  };
}

function change(views: readonly MetricView[]): void {
  known = views;
  try {
    localStorage.setItem(storageKey, JSON.stringify(views));
  } catch {
    // A browser that keeps nothing knows them until the page is closed.
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function read(): readonly MetricView[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(storageKey) ?? '[]');
    return Array.isArray(stored) ? stored.filter(isView).slice(-viewsMax) : [];
  } catch {
    return [];
  }
}

function isView(value: unknown): value is MetricView {
  if (typeof value !== 'object' || value === null) return false;
  const { name, measure, reach, picks, isOnOverview } = value as Partial<Record<keyof MetricView, unknown>>;
  const texts = [name, measure, reach].every((each) => typeof each === 'string');
  return texts && typeof isOnOverview === 'boolean' && Array.isArray(picks) && picks.every(isPick);
}

/** Whether something that was stored is a pick. */
export function isPick(value: unknown): value is MetricPick {
  if (typeof value !== 'object' || value === null || !('scope' in value) || !('id' in value)) return false;
  return typeof value.scope === 'string' && typeof value.id === 'string';
}
