// Kinds of alerts that somebody has silenced for a time: kept in this browser, and over by themselves.
import { useMemo } from 'react';
import type { Alert, AlertKind } from '../../../../src/rest/contract.ts';
import { useNow } from './hooks.ts';
import { Kept, listOf, useKept } from './kept.ts';

/** More kinds of a few jobs nobody silences. */
const keptMax = 200;

/** A kind of alert that is silent until then. */
export interface Silence {
  readonly jobId: string | null;
  readonly kind: AlertKind;
  /** Of alerts that the job raises: the operator that does. */
  readonly about: string;
  readonly until: number;
}

const known = new Kept('silenced', (stored) => listOf(stored, isSilence));

/** What is silent now, and how that changes. */
export function useSilenced(): {
  readonly silences: readonly Silence[];
  readonly silenceOf: (alert: Alert) => Silence | undefined;
  readonly silence: (alert: Alert, ms: number) => void;
  readonly end: (silence: Silence) => void;
} {
  const now = useNow();
  const entries = useKept(known);
  const silences = useMemo(() => entries.filter(({ until }) => until > now), [entries, now]);
  return {
    silences,
    silenceOf: (alert) => silences.find((each) => isSame(each, subjectOf(alert))),
    silence: (alert, ms) => {
      const subject = subjectOf(alert);
      const others = silences.filter((each) => !isSame(each, subject));
      known.change([...others, { ...subject, until: now + ms }].slice(-keptMax));
    },
    end: (silence) => known.change(known.current().filter((each) => !isSame(each, silence))),
  };
}

type Subject = Omit<Silence, 'until'>;

function subjectOf({ jobId, kind, evidence }: Alert): Subject {
  return { jobId, kind, about: kind === 'job-alert' ? (evidence.vertexName ?? '') : '' };
}

function isSame(left: Subject, right: Subject): boolean {
  return left.jobId === right.jobId && left.kind === right.kind && left.about === right.about;
}

function isSilence(entry: unknown): entry is Silence {
  const { jobId, kind, about, until } = (entry ?? {}) as Partial<Record<keyof Silence, unknown>>;
  const isOfJob = jobId === null || typeof jobId === 'string';
  return isOfJob && typeof kind === 'string' && typeof about === 'string' && typeof until === 'number';
}
