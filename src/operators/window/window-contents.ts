/**
 * What a window holds until it fires: all its records, or one reduction or accumulator of them.
 *
 * Each kind keeps namespaced state: whoever calls has moved to the namespace of the state window before.
 */

import type { Key } from '../../base/key-groups.ts';
import type { KeyedStateBackend } from '../../state/backend.ts';
import type {
  AggregateFunction,
  AggregatingState,
  ListState,
  ReducingState,
} from '../../state/descriptors.ts';
import { aggregating, list, reducing } from '../../state/state.ts';
import type { ReduceFunction } from '../reduce.ts';
import type { Evictor, EvictorContext, TimestampedValue } from './evictors.ts';

/** The name under which the contents are kept. */
const CONTENTS = 'contents';

/** How the records of a window become what its function sees. */
export type WindowFold<In> =
  | { readonly kind: 'all' }
  | { readonly kind: 'reduce'; reduce(this: void, reduced: In, value: In): In }
  | { readonly kind: 'aggregate'; readonly aggregate: AggregateFunction<In, unknown, unknown> };

/** The records of the current key and state window. */
export interface WindowContents<In> {
  /** True when the window is known to have held something before; false does not say that it has not. */
  add(value: In, timestamp: number | undefined): boolean;
  /** Calls `evaluate` with what the function of the window sees; not for a window that holds nothing. */
  fire(context: EvictorContext, evaluate: (values: readonly unknown[]) => void): void;
  clear(): void;
  /** Moves what the windows at `sources` hold to the one at `target`. */
  merge(target: Key, sources: readonly Key[]): void;
}

/** The contents that a fold and an evictor ask for; an evictor must see all records. */
export function windowContents<In>(
  keyed: KeyedStateBackend,
  fold: WindowFold<In>,
  evictor: Evictor<In> | undefined,
): WindowContents<In> {
  if (evictor !== undefined) return new EvictedContents(keyed, fold, evictor);
  switch (fold.kind) {
    case 'all':
      return new ListedContents(keyed);
    case 'reduce':
      return new ReducedContents(keyed, fold.reduce);
    case 'aggregate':
      return new AggregatedContents(keyed, fold.aggregate);
  }
}

class ListedContents<In> implements WindowContents<In> {
  readonly #keyed: KeyedStateBackend;
  readonly #values: ListState<In>;

  constructor(keyed: KeyedStateBackend) {
    this.#keyed = keyed;
    this.#values = keyed.state(CONTENTS, list<In>(), 'namespace');
  }

  add(value: In): boolean {
    this.#values.add(value);
    return false;
  }

  fire(_context: EvictorContext, evaluate: (values: readonly unknown[]) => void): void {
    const values = this.#values.get();
    if (values.length > 0) evaluate(values);
  }

  clear(): void {
    this.#values.clear();
  }

  merge(target: Key, sources: readonly Key[]): void {
    moveList(this.#keyed, this.#values, target, sources);
  }
}

class EvictedContents<In> implements WindowContents<In> {
  readonly #keyed: KeyedStateBackend;
  readonly #fold: WindowFold<In>;
  readonly #evictor: Evictor<In>;
  readonly #elements: ListState<TimestampedValue<In>>;

  constructor(keyed: KeyedStateBackend, fold: WindowFold<In>, evictor: Evictor<In>) {
    this.#keyed = keyed;
    this.#fold = fold;
    this.#evictor = evictor;
    this.#elements = keyed.state(CONTENTS, list<TimestampedValue<In>>(), 'namespace');
  }

  add(value: In, timestamp: number | undefined): boolean {
    this.#elements.add({ value, timestamp });
    return false;
  }

  fire(context: EvictorContext, evaluate: (values: readonly unknown[]) => void): void {
    const all = this.#elements.get();
    if (all.length === 0) return;
    const seen = this.#evictor.evictBefore?.(all, context) ?? all;
    const folded = foldAll(
      this.#fold,
      seen.map(({ value }) => value),
    );
    if (folded !== undefined) evaluate(folded);
    this.#elements.update(this.#evictor.evictAfter?.(seen, context) ?? seen);
  }

  clear(): void {
    this.#elements.clear();
  }

  merge(target: Key, sources: readonly Key[]): void {
    moveList(this.#keyed, this.#elements, target, sources);
  }
}

class ReducedContents<In> implements WindowContents<In> {
  readonly #keyed: KeyedStateBackend;
  readonly #reduced: ReducingState<In>;

  constructor(keyed: KeyedStateBackend, reduce: ReduceFunction<In>) {
    this.#keyed = keyed;
    this.#reduced = keyed.state(CONTENTS, reducing(reduce), 'namespace');
  }

  add(value: In): boolean {
    const isHeld = this.#reduced.get() !== undefined;
    this.#reduced.add(value);
    return isHeld;
  }

  fire(_context: EvictorContext, evaluate: (values: readonly unknown[]) => void): void {
    const reduced = this.#reduced.get();
    if (reduced !== undefined) evaluate([reduced]);
  }

  clear(): void {
    this.#reduced.clear();
  }

  merge(target: Key, sources: readonly Key[]): void {
    moveReduced(this.#keyed, this.#reduced, target, sources);
  }
}

/** An accumulator that is merged instead of added. */
class Merged<Acc> {
  readonly accumulator: Acc;

  constructor(accumulator: Acc) {
    this.accumulator = accumulator;
  }
}

class AggregatedContents<In, Acc, Out> implements WindowContents<In> {
  readonly #keyed: KeyedStateBackend;
  readonly #aggregate: AggregateFunction<In, Acc, Out>;
  readonly #accumulator: AggregatingState<In | Merged<Acc>, Acc>;

  constructor(keyed: KeyedStateBackend, aggregate: AggregateFunction<In, Acc, Out>) {
    this.#keyed = keyed;
    this.#aggregate = aggregate;
    const accumulating = aggregating<In | Merged<Acc>, Acc, Acc>({
      createAccumulator: () => aggregate.createAccumulator(),
      add: (value, accumulator) =>
        value instanceof Merged
          ? aggregate.merge!(accumulator, value.accumulator)
          : aggregate.add(value, accumulator),
      result: (accumulator) => accumulator,
    });
    this.#accumulator = keyed.state(CONTENTS, accumulating, 'namespace');
  }

  add(value: In): boolean {
    const isHeld = this.#accumulator.get() !== undefined;
    this.#accumulator.add(value);
    return isHeld;
  }

  fire(_context: EvictorContext, evaluate: (values: readonly unknown[]) => void): void {
    const accumulator = this.#accumulator.get();
    if (accumulator !== undefined) evaluate([this.#aggregate.result(accumulator)]);
  }

  clear(): void {
    this.#accumulator.clear();
  }

  merge(target: Key, sources: readonly Key[]): void {
    for (const source of sources) {
      this.#keyed.setCurrentNamespace(source);
      const accumulator = this.#accumulator.get();
      this.#accumulator.clear();
      this.#keyed.setCurrentNamespace(target);
      if (accumulator !== undefined) this.#accumulator.add(new Merged(accumulator));
    }
  }
}

/** Moves the items of the namespaces `sources` behind those of `target`, which is current afterwards. */
export function moveList<T>(
  keyed: KeyedStateBackend,
  state: ListState<T>,
  target: Key,
  sources: readonly Key[],
): void {
  for (const source of sources) {
    keyed.setCurrentNamespace(source);
    const items = state.get();
    state.clear();
    keyed.setCurrentNamespace(target);
    state.addAll(items);
  }
}

/** Reduces the values of the namespaces `sources` into that of `target`, which is current afterwards. */
export function moveReduced<T>(
  keyed: KeyedStateBackend,
  state: ReducingState<T>,
  target: Key,
  sources: readonly Key[],
): void {
  for (const source of sources) {
    keyed.setCurrentNamespace(source);
    const reduced = state.get();
    state.clear();
    keyed.setCurrentNamespace(target);
    if (reduced !== undefined) state.add(reduced);
  }
}

/** `undefined` when there is no result, because there is nothing to reduce. */
function foldAll<In>(fold: WindowFold<In>, values: readonly In[]): readonly unknown[] | undefined {
  switch (fold.kind) {
    case 'all':
      return values;
    case 'reduce':
      return values.length === 0 ? undefined : [values.reduce((left, right) => fold.reduce(left, right))];
    case 'aggregate': {
      let accumulator = fold.aggregate.createAccumulator();
      for (const value of values) accumulator = fold.aggregate.add(value, accumulator);
      return [fold.aggregate.result(accumulator)];
    }
  }
}
