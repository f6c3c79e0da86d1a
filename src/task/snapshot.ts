/**
 * One subtask's part of one checkpoint: taken synchronously at the barrier, turned into bytes afterwards.
 *
 * Owner: the task. Partner: the host, which calls `encode` between records until it is done.
 *
 * S1  Everything is as of the barrier: operator sections are asked for at once, keyed state is frozen at once.
 * S2  A promise in a section holds back the acknowledgement (I-C1), not the records that follow.
 * S3  A frozen backend is released exactly once, also when the checkpoint is aborted; then nothing more is encoded.
 * S4  A value that cannot become bytes fails the checkpoint, not the task: `parts` rejects.
 */

import type { OperatorStateWriter, Redistribution } from '../operators/operator.ts';
import type { FrozenKeyedState } from '../state/backend.ts';
import type { ChainLink } from './chain-link.ts';

/** A section of operator state. */
export interface Section {
  readonly name: string;
  readonly redistribution: Redistribution;
  readonly items: readonly Uint8Array[];
}

/** What one operator adds to a checkpoint. */
export interface OperatorPart {
  readonly uid: string;
  readonly sections: readonly Section[];
  readonly keyGroups: readonly { readonly keyGroup: number; readonly bytes: Uint8Array }[];
}

/** What an operator gets back at a restore. */
export interface RestoredOperator {
  readonly sections: ReadonlyMap<string, readonly Uint8Array[]>;
  readonly keyGroups: readonly { readonly keyGroup: number; readonly bytes: Uint8Array }[];
}

/** Which checkpoint, and when it was triggered, ms since the epoch. */
export interface CheckpointTime {
  readonly id: number;
  readonly timestamp: number;
}

/** Collects what `Operator.snapshot` writes. */
class SectionCollector implements OperatorStateWriter {
  readonly timestamp: number;
  readonly sections: Promise<Section>[] = [];

  constructor(timestamp: number) {
    this.timestamp = timestamp;
  }

  section(
    name: string,
    redistribution: Redistribution,
    items: readonly Uint8Array[] | Promise<readonly Uint8Array[]>,
  ): void {
    this.sections.push(Promise.resolve(items).then((found) => ({ name, redistribution, items: found })));
  }
}

interface FrozenOperator {
  readonly uid: string;
  readonly sections: Promise<Section[]>;
  readonly keyed: FrozenKeyedState | undefined;
  readonly toEncode: number[];
  readonly encoded: { keyGroup: number; bytes: Uint8Array }[];
}

/** A snapshot of all operators of a chain. */
export class TaskSnapshot {
  readonly #operators: readonly FrozenOperator[];
  #released = false;
  /** Why there will be no bytes (S4). */
  #failure: { readonly error: unknown } | undefined;

  constructor(checkpoint: CheckpointTime, links: readonly ChainLink[]) {
    this.#operators = links.map((link) => freezeOperator(checkpoint, link));
  }

  /** Encodes one key group; false when none is left. */
  encodeNext(): boolean {
    if (this.#released) return false;
    for (const operator of this.#operators) {
      const keyGroup = operator.toEncode.pop();
      if (keyGroup === undefined || operator.keyed === undefined) continue;
      try {
        operator.encoded.push({ keyGroup, bytes: operator.keyed.encode(keyGroup) });
        return true;
      } catch (error) {
        this.#failure = { error };
        break;
      }
    }
    this.release();
    return false;
  }

  /** All parts; after `encodeNext` returned false. Rejects when an operator could not make its state durable. */
  async parts(): Promise<OperatorPart[]> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const parts: OperatorPart[] = [];
    for (const operator of this.#operators) {
      parts.push({
        uid: operator.uid,
        sections: await operator.sections,
        keyGroups: operator.encoded.sort((left, right) => left.keyGroup - right.keyGroup),
      });
    }
    return parts;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const operator of this.#operators) operator.keyed?.release();
  }
}

function freezeOperator({ id, timestamp }: CheckpointTime, link: ChainLink): FrozenOperator {
  const collector = new SectionCollector(timestamp);
  link.snapshot(id, collector);
  const sections = Promise.all(collector.sections);
  // The rejection is reported by `parts`; until then it must not count as unhandled.
  sections.catch(() => undefined);
  const keyed = link.backend?.freeze();
  return {
    uid: link.planned.uid,
    sections,
    keyed,
    toEncode: keyed === undefined ? [] : [...keyed.keyGroups()].reverse(),
    encoded: [],
  };
}
