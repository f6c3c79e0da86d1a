/**
 * The states of one key, looked at and changed by a person while the job runs.
 *
 * Called between two records, by the thread of the task. Talks to: the tables to look, the handles to change.
 *
 * KI-1 Looking changes nothing: no time to live begins anew, nothing that has expired is removed.
 * KI-2 A change goes through the handle of a function, and with it past the waiting snapshot (S1 of state-table.ts).
 * KI-3 A value is written only where it is of the type of what was there: a shape that no function has made is refused.
 */

import { MillraceError } from '../../base/errors.ts';
import { shownValue } from '../../base/shown-value.ts';
import { BinaryReader, BinaryWriter } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';
import { genericCodec } from '../../codecs/generic.ts';
import { isPlain, isSamePlain, shapeDifference } from '../../base/plain-json.ts';
import type { FixedReason, HeldChange, HeldState } from '../held-state.ts';
import type { ListState, MapState, StateDescriptor, ValueState } from '../descriptors.ts';
import { isAbsent } from './key-group-state.ts';
import { ListBuffer } from './list-buffer.ts';
import { MapBuffer } from './map-buffer.ts';
import { MemoryNumberState } from './number-state.ts';
import { Stamped, StampedCodec } from './stamped.ts';
import type { StateTable } from './state-table.ts';
import { plainHeld } from './stored-entries.ts';

/** A declared state as it is looked at: the current key is the one that is meant. */
export interface InspectedState {
  readonly descriptor: StateDescriptor;
  readonly table: StateTable;
  readonly handle: unknown;
}

/** What the current key holds (KI-1). */
export function heldState({ descriptor, table, handle }: InspectedState): HeldState {
  const { name, kind, ttl } = table.layout;
  const held = heldValue(table, handle);
  const stamps = ttl === undefined ? [] : stampsOf(table.held());
  const value = held.isHeld ? held.value : initialOf(descriptor);
  const shown = shownValue(value);
  return {
    name,
    kind,
    isHeld: held.isHeld,
    value: shown.value,
    changedAt: stamps.length === 0 ? undefined : Math.max(...stamps),
    expiresAt: stamps.length === 0 || ttl === undefined ? undefined : Math.min(...stamps) + ttl.afterMs,
    fixed: fixedBy(descriptor, value, shown.isCut),
  };
}

/** Changes what the current key holds (KI-2, KI-3). Throws STATE_CHANGE_REFUSED. */
export function changeHeld(state: InspectedState, change: HeldChange, operatorUid: string): void {
  const { descriptor, table, handle } = state;
  if (change.kind === 'remove') return (handle as ValueState<unknown>).clear();
  const refused = (why: string): MillraceError =>
    new MillraceError(
      'STATE_CHANGE_REFUSED',
      `state "${change.state}" of operator ${operatorUid} cannot be given this value: ${why}`,
      { where: { uid: operatorUid } },
    );
  const held = heldValue(table, handle);
  const value = held.isHeld ? held.value : initialOf(descriptor);
  const fixed = heldState(state).fixed;
  if (fixed !== undefined) throw refused(FIXED[fixed]);
  const difference = differenceOf(descriptor, value, change.value);
  if (difference !== undefined) throw refused(difference);
  if (!survivesCodec(table, change.value)) throw refused('it is not of the declared type');
  switch (descriptor.kind) {
    case 'value':
      return (handle as ValueState<unknown>).update(change.value);
    case 'list':
      return (handle as ListState<unknown>).update(change.value as unknown[]);
    default: {
      const map = handle as MapState<unknown, unknown>;
      map.clear();
      for (const [key, each] of Object.entries(change.value as object)) map.set(key, each);
    }
  }
}

const FIXED: Readonly<Record<FixedReason, string>> = {
  accumulator: 'what it keeps is no value, but on the way to one; it can be removed',
  'not-plain': 'JSON does not say all that is there; it can be removed',
  'too-large': 'what is there is too large to be shown whole; it can be removed',
};

function heldValue(
  table: StateTable,
  handle: unknown,
): { readonly isHeld: boolean; readonly value?: unknown } {
  if (handle instanceof MemoryNumberState) {
    return handle.isHeld() ? { isHeld: true, value: handle.value() as unknown } : { isHeld: false };
  }
  const held = table.held();
  return isAbsent(held) ? { isHeld: false } : { isHeld: true, value: plainHeld(held) };
}

function initialOf(descriptor: StateDescriptor): unknown {
  switch (descriptor.kind) {
    case 'value':
      return descriptor.initial;
    case 'list':
      return [];
    case 'map':
      return new Map();
    default:
      return undefined;
  }
}

function fixedBy({ kind }: StateDescriptor, value: unknown, isCut: boolean): FixedReason | undefined {
  if (kind === 'reducing' || kind === 'aggregating') return 'accumulator';
  if (isCut) return 'too-large';
  const isOwnWord = value === undefined && kind === 'value';
  return isOwnWord || isPlain(kind === 'map' ? fieldsOf(value as Map<unknown, unknown>) : value)
    ? undefined
    : 'not-plain';
}

/** A map as an object; what is no object of it is not plain. */
function fieldsOf(map: ReadonlyMap<unknown, unknown>): unknown {
  return [...map.keys()].every((key) => typeof key === 'string') ? [...map.values()] : undefined;
}

/** Why one is not of the type of the other (KI-3); items of a list and entries of a map may come and go. */
function differenceOf({ kind }: StateDescriptor, before: unknown, after: unknown): string | undefined {
  if (!isPlain(after)) return 'it is no plain JSON';
  if (kind === 'list') return Array.isArray(after) ? shapeDifference(before, after) : 'a list is an array';
  if (kind !== 'map') {
    if (after === null) return 'null is not kept; remove it instead';
    return before === undefined || before === null ? undefined : shapeDifference(before, after);
  }
  if (typeof after !== 'object' || after === null || Array.isArray(after)) return 'a map is an object';
  return shapeDifference([...(before as Map<unknown, unknown>).values()], Object.values(after));
}

/** Of a declared type, what was written has to be read as it was; the generic codec reads all that is plain. */
function survivesCodec({ layout }: StateTable, value: unknown): boolean {
  const codec: Codec<unknown> =
    layout.codec instanceof StampedCodec ? layout.codec.inner : (layout.codec as Codec<unknown>);
  if (codec === genericCodec) return true;
  const each = layout.kind === 'value' ? [value] : Object.values(value as object);
  try {
    return each.every((item: unknown) => {
      const out = new BinaryWriter();
      codec.encode(item, out);
      return isSamePlain(codec.decode(new BinaryReader(out.finish())), item);
    });
  } catch {
    return false;
  }
}

/** When each of what is kept began to live. */
function stampsOf(value: unknown): number[] {
  if (value instanceof Stamped) return [value.time];
  if (value instanceof ListBuffer) return value.peek().flatMap(stampsOf);
  if (value instanceof MapBuffer) return [...value.entries()].flatMap(([, each]) => stampsOf(each));
  return [];
}
