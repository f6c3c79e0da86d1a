/** Compares the keyed state of a checkpoint with what the operators of a job declare, before any of them starts. */

import type { StateDescriptor } from '../state/descriptors.ts';
import { checkStored, layoutOf } from '../state/memory/declared-layout.ts';
import { storedStates } from '../state/memory/key-group-bytes.ts';
import type { OldSubtasks } from './redistribution.ts';

/** The keyed state that an operator declares, by name; `undefined` when nothing is known of it. */
export type DeclaredState = (uid: string) => Readonly<Record<string, StateDescriptor>> | undefined;

/** Throws when stored state cannot be read as it is declared; each way in which it was written is looked at once. */
export function checkDeclaredState(uid: string, subtasks: OldSubtasks, declared: DeclaredState): void {
  const states = declared(uid);
  if (states === undefined) return;
  const seen = new Set<string>();
  for (const snapshot of subtasks) {
    for (const { keyGroup, bytes } of snapshot?.keyGroups ?? []) {
      for (const stored of storedStates(bytes, { operatorUid: uid, keyGroup })) {
        const descriptor = Object.hasOwn(states, stored.name) ? states[stored.name] : undefined;
        const written = JSON.stringify([stored.name, stored.kind, stored.codecId, stored.keyCodecId]);
        if (descriptor === undefined || seen.has(written)) continue;
        seen.add(written);
        checkStored(layoutOf(stored.name, descriptor), stored, uid);
      }
    }
  }
}
