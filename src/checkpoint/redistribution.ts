/**
 * Deals the state of an operator's old subtasks to its new ones. Pure arithmetic; nothing is lost or doubled (I-K2).
 *
 * ```
 * keyed       each new subtask gets the key groups of its range
 * split       all items in order of the old subtasks, dealt as contiguous chunks; the first `rest` chunks are longer by
 *             one, and the chunks of the next state begin where this one's rest ended (Flink's round robin)
 * union       every new subtask gets all items
 * broadcast   new subtask i gets the copy of old subtask i mod p
 * ```
 *
 * With unchanged parallelism `split` and `broadcast` give each subtask back what it had.
 */

import { assert } from '../base/assert.ts';
import { keyGroupRange } from '../base/key-groups.ts';
import { corrupt } from './checked-json.ts';
import type { OperatorSnapshot, OperatorStateSection } from './state-handle.ts';

/** The old subtasks of an operator, in order; `undefined`: this subtask held nothing. */
export type OldSubtasks = readonly (OperatorSnapshot | undefined)[];

/** The new scale of an operator. */
export interface Scale {
  readonly parallelism: number;
  readonly maxParallelism: number;
}

/** The state of each new subtask. */
export function redistribute(uid: string, old: OldSubtasks, scale: Scale): OperatorSnapshot[] {
  const sections = dealSections(uid, old, scale.parallelism);
  const keyGroups = dealKeyGroups(uid, old, scale);
  return Array.from({ length: scale.parallelism }, (_, subtask) => ({
    uid,
    sections: sections[subtask]!,
    keyGroups: keyGroups[subtask]!,
  }));
}

/** True when the operator held anything at all. */
export function holdsState(old: OldSubtasks): boolean {
  return (
    holdsKeyedState(old) ||
    old.some((snapshot) => snapshot?.sections.some(({ items }) => items.length > 0) === true)
  );
}

/** True when the operator held keyed state. */
export function holdsKeyedState(old: OldSubtasks): boolean {
  return old.some((snapshot) => snapshot !== undefined && snapshot.keyGroups.length > 0);
}

function dealKeyGroups(uid: string, old: OldSubtasks, scale: Scale): OperatorSnapshot['keyGroups'][] {
  const byKeyGroup = new Map<number, OperatorSnapshot['keyGroups'][number]>();
  for (const snapshot of old) {
    for (const group of snapshot?.keyGroups ?? []) {
      // I-K1: the ranges of the old subtasks were disjoint.
      if (byKeyGroup.has(group.keyGroup))
        throw corrupt('of the checkpoint', `key group ${group.keyGroup} of ${uid} is there twice`);
      byKeyGroup.set(group.keyGroup, group);
    }
  }
  const ascending = [...byKeyGroup.values()].sort((a, b) => a.keyGroup - b.keyGroup);
  return Array.from({ length: scale.parallelism }, (_, subtask) => {
    const { start, end } = keyGroupRange(subtask, scale.parallelism, scale.maxParallelism);
    return ascending.filter(({ keyGroup }) => keyGroup >= start && keyGroup <= end);
  });
}

function dealSections(uid: string, old: OldSubtasks, parallelism: number): OperatorStateSection[][] {
  const dealt: OperatorStateSection[][] = Array.from({ length: parallelism }, () => []);
  let first = 0;
  for (const [name, redistribution] of namesOf(uid, old)) {
    const copies = old.map((snapshot) => snapshot?.sections.find((section) => section.name === name)?.items);
    const { shares, next } = deal(copies, redistribution, parallelism, first);
    first = next;
    shares.forEach((items, subtask) => {
      dealt[subtask]!.push({ name, redistribution, items });
    });
  }
  return dealt;
}

type Items = readonly Uint8Array[];

function deal(
  copies: readonly (Items | undefined)[],
  redistribution: OperatorStateSection['redistribution'],
  parallelism: number,
  first: number,
): { shares: Items[]; next: number } {
  const all = copies.flatMap((items) => items ?? []);
  const everyone = <T>(share: (subtask: number) => T): T[] =>
    Array.from({ length: parallelism }, (_, subtask) => share(subtask));
  switch (redistribution) {
    case 'union':
      return { shares: everyone(() => all), next: first };
    case 'broadcast': {
      const present = copies.filter((items) => items !== undefined);
      return { shares: everyone((subtask) => present[subtask % present.length] ?? []), next: first };
    }
    case 'split':
      if (copies.length === parallelism)
        return { shares: everyone((subtask) => copies[subtask] ?? []), next: first };
      return {
        shares: chunks(all, parallelism, first),
        next: (first + (all.length % parallelism)) % parallelism,
      };
  }
}

function chunks(items: Items, parallelism: number, first: number): Items[] {
  const base = Math.floor(items.length / parallelism);
  const rest = items.length % parallelism;
  const shares: Items[] = Array.from({ length: parallelism }, () => []);
  let from = 0;
  for (let turn = 0; turn < parallelism; turn++) {
    const to = from + base + (turn < rest ? 1 : 0);
    shares[(first + turn) % parallelism] = items.slice(from, to);
    from = to;
  }
  assert(from === items.length, 'every item is dealt');
  return shares;
}

// In order of first appearance, so that the turns of `split` are the same at each restore.
function namesOf(uid: string, old: OldSubtasks): Map<string, OperatorStateSection['redistribution']> {
  const names = new Map<string, OperatorStateSection['redistribution']>();
  for (const snapshot of old) {
    for (const { name, redistribution } of snapshot?.sections ?? []) {
      const known = names.get(name) ?? redistribution;
      if (known !== redistribution)
        throw corrupt('of the checkpoint', `state ${name} of ${uid} is both ${known} and ${redistribution}`);
      names.set(name, known);
    }
  }
  return names;
}
