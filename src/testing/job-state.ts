/** Keyed state of an operator outside of a job: what a checkpoint holds, to be read, and what a job is to begin with. */

import { type Key, checkKey, keyGroupRange } from '../base/key-groups.ts';
import type { SubtaskSnapshot } from '../checkpoint/state-handle.ts';
import type { StateDescriptor, StateHandle, StateHandles } from '../state/descriptors.ts';
import { MemoryStateBackend } from '../state/memory/backend.ts';

/** Declared state by name, as in the `state` of a process function. */
export type DeclaredState = Readonly<Record<string, StateDescriptor>>;

/**
 * The state of one operator at a checkpoint; `TestJob.state` gives it.
 *
 * ```ts
 * function visitsOf(counts: OperatorState<{ visits: ReturnType<typeof state.value<number>> }>, user: string): number {
 *   return counts.of(user).visits.value();
 * }
 * ```
 */
export class OperatorState<S extends DeclaredState> {
  readonly #backend: MemoryStateBackend;
  readonly #handles: StateHandles<S>;

  constructor(uid: string, declaration: S, maxParallelism: number, snapshots: readonly SubtaskSnapshot[]) {
    this.#backend = backendOf(uid, maxParallelism);
    for (const snapshot of snapshots) {
      const own = snapshot.operators.find((operator) => operator.uid === uid);
      for (const { keyGroup, bytes } of own?.keyGroups ?? []) this.#backend.restore(keyGroup, bytes);
    }
    this.#handles = handlesOf(this.#backend, declaration);
  }

  /** The state of a key, until the next call. */
  of(key: Key): StateHandles<S> {
    this.#backend.setCurrentKey(checkKey(key));
    return this.#handles;
  }

  /** The keys that hold something in the state `name`. */
  keys(name: keyof S & string): readonly Key[] {
    return this.#backend.keysOf(name);
  }
}

/** Keyed state that a job begins with: by key group. */
export type FilledState = (uid: string, maxParallelism: number) => ReadonlyMap<number, Uint8Array>;

/**
 * State for a job to begin with: `fill` gets the handles of a key, as in the job.
 *
 * ```ts
 * const visits = filledState({ visits: state.value(0) }, [['ada', ({ visits }) => visits.update(41)]]);
 * ```
 */
export function filledState<S extends DeclaredState>(
  declaration: S,
  keys: readonly (readonly [Key, (handles: StateHandles<S>) => void])[],
): FilledState {
  return (uid, maxParallelism) => {
    const backend = backendOf(uid, maxParallelism);
    const handles = handlesOf(backend, declaration);
    for (const [key, fill] of keys) {
      backend.setCurrentKey(checkKey(key));
      fill(handles);
    }
    const frozen = backend.freeze();
    const bytes = new Map(frozen.keyGroups().map((keyGroup) => [keyGroup, frozen.encode(keyGroup)]));
    frozen.release();
    return bytes;
  };
}

function backendOf(operatorUid: string, maxParallelism: number): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: keyGroupRange(0, 1, maxParallelism),
    maxParallelism,
    freezeValues: true,
    operatorUid,
    now: () => 0,
  });
}

function handlesOf<S extends DeclaredState>(backend: MemoryStateBackend, declaration: S): StateHandles<S> {
  const handles: Record<string, StateHandle<StateDescriptor>> = {};
  for (const [name, descriptor] of Object.entries(declaration))
    handles[name] = backend.state(name, descriptor);
  return handles as StateHandles<S>;
}
