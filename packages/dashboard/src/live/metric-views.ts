// Saved views of metrics: what is plotted, how far back, and whether the overview shows it; kept in this browser.
import { Kept, listOf, useKept } from './kept.ts';

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

const viewsMax = 20;

const known = new Kept('metric-views', (stored) => listOf(stored, isView));

/** The views, and how they change; one of the same name takes the place of the other. */
export function useViews(): {
  readonly views: readonly MetricView[];
  readonly save: (view: MetricView) => void;
  readonly remove: (name: string) => void;
} {
  return { views: useKept(known), save, remove };
}

function save(view: MetricView): void {
  known.change([...without(view.name), view].slice(-viewsMax));
}

function remove(name: string): void {
  known.change(without(name));
}

function without(name: string): readonly MetricView[] {
  return known.current().filter((view) => view.name !== name);
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
