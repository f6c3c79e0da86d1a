/** How records become what a window holds, where the operator keeps that itself. Nothing that is held is `undefined`. */

import { deepFreeze } from '../../base/freeze.ts';
import type { StateDescriptor } from '../../state/descriptors.ts';
import { aggregating, list, reducing } from '../../state/state.ts';
import type { WindowFold } from './window-contents.ts';

/** See the head of the file. */
export interface HeldFold<In> {
  first(value: In): unknown;
  next(held: unknown, value: In): unknown;
  /** What two windows held, in one. */
  merge(held: unknown, other: unknown): unknown;
  /** What the function sees; `undefined`: nothing. `isLast`: what is held is not changed any more. */
  results(held: unknown, isLast: boolean): readonly unknown[] | undefined;
}

/** As what it is stored. */
export function contentsOf<In>(fold: WindowFold<In>): StateDescriptor {
  switch (fold.kind) {
    case 'all':
      return list<In>();
    case 'reduce':
      return reducing(fold.reduce);
    case 'aggregate':
      return aggregating(fold.aggregate);
  }
}

/** `freezes`: what users see is frozen, so that code that changes it fails where it does (tests). */
export function heldFold<In>(fold: WindowFold<In>, freezes: boolean): HeldFold<In> {
  switch (fold.kind) {
    case 'all':
      return new Listing(freezes);
    case 'reduce':
      return new Reducing(fold, freezes);
    case 'aggregate':
      return new Aggregating(fold.aggregate);
  }
}

class Listing<In> implements HeldFold<In> {
  readonly #freezes: boolean;

  constructor(freezes: boolean) {
    this.#freezes = freezes;
  }

  first(value: In): unknown {
    if (this.#freezes) deepFreeze(value);
    return [value];
  }

  next(held: unknown, value: In): unknown {
    if (this.#freezes) deepFreeze(value);
    (held as In[]).push(value);
    return held;
  }

  merge(held: unknown, other: unknown): unknown {
    for (const value of other as In[]) (held as In[]).push(value);
    return held;
  }

  results(held: unknown, isLast: boolean): readonly unknown[] | undefined {
    if (held === undefined) return undefined;
    const values = isLast ? (held as In[]) : [...(held as In[])];
    return this.#freezes ? deepFreeze(values) : values;
  }
}

class Reducing<In> implements HeldFold<In> {
  readonly #fold: Extract<WindowFold<In>, { kind: 'reduce' }>;
  readonly #freezes: boolean;

  constructor(fold: Extract<WindowFold<In>, { kind: 'reduce' }>, freezes: boolean) {
    this.#fold = fold;
    this.#freezes = freezes;
  }

  first(value: In): unknown {
    if (this.#freezes) deepFreeze(value);
    return value;
  }

  next(held: unknown, value: In): unknown {
    const reduced = this.#fold.reduce(held as In, value);
    if (this.#freezes) deepFreeze(reduced);
    return reduced;
  }

  merge(held: unknown, other: unknown): unknown {
    return this.next(held, other as In);
  }

  results(held: unknown): readonly unknown[] | undefined {
    return held === undefined ? undefined : [held];
  }
}

type Aggregate<In> = Extract<WindowFold<In>, { kind: 'aggregate' }>['aggregate'];

class Aggregating<In> implements HeldFold<In> {
  readonly #aggregate: Aggregate<In>;

  constructor(aggregate: Aggregate<In>) {
    this.#aggregate = aggregate;
  }

  first(value: In): unknown {
    return this.#aggregate.add(value, this.#aggregate.createAccumulator());
  }

  next(held: unknown, value: In): unknown {
    return this.#aggregate.add(value, held);
  }

  merge(held: unknown, other: unknown): unknown {
    return this.#aggregate.merge!(held, other);
  }

  results(held: unknown): readonly unknown[] | undefined {
    return held === undefined ? undefined : [this.#aggregate.result(held)];
  }
}
