/** Runs a trigger for the windows of one subtask: the current namespace of the keyed state is the window at hand. */

import { MillraceError } from '../../base/errors.ts';
import type { KeyedStateBackend } from '../../state/backend.ts';
import type { ListState, ReducingState, StateHandles } from '../../state/descriptors.ts';
import type { OperatorContext } from '../operator.ts';
import type { StateDeclaration } from '../process-context.ts';
import { namespaceOfWindow, type TimeWindow } from './time-window.ts';
import type { MergeContext, Trigger } from './trigger.ts';
import { moveList, moveReduced } from './window-contents.ts';
import { declareStates } from './window-function.ts';

/** Any trigger. */
export type AnyTriggerOf<T> = Trigger<T, StateDeclaration>;

/** What a trigger sees, for whatever window is current. */
export class TriggerRunner implements MergeContext<StateDeclaration> {
  readonly state: StateHandles<StateDeclaration>;
  readonly currentWatermark: () => number;
  readonly currentProcessingTime: () => number;
  readonly registerEventTime: (time: number) => void;
  readonly registerProcessingTime: (time: number) => void;
  readonly deleteEventTime: (time: number) => void;
  readonly deleteProcessingTime: (time: number) => void;
  readonly #states: StateDeclaration;
  readonly #keyed: KeyedStateBackend;
  #merged: readonly TimeWindow[] = [];

  constructor(context: OperatorContext, states: StateDeclaration = {}) {
    const { keyed } = context;
    const { timers } = keyed;
    this.#keyed = keyed;
    this.#states = states;
    this.state = declareStates(states, (name, descriptor) =>
      keyed.state(`trigger/${name}`, descriptor, 'namespace'),
    );
    this.currentWatermark = () => context.currentWatermark();
    this.currentProcessingTime = () => context.clock.now();
    this.registerEventTime = (time) => timers.register('event', time);
    this.registerProcessingTime = (time) => timers.register('processing', time);
    this.deleteEventTime = (time) => timers.delete('event', time);
    this.deleteProcessingTime = (time) => timers.delete('processing', time);
  }

  /** Tells the trigger that `window`, which is current afterwards, now covers `merged`, and clears those. */
  merge(trigger: AnyTriggerOf<never>, window: TimeWindow, merged: readonly TimeWindow[]): void {
    this.#merged = merged;
    this.#keyed.setCurrentNamespace(namespaceOfWindow(window));
    trigger.onMerge?.(window, this);
    this.#merged = [];
    for (const each of merged) {
      this.#keyed.setCurrentNamespace(namespaceOfWindow(each));
      trigger.clear?.(each, this);
    }
    this.#keyed.setCurrentNamespace(namespaceOfWindow(window));
  }

  readonly mergeState = (name: string): void => {
    const target = this.#keyed.currentNamespace()!;
    const sources = this.#merged.map(namespaceOfWindow);
    const handle: unknown = this.state[name];
    switch (this.#states[name]?.kind) {
      case 'list':
        return moveList(this.#keyed, handle as ListState<unknown>, target, sources);
      case 'reducing':
        return moveReduced(this.#keyed, handle as ReducingState<unknown>, target, sources);
      default:
        throw new MillraceError(
          'WINDOW_INVALID',
          `a trigger asked to merge its state "${name}", which is no declared list or reducing state`,
        );
    }
  };
}
