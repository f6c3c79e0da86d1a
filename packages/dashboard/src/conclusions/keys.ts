// Keys: which of them most records have, and what happened to one of them, in the order of time.
import type { Alert, EvidenceTrail, HotKeys, SampledRecord } from '../../../../src/rest/contract.ts';
import { type Conclusion, conclusion, saying } from './conclusion.ts';
import { trailSteps, type TrailStep } from './alert.ts';

/** Before so many records of a sample nothing is said of their keys. */
const sampleMin = 30;
/** A key of so large a part of all records is a hot one. */
const hotShare = 0.3;

/** A key in a sample. */
export interface SampledKey {
  /** As JSON. */
  readonly keyText: string;
  readonly records: number;
  readonly share: number;
}

/** The keys of a sample, the most frequent first; empty where the records have none. */
export function frequentKeys(records: readonly SampledRecord[]): SampledKey[] {
  const keyed = records.flatMap(({ keyText }) => (keyText === null ? [] : [keyText]));
  return [...Map.groupBy(keyed, (keyText) => keyText)]
    .map(([keyText, { length }]) => ({ keyText, records: length, share: length / keyed.length }))
    .sort((left, right) => right.records - left.records);
}

/** Whether one key has most of the work. */
export function keysConclusion(keys: readonly SampledKey[]): Conclusion | undefined {
  const total = keys.reduce((sum, { records }) => sum + records, 0);
  const [first] = keys;
  if (first === undefined) return undefined;
  const values = {
    key: first.keyText,
    share: { kind: 'share', value: first.share },
    n: { kind: 'count', value: total },
    keys: { kind: 'count', value: keys.length },
  } as const;
  if (total < sampleMin) return conclusion('plain', 'keys.few', values);
  // Of few keys each has much.
  const isHot = first.share >= hotShare && first.share >= 2 / keys.length;
  return isHot ? conclusion('warn', 'keys.hot', values) : conclusion('good', 'keys.even', values);
}

/** What a count of all records says of their keys. */
export function countedConclusion(counted: HotKeys): Conclusion {
  const { uid: operator, records, keys, durationMs, failure } = counted;
  const values = {
    operator,
    time: { kind: 'duration', ms: durationMs },
    n: { kind: 'count', value: records },
  } as const;
  if (counted.status === 'IN_PROGRESS') return conclusion('plain', 'hot-keys.counting', values);
  if (failure !== null) return conclusion('bad', 'hot-keys.failed', { operator, reason: failure });
  const [first] = keys;
  if (first === undefined) return conclusion('plain', 'hot-keys.none', values);
  const share = first.records / records;
  const told = {
    ...values,
    key: first.keyText,
    share: { kind: 'share', value: share },
    subtask: String(first.subtask),
  } as const;
  // Of few keys each has much.
  return share >= hotShare && share >= 2 / keys.length
    ? conclusion('warn', 'hot-keys.hot', told, [saying('culprit.hot-key.do')])
    : conclusion('good', 'hot-keys.even', told);
}

/** Something that happened to a key. */
export type KeyMoment =
  | ({ readonly kind: 'record' } & TrailStep)
  | { readonly kind: 'alert'; readonly alert: Alert };

/** The records of a key and the alerts that were raised for it, oldest first; an alert after the record that led to it. */
export function keyMoments(
  trail: Pick<EvidenceTrail, 'uid' | 'key' | 'steps'>,
  alerts: readonly Alert[],
): KeyMoment[] {
  const own = alerts.filter(
    ({ evidence }) => evidence.trail?.uid === trail.uid && evidence.trail.key === trail.key,
  );
  const since = trail.steps[0]?.at ?? Number.NEGATIVE_INFINITY;
  const moments: (KeyMoment & { readonly at: number })[] = [
    ...trailSteps(trail.steps).map((step) => ({ kind: 'record' as const, ...step, at: step.step.at })),
    ...own
      .filter(({ at }) => at >= since)
      .map((alert) => ({
        kind: 'alert' as const,
        alert,
        at: alert.evidence.trail?.steps.at(-1)?.at ?? alert.at,
      })),
  ];
  return moments.sort((left, right) => left.at - right.at);
}
