/**
 * The coordinator's part of one source vertex: hands out splits and says what is left of them at a checkpoint.
 *
 * Owns: the enumerator of one deployment. Talks to: the job master, which calls it from its inbox only, and the
 * slots, by commands.
 *
 * A split must be on exactly one side of every cut: in the reader's state or in the enumerator's (FLINK-16986,
 * FLINK-21996). There is one ordering point, the job master's inbox:
 *
 * SC-1 Taking a split out of the enumerator and sending it happen in one handler: no snapshot falls in between.
 * SC-2 The snapshot for checkpoint n is taken in the handler that sends trigger n, before it sends it.
 * SC-3 Commands to a slot are FIFO, and a source takes its barrier after the splits that were sent before it.
 *
 * So a split that was taken before the snapshot was sent before the trigger (SC-1, SC-2), is with the reader at its
 * barrier (SC-3), and is in the reader's state only; one taken after it is in the enumerator's snapshot, is sent
 * after the trigger, arrives behind the barrier, and is in the enumerator's state only.
 *
 * SC-4 A command that is lost takes its slot with it, which restarts from a checkpoint: with the whole job, and a new
 *      coordinator, or with its failover region, for which this one takes back what the region got behind that checkpoint.
 * SC-5 A split is taken back when it was handed out behind the snapshot for the restored checkpoint n: then no reader has it
 *      in its state of n, and n's snapshot is not what this coordinator goes on from. What was handed out before is with a
 *      reader of n, and is not handed out again. Until then each split is remembered with the last snapshot before it.
 * SC-6 What was taken back goes to the same subtask again, in its order, and is a part of every snapshot until it does.
 */

import type { Env, Log } from '../../base/env.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { PendingInput, Source, SourceSplit, SplitEnumerator } from '../../operators/source.ts';
import type { SlotCommand } from '../../hosts/messages.ts';

/** The command that hands out splits. */
export type SplitsCommand = SlotCommand & { readonly kind: 'splits' };

/** A split that waits for its subtask again. */
interface TakenBack {
  readonly subtask: number;
  readonly split: SourceSplit;
}

/** The key of a snapshot that holds more than the enumerator's. */
const TAKEN_BACK = '$takenBack';

/** Runs the enumerator of one source vertex for one deployment. */
export class SourceCoordinator {
  readonly vertex: number;
  readonly uid: string;
  readonly #attempt: number;
  readonly #enumerator: SplitEnumerator<SourceSplit>;
  readonly #log: Log | undefined;
  #pendingFailed = false;
  /** What was handed out, in its order, and behind the snapshot for which checkpoint (SC-5). */
  #handedOut: { readonly subtask: number; readonly split: SourceSplit; readonly after: number }[] = [];
  #takenBack: TakenBack[];
  #lastSnapshot: number;
  readonly #remembers: boolean;

  constructor(place: {
    readonly vertex: number;
    readonly uid: string;
    readonly attempt: number;
    readonly enumerator: SplitEnumerator<SourceSplit>;
    readonly log?: Log;
    /** What is restored: its checkpoint, and what had been taken back in it. */
    readonly restoredCheckpointId?: number | undefined;
    readonly takenBack?: readonly TakenBack[];
    /** It may be asked to take splits back: the job has several failover regions. */
    readonly remembers?: boolean;
  }) {
    this.vertex = place.vertex;
    this.uid = place.uid;
    this.#attempt = place.attempt;
    this.#enumerator = place.enumerator;
    this.#log = place.log;
    this.#lastSnapshot = place.restoredCheckpointId ?? 0;
    this.#takenBack = [...(place.takenBack ?? [])];
    this.#remembers = place.remembers ?? false;
  }

  /** Answers a reader's request; the caller sends the command in the same turn (SC-1). */
  answer(subtask: number): SplitsCommand {
    const split = this.#takenBackFor(subtask) ?? this.#asking(() => this.#enumerator.next(subtask));
    if (this.#remembers && split !== 'none')
      this.#handedOut.push({ subtask, split, after: this.#lastSnapshot });
    return {
      kind: 'splits',
      attempt: this.#attempt,
      vertex: this.vertex,
      subtask,
      splits: split === 'none' ? [] : [encodeSplit(split)],
      noMore: split === 'none',
    };
  }

  /** What has not been handed out (SC-2), for a checkpoint: a copy, because the metadata is written later. */
  snapshot(checkpointId: number): unknown {
    this.#lastSnapshot = checkpointId;
    return this.#asking(() => {
      const state: unknown = this.#enumerator.snapshot() ?? null;
      const whole = this.#takenBack.length === 0 ? state : { [TAKEN_BACK]: this.#takenBack, state };
      return JSON.parse(JSON.stringify(whole)) as unknown;
    });
  }

  /** The checkpoint is complete: nothing restarts from a lower one, and what was handed out before it is its readers'. */
  completed(checkpointId: number): void {
    this.#handedOut = this.#handedOut.filter(({ after }) => after >= checkpointId);
  }

  /** Subtasks restart from this checkpoint, or from the beginning of the deployment (SC-5). */
  takeBack(isRestarted: (subtask: number) => boolean, checkpointId: number | undefined): void {
    const isBack = ({ subtask, after }: { readonly subtask: number; readonly after: number }): boolean =>
      isRestarted(subtask) && after >= (checkpointId ?? 0);
    const back = this.#handedOut.filter(isBack).map(({ subtask, split }) => ({ subtask, split }));
    this.#handedOut = this.#handedOut.filter((each) => !isBack(each));
    // What was taken back before and not handed out again came later.
    this.#takenBack = [...back, ...this.#takenBack];
  }

  /** SC-6. */
  #takenBackFor(subtask: number): SourceSplit | undefined {
    const at = this.#takenBack.findIndex((each) => each.subtask === subtask);
    return at < 0 ? undefined : this.#takenBack.splice(at, 1)[0]!.split;
  }

  /** How much there is in what has not been handed out; `undefined` where the source does not say, or fails to. */
  pending(): PendingInput | undefined {
    if (this.#pendingFailed) return undefined;
    try {
      return this.#enumerator.pending?.();
    } catch (error) {
      this.#pendingFailed = true;
      this.#log?.warn('a source cannot say how much is pending', { uid: this.uid, error });
      return undefined;
    }
  }

  #asking<T>(ask: () => T): T {
    try {
      return ask();
    } catch (error) {
      throw enumeratorFailed(this.uid, error);
    }
  }
}

/** Makes the coordinators of all sources, each started, or restored from what a checkpoint holds by uid. */
export async function startSourceCoordinators(options: {
  readonly graph: JobGraph;
  readonly sources: ReadonlyMap<string, Source<unknown>>;
  readonly attempt: number;
  readonly env: Env;
  readonly restored: ReadonlyMap<string, unknown>;
  readonly restoredCheckpointId: number | undefined;
  /** See {@link SourceCoordinator}. */
  readonly remembers: boolean;
}): Promise<SourceCoordinator[]> {
  const coordinators: SourceCoordinator[] = [];
  for (const [vertex, planned] of options.graph.vertices.entries()) {
    const uid = planned.operators[0]?.uid;
    const source = planned.source && uid !== undefined ? options.sources.get(uid) : undefined;
    if (source === undefined || uid === undefined) continue;
    const { attempt, env, restored, restoredCheckpointId, remembers } = options;
    const { parallelism } = planned;
    const { state, takenBack } = partsOf(restored.get(uid), parallelism);
    const isRestored = restored.has(uid);
    const enumerator = await startEnumerator(source, { uid, parallelism, env, isRestored, state });
    const own = { restoredCheckpointId, takenBack, remembers };
    coordinators.push(new SourceCoordinator({ vertex, uid, attempt, enumerator, log: env.log, ...own }));
  }
  return coordinators;
}

async function startEnumerator(
  source: Source<unknown>,
  {
    uid,
    parallelism,
    env,
    isRestored,
    state,
  }: {
    readonly uid: string;
    readonly parallelism: number;
    readonly env: Env;
    readonly isRestored: boolean;
    readonly state: unknown;
  },
): Promise<SplitEnumerator<SourceSplit>> {
  const log = env.log.child({ operator: uid });
  try {
    const context = { files: env.files, clock: env.clock, log, parallelism };
    const enumerator = source.createEnumerator(context, state);
    if (!isRestored) await enumerator.start();
    return enumerator;
  } catch (error) {
    throw enumeratorFailed(uid, error);
  }
}

/** What a checkpoint holds of an enumerator; another number of subtasks shares what had been taken back. */
function partsOf(
  restored: unknown,
  parallelism: number,
): { readonly state: unknown; readonly takenBack: readonly TakenBack[] } {
  const isBoth = typeof restored === 'object' && restored !== null && Object.hasOwn(restored, TAKEN_BACK);
  if (!isBoth) return { state: restored, takenBack: [] };
  const both = restored as { readonly [TAKEN_BACK]: readonly TakenBack[]; readonly state: unknown };
  const takenBack = both[TAKEN_BACK].map(({ subtask, split }) => ({ subtask: subtask % parallelism, split }));
  return { state: both.state, takenBack };
}

/** A split is plain JSON data; it travels as UTF-8. */
function encodeSplit(split: SourceSplit): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(split));
}

function enumeratorFailed(uid: string, cause: unknown): MillraceError {
  if (isMillraceError(cause)) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError(
    'SOURCE_ENUMERATOR_FAILED',
    `the source "${uid}" cannot tell its splits: ${message}`,
    {
      where: { uid },
      cause,
    },
  );
}
