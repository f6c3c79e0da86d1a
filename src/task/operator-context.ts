/** What one operator of a chain sees of its task: implements {@link OperatorContext} over the task's host. */

import type { Clock, Files, Log, Random } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import type { PlannedOperator } from '../graph/job-graph.ts';
import type { ClientPort, OperatorContext, OperatorInfo, Output } from '../operators/operator.ts';
import type { RuntimeContext } from '../operators/runtime-context.ts';
import type { KeyedStateBackend } from '../state/backend.ts';
import type { TaskHost } from './task-host.ts';

/** What a context is made of. */
export interface ContextParts {
  /** That of the task: it knows job, vertex, subtask and attempt. */
  readonly log: Log;
  readonly planned: PlannedOperator;
  readonly host: TaskHost;
  readonly output: Output;
  readonly backend: KeyedStateBackend | undefined;
  readonly runtime: RuntimeContext;
  readonly restored: ReadonlyMap<string, readonly Uint8Array[]>;
  readonly currentWatermark: () => number;
  readonly fail: (error: unknown) => void;
  readonly count: (name: string, by: number) => void;
}

/** The context of one operator and subtask. */
export class ChainOperatorContext implements OperatorContext {
  readonly info: OperatorInfo;
  readonly output: Output;
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly log: Log;
  readonly client: ClientPort;
  readonly runtime: RuntimeContext;
  readonly checkpointing: boolean;
  readonly autoWatermarkIntervalMs: number;
  readonly restoredCheckpointId: number | undefined;
  readonly #parts: ContextParts;

  constructor(parts: ContextParts) {
    const { host, planned } = parts;
    this.#parts = parts;
    this.info = { ...host.info, uid: planned.uid, name: planned.name };
    this.output = parts.output;
    this.clock = guardedClock(host.env.clock, parts.fail);
    this.random = host.env.random.fork(`${planned.uid}#${host.info.subtask}`);
    this.files = host.env.files;
    this.log = parts.log.child({ uid: planned.uid });
    this.client = host.client;
    this.runtime = parts.runtime;
    this.checkpointing = host.checkpointing;
    this.autoWatermarkIntervalMs = host.autoWatermarkIntervalMs;
    this.restoredCheckpointId = host.restoredCheckpointId;
  }

  get keyed(): KeyedStateBackend {
    const { backend, planned, host } = this.#parts;
    if (backend === undefined) {
      throw new MillraceError('OPERATOR_NOT_KEYED', `operator '${planned.name}' has no keyed input`, {
        where: { operator: planned.name, uid: planned.uid, subtask: host.info.subtask },
      });
    }
    return backend;
  }

  currentWatermark(): number {
    return this.#parts.currentWatermark();
  }

  restored(name: string): readonly Uint8Array[] {
    return this.#parts.restored.get(name) ?? [];
  }

  restoredNames(): readonly string[] {
    return [...this.#parts.restored.keys()];
  }

  wakeUp(): void {
    this.#parts.host.wakeUp();
  }

  fail(error: unknown): void {
    this.#parts.fail(error);
  }

  count(name: string, by = 1): void {
    this.#parts.count(name, by);
  }

  checkFence(): Promise<void> {
    return this.#parts.host.checkFence();
  }
}

/** The clock of an operator: an error in what it calls is a failure of the task, with its place, and not of the thread. */
function guardedClock(clock: Clock, fail: (error: unknown) => void): Clock {
  const guarded = (run: () => void) => (): void => {
    try {
      run();
    } catch (error) {
      fail(error);
    }
  };
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    timer: (afterMs, run, why) => clock.timer(afterMs, guarded(run), why),
    defer: (run, why) => clock.defer(guarded(run), why),
  };
}
