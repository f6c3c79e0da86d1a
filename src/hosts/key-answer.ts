/** What a key holds, and a change of it by hand: looked at, made and logged between two records of its task. */

import type { Env } from '../base/env.ts';
import type { Key } from '../base/key-groups.ts';
import { shownValue } from '../base/shown-value.ts';
import type { KeyedStateBackend } from '../state/backend.ts';
import type { HeldChange, HeldState } from '../state/held-state.ts';
import type { KeyAnswer } from './inspection.ts';

interface Asked {
  readonly key: Key;
  readonly change: HeldChange | undefined;
  readonly env: Pick<Env, 'clock' | 'log'>;
  /** For the log. */
  readonly where: { readonly uid: string; readonly subtask: number };
}

/** What a key holds in a backend, after the change where there is one; throws where that is refused. */
export function keyAnswer(
  backend: Pick<KeyedStateBackend, 'held' | 'change'>,
  { key, change, env, where }: Asked,
): KeyAnswer {
  const at = env.clock.now();
  const held = backend.held(key);
  if (change === undefined) return { at, states: held, before: undefined };
  backend.change(key, change);
  const states = backend.held(key);
  const [before, after] = [held, states].map((each) => each.find(({ name }) => name === change.state));
  env.log.warn('state was changed by hand', {
    ...where,
    state: change.state,
    change: change.kind,
    key: shownValue(key).value,
    before: logged(before),
    after: logged(after),
  });
  return { at, states, before };
}

const LOGGED_BOUNDS = { depth: 4, breadth: 10, textLength: 100, values: 50 };

/** Short. */
function logged(state: HeldState | undefined): unknown {
  if (state === undefined || !state.isHeld) return null;
  return shownValue(state.value, undefined, LOGGED_BOUNDS).value;
}
