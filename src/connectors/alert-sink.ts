/** The sink whose records become alerts on the dashboard, each once. */

import type { Evidence } from '../operators/evidence.ts';
import type { OperatorContext } from '../operators/operator.ts';
import type { AlertSeverity, ExactlyOnceSink, JobAlert, SinkWriter } from '../operators/sink.ts';
import { ClientCommitter, ImmediateClientWriter, TransactionalClientWriter } from './client-writer.ts';

/** Alerts that one subtask may hold between two checkpoints. */
const HELD_MAX = 100_000;
/** Characters of a message. */
const MESSAGE_LENGTH_MAX = 1_000;

/** How a record becomes an alert. */
export interface AlertSinkOptions<T> {
  readonly message: (record: T) => string;
  /** One for all, or of each record; default `warning`. */
  readonly severity?: AlertSeverity | ((record: T) => AlertSeverity);
  /** What led to it: what `ctx.evidence()` told. */
  readonly evidence?: (record: T) => Evidence | undefined;
}

/**
 * Shows each record in the alerts feed of the dashboard, where it opens to its evidence. With checkpointing an alert
 * appears when the checkpoint behind it is durable, exactly once; without, at once. Where nobody serves a dashboard
 * nothing is shown: send what must be seen to another sink besides.
 *
 * ```ts
 * interface Reading {
 *   readonly sensor: string;
 *   readonly celsius: number;
 * }
 *
 * export default job((env) => {
 *   const readings: Reading[] = [{ sensor: 'oven', celsius: 300 }];
 *   env
 *     .fromData(readings)
 *     .filter(({ celsius }) => celsius > 250)
 *     .sinkTo(alertSink({ message: ({ sensor, celsius }) => `${sensor} has ${celsius} °C` }), { uid: 'too-hot' });
 * });
 * ```
 */
export function alertSink<T>(options: AlertSinkOptions<T>): ExactlyOnceSink<T> {
  return {
    name: 'alerts',
    guarantee: 'exactly-once',
    createWriter: (context) => new AlertWriter(context, options),
    createCommitter: (context) => new ClientCommitter(context),
    receive: (alerts, _from, job) => {
      // What writers sent is what AlertWriter made.
      for (const alert of alerts as readonly unknown[] as readonly JobAlert[]) job.alert(alert);
    },
  };
}

class AlertWriter<T> implements SinkWriter<T> {
  readonly #context: OperatorContext;
  readonly #options: AlertSinkOptions<T>;
  readonly #writer: SinkWriter<JobAlert>;

  constructor(context: OperatorContext, options: AlertSinkOptions<T>) {
    this.#context = context;
    this.#options = options;
    this.#writer = context.checkpointing
      ? new TransactionalClientWriter<JobAlert>(context, HELD_MAX)
      : new ImmediateClientWriter<JobAlert>(context);
  }

  write(record: T, timestamp: number): void {
    const { message, severity = 'warning', evidence } = this.#options;
    const alert: JobAlert = {
      message: message(record).slice(0, MESSAGE_LENGTH_MAX),
      severity: typeof severity === 'function' ? severity(record) : severity,
      at: this.#context.clock.now(),
      evidence: evidence?.(record),
    };
    this.#writer.write(alert, timestamp);
  }

  writable(): boolean {
    return this.#writer.writable?.() ?? true;
  }

  prepareCommit(checkpointId: number): Promise<readonly Uint8Array[]> {
    return this.#writer.prepareCommit(checkpointId);
  }

  close(): void | Promise<void> {
    return this.#writer.close?.();
  }
}
