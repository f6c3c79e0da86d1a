/**
 * One subtask's part of one checkpoint: taken synchronously at the barrier, read piece by piece afterwards.
 *
 * Owner: the task. Partner: the host, which calls `advance` between records until it is done.
 *
 * S1  Everything is as of the barrier: operator sections are asked for at once, keyed state is frozen at once.
 * S2  A promise in a section holds back the acknowledgement (I-C1), not the records that follow.
 * S3  A frozen backend is released exactly once, also when the checkpoint is aborted; then nothing more is read, and the task
 *     has nothing of it any more.
 * S4  A value that cannot become bytes fails the checkpoint, not the task: `parts` rejects.
 */

import type { OperatorStateWriter, Redistribution } from '../operators/operator.ts';
import type { FrozenKeyedState, NumberEncoder, SnapshotProgress } from '../state/backend.ts';
import type { WrittenKeyGroup } from '../state/written-key-group.ts';
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
  readonly keyGroups: readonly WrittenKeyGroup[];
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
  written: readonly WrittenKeyGroup[];
}

/** A snapshot of all operators of a chain. */
export class TaskSnapshot {
  readonly #operators: readonly FrozenOperator[];
  /** Those that are not read yet, the first one last. */
  readonly #left: FrozenOperator[];
  readonly #onRelease: () => void;
  #released = false;
  /** Why there will be no bytes (S4). */
  #failure: { readonly error: unknown } | undefined;

  /** What is in typed tables goes to the encoder; `onRelease` is called once (S3). */
  constructor(
    checkpoint: CheckpointTime,
    links: readonly ChainLink[],
    { encoder, onRelease }: { readonly encoder: NumberEncoder; readonly onRelease: () => void },
  ) {
    this.#onRelease = onRelease;
    this.#operators = links.map((link) => freezeOperator(checkpoint, link, encoder));
    this.#left = this.#operators.toReversed();
  }

  /** Reads a small piece. */
  advance(): SnapshotProgress {
    if (this.#released) return 'done';
    for (let next = this.#left.at(-1); next !== undefined; next = this.#left.at(-1)) {
      const progress = next.keyed?.advance() ?? 'done';
      if (progress !== 'done') return progress;
      this.#left.pop();
      if (!this.#takeWritten(next)) break;
    }
    this.release();
    return 'done';
  }

  /** Reads all that is left, whether or not the encoder has room. */
  finish(): void {
    if (this.#released) return;
    for (const { keyed } of this.#left) keyed?.finish();
    while (this.advance() !== 'done');
  }

  /** S4. */
  #takeWritten(operator: FrozenOperator): boolean {
    try {
      operator.written = operator.keyed?.written() ?? [];
      return true;
    } catch (error) {
      this.#failure = { error };
      return false;
    }
  }

  /** All parts; after `advance` said `done`. Rejects when an operator could not make its state durable. */
  async parts(): Promise<OperatorPart[]> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const parts: OperatorPart[] = [];
    for (const { uid, sections, written } of this.#operators) {
      parts.push({ uid, sections: await sections, keyGroups: written });
    }
    return parts;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const operator of this.#operators) operator.keyed?.release();
    this.#onRelease();
  }
}

function freezeOperator(
  { id, timestamp }: CheckpointTime,
  link: ChainLink,
  encoder: NumberEncoder,
): FrozenOperator {
  const collector = new SectionCollector(timestamp);
  link.snapshot(id, collector);
  const sections = Promise.all(collector.sections);
  // The rejection is reported by `parts`; until then it must not count as unhandled.
  sections.catch(() => undefined);
  return { uid: link.planned.uid, sections, keyed: link.backend?.freeze(encoder), written: [] };
}
