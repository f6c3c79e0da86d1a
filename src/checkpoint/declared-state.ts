/** Compares the state of a checkpoint with what the operators of a job declare, before any of them starts. */

import { type BroadcastDeclaration, checkBroadcast, BROADCAST_SECTION } from '../state/broadcast-state.ts';
import type { StateDescriptor } from '../state/descriptors.ts';
import { checkStored, layoutOf } from '../state/memory/declared-layout.ts';
import { storedStates } from '../state/memory/key-group-bytes.ts';
import { checkLists, type DeclaredLists } from '../state/operator-lists.ts';
import type { OldSubtasks } from './redistribution.ts';

/** What is known of the state of an operator before it opens. */
export interface DeclaredOperator {
  /** Keyed state by name. */
  readonly declaredState?: Readonly<Record<string, StateDescriptor>> | undefined;
  readonly declaredBroadcast?: BroadcastDeclaration | undefined;
  readonly declaredLists?: DeclaredLists | undefined;
}

/** What an operator declares; `undefined` when nothing is known of it. */
export type DeclaredState = (uid: string) => DeclaredOperator | undefined;

/** Throws when stored state cannot be read as it is declared; each way in which it was written is looked at once. */
export function checkDeclaredState(uid: string, subtasks: OldSubtasks, declared: DeclaredState): void {
  const operator = declared(uid);
  if (operator === undefined) return;
  const { declaredState, declaredBroadcast, declaredLists } = operator;
  if (declaredState !== undefined) checkKeyed(uid, subtasks, declaredState);
  const sections = subtasks.flatMap((snapshot) => snapshot?.sections ?? []);
  if (declaredBroadcast !== undefined) {
    const items = sections.filter(({ name }) => name === BROADCAST_SECTION).flatMap((each) => each.items);
    checkBroadcast(declaredBroadcast, items, uid);
  }
  if (declaredLists !== undefined) checkLists(declaredLists, sections, uid);
}

function checkKeyed(
  uid: string,
  subtasks: OldSubtasks,
  states: Readonly<Record<string, StateDescriptor>>,
): void {
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
