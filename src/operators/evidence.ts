/**
 * What led to an alert: the last records of a key, and its state behind each of them.
 *
 * Owner: the keyed process operator of one subtask that declares `evidence`; nobody else pays for it. The steps are keyed
 * state like any other, so they are as of the checkpoint after a failure, and move with their key.
 *
 * EV-1 A key has at most as many steps as were declared, each of a bounded size; what is masked is in none.
 */

import type { OperatorContext } from './operator.ts';
import { shownValue } from '../base/shown-value.ts';
import { MillraceError } from '../base/errors.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import type { ListDescriptor, ListState, StateDescriptor, StateHandle } from '../state/descriptors.ts';

/** The name of the state that holds the steps. */
export const EVIDENCE_STATE = '$evidence';
/** Steps that may be declared. */
export const EVIDENCE_STEPS_MAX = 100;
/** Little enough to be kept with every key. */
const BOUNDS = { depth: 4, breadth: 20, textLength: 200, values: 60 } as const;

/** What is kept of each key, to be told by `ctx.evidence()`. */
export interface EvidenceOptions<In> {
  /** The last records of each key, 1 to 100. */
  readonly steps: number;
  /** Where a record is in its source, when it says so: an offset, a line, an id, or what `runtime.sourcePosition()` told it. */
  readonly offset?: (record: In) => string | number | undefined;
  /** Names of fields, at any depth, whose values are not kept. */
  readonly mask?: readonly string[];
}

/** One record of a key, and what it did to the state. */
export interface EvidenceStep {
  /** When it was processed, ms since the epoch. */
  readonly at: number;
  /** Its event time; `null` without one. */
  readonly timestamp: number | null;
  readonly offset: string | null;
  /** Plain JSON of a bounded size. */
  readonly record: unknown;
  /** The state of the key behind it, by name. */
  readonly state: Readonly<Record<string, unknown>>;
}

/** The steps of one key, oldest first. Plain data: it may be part of a result. */
export interface Evidence {
  readonly uid: string;
  readonly subtask: number;
  readonly key: string;
  readonly steps: readonly EvidenceStep[];
}

/** The declaration of the steps. */
export const evidenceState: ListDescriptor<EvidenceStep> = { kind: 'list' };

/** Refuses what cannot be kept. */
export function checkEvidence({ steps }: EvidenceOptions<never>): void {
  if (Number.isInteger(steps) && steps >= 1 && steps <= EVIDENCE_STEPS_MAX) return;
  throw new MillraceError(
    'STREAM_INVALID',
    `evidence is of 1 to ${EVIDENCE_STEPS_MAX} steps, and not of ${String(steps)}`,
  );
}

/** Keeps the steps of the current key; see the head of the file. */
export class EvidenceKeeper<In> {
  readonly #options: EvidenceOptions<In>;
  readonly #context: OperatorContext;
  readonly #mask: ReadonlySet<string>;
  readonly #steps: ListState<EvidenceStep>;
  readonly #states: readonly (readonly [string, StateDescriptor, StateHandle<StateDescriptor>])[];
  #current: { readonly record: In; readonly timestamp: number } | undefined;

  constructor(
    options: EvidenceOptions<In>,
    context: OperatorContext,
    declared: Readonly<Record<string, StateDescriptor>>,
  ) {
    this.#options = options;
    this.#context = context;
    this.#mask = new Set(options.mask);
    this.#steps = context.keyed.state(EVIDENCE_STATE, evidenceState);
    this.#states = Object.entries(declared).map(
      ([name, descriptor]) => [name, descriptor, context.keyed.state(name, descriptor)] as const,
    );
  }

  /** A record is being processed, until `end`. */
  begin(record: In, timestamp: number): void {
    this.#current = { record, timestamp };
  }

  /** It is done: `isKept` unless it failed. */
  end(isKept: boolean): void {
    if (isKept) this.#steps.update(this.#withCurrent());
    this.#current = undefined;
  }

  /** Also while a record is processed, with the state as it is at this moment. */
  evidence(): Evidence {
    const { info, keyed } = this.#context;
    const key = keyed.currentKey();
    return {
      uid: info.uid,
      subtask: info.subtask,
      key: typeof key === 'string' ? key : JSON.stringify(this.#shown(key)),
      steps: this.#withCurrent(),
    };
  }

  /** EV-1. */
  #withCurrent(): EvidenceStep[] {
    const kept = this.#steps.get();
    const all = this.#current === undefined ? kept : [...kept, this.#stepOf(this.#current)];
    return all.slice(-this.#options.steps);
  }

  #stepOf({ record, timestamp }: { readonly record: In; readonly timestamp: number }): EvidenceStep {
    const { offset } = this.#options;
    return {
      at: this.#context.clock.now(),
      timestamp: timestamp === MIN_TIMESTAMP ? null : timestamp,
      offset: textOf(offset?.(record)),
      record: this.#shown(record),
      state: Object.fromEntries(
        this.#states.map(([name, descriptor, handle]) => [name, this.#shown(contentsOf(descriptor, handle))]),
      ),
    };
  }

  #shown(value: unknown): unknown {
    // What is shown has objects without a prototype, which a codec of the user's need not take.
    return JSON.parse(JSON.stringify(shownValue(value, this.#mask, BOUNDS).value)) as unknown;
  }
}

function contentsOf({ kind }: StateDescriptor, handle: StateHandle<StateDescriptor>): unknown {
  switch (kind) {
    case 'value':
      return (handle as { value(): unknown }).value();
    case 'map':
      return new Map((handle as { entries(): Iterable<[unknown, unknown]> }).entries());
    case 'list':
    case 'reducing':
    case 'aggregating':
      return (handle as { get(): unknown }).get();
  }
}

function textOf(offset: string | number | undefined): string | null {
  return offset === undefined ? null : String(offset);
}
