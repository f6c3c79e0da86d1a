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
 * SC-4 A command that is lost takes its slot with it: the whole job restarts from a checkpoint, with a new
 *      coordinator, so that no split is given back or handed out again within a deployment.
 */

import type { Env, Log } from '../../base/env.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { PendingInput, Source, SourceSplit, SplitEnumerator } from '../../operators/source.ts';
import type { SlotCommand } from '../../hosts/messages.ts';

/** The command that hands out splits. */
export type SplitsCommand = SlotCommand & { readonly kind: 'splits' };

/** Runs the enumerator of one source vertex for one deployment. */
export class SourceCoordinator {
  readonly vertex: number;
  readonly uid: string;
  readonly #attempt: number;
  readonly #enumerator: SplitEnumerator<SourceSplit>;
  readonly #log: Log | undefined;
  #pendingFailed = false;

  constructor(place: {
    readonly vertex: number;
    readonly uid: string;
    readonly attempt: number;
    readonly enumerator: SplitEnumerator<SourceSplit>;
    readonly log?: Log;
  }) {
    this.vertex = place.vertex;
    this.uid = place.uid;
    this.#attempt = place.attempt;
    this.#enumerator = place.enumerator;
    this.#log = place.log;
  }

  /** Answers a reader's request; the caller sends the command in the same turn (SC-1). */
  answer(subtask: number): SplitsCommand {
    const split = this.#asking(() => this.#enumerator.next(subtask));
    return {
      kind: 'splits',
      attempt: this.#attempt,
      vertex: this.vertex,
      subtask,
      splits: split === 'none' ? [] : [encodeSplit(split)],
      noMore: split === 'none',
    };
  }

  /** What has not been handed out (SC-2): a copy, because the metadata is written later. */
  snapshot(): unknown {
    return this.#asking(() => JSON.parse(JSON.stringify(this.#enumerator.snapshot() ?? null)) as unknown);
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
}): Promise<SourceCoordinator[]> {
  const coordinators: SourceCoordinator[] = [];
  for (const [vertex, planned] of options.graph.vertices.entries()) {
    const uid = planned.operators[0]?.uid;
    const source = planned.source && uid !== undefined ? options.sources.get(uid) : undefined;
    if (source === undefined || uid === undefined) continue;
    const enumerator = await startEnumerator(source, uid, planned.parallelism, options);
    const { attempt, env } = options;
    coordinators.push(new SourceCoordinator({ vertex, uid, attempt, enumerator, log: env.log }));
  }
  return coordinators;
}

async function startEnumerator(
  source: Source<unknown>,
  uid: string,
  parallelism: number,
  { env, restored }: { readonly env: Env; readonly restored: ReadonlyMap<string, unknown> },
): Promise<SplitEnumerator<SourceSplit>> {
  const log = env.log.child({ operator: uid });
  try {
    const context = { files: env.files, clock: env.clock, log, parallelism };
    const enumerator = source.createEnumerator(context, restored.get(uid));
    if (!restored.has(uid)) await enumerator.start();
    return enumerator;
  } catch (error) {
    throw enumeratorFailed(uid, error);
  }
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
