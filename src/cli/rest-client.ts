/** Asks the REST interface of a run with `--ui`, or of a cluster, for what Flink's command line asks for. */

import type { Clock } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';

/** Between two looks at an operation, ms. */
const POLL_MS = 100;
/** An answer that did not come by then will not, ms. */
const ANSWER_MS_MAX = 60_000;

/** What became of a savepoint that was asked for. */
interface OperationAnswer {
  readonly status: { readonly id: 'IN_PROGRESS' | 'COMPLETED' };
  readonly operation?: {
    readonly location?: string;
    readonly 'failure-cause'?: { readonly class: string; readonly 'stack-trace': string };
  };
}

/** One REST interface. */
export class RestClient {
  readonly #base: string;
  readonly #clock: Clock;

  /** `base`: for example `http://localhost:8081`. */
  constructor(base: string, clock: Clock) {
    this.#base = base.replace(/\/+$/, '');
    this.#clock = clock;
  }

  /** Takes a savepoint and gives its path. Throws SAVEPOINT_FAILED, REST_REQUEST_REFUSED or CLUSTER_UNREACHABLE. */
  savepoint(jobId: string, folder: string | undefined): Promise<string> {
    return this.#operate(jobId, 'savepoints', folder === undefined ? {} : { 'target-directory': folder });
  }

  /** Stops a job with a savepoint and gives its path; throws the same. */
  stop(
    jobId: string,
    request: { readonly folder: string | undefined; readonly drain: boolean },
  ): Promise<string> {
    const { folder, drain } = request;
    return this.#operate(jobId, 'stop', {
      drain,
      ...(folder === undefined ? {} : { targetDirectory: folder }),
    });
  }

  /** Cancels a job. */
  async cancel(jobId: string): Promise<void> {
    await this.#ask('PATCH', `/jobs/${encodeURIComponent(jobId)}?mode=cancel`);
  }

  async #operate(jobId: string, what: 'savepoints' | 'stop', body: object): Promise<string> {
    const job = `/jobs/${encodeURIComponent(jobId)}`;
    const begun = (await this.#ask('POST', `${job}/${what}`, body)) as { readonly 'request-id': string };
    for (;;) {
      const path = `${job}/savepoints/${begun['request-id']}`;
      const { status, operation } = (await this.#ask('GET', path)) as OperationAnswer;
      const cause = operation?.['failure-cause'];
      if (cause !== undefined) throw new MillraceError('SAVEPOINT_FAILED', firstLine(cause['stack-trace']));
      if (status.id === 'COMPLETED' && operation?.location !== undefined) return operation.location;
      await new Promise<void>((resolve) => {
        this.#clock.timer(POLL_MS, resolve, 'an operation is looked at again');
      });
    }
  }

  async #ask(method: 'GET' | 'POST' | 'PATCH', path: string, body?: object): Promise<unknown> {
    const deadline = new AbortController();
    const timer = this.#clock.timer(ANSWER_MS_MAX, () => deadline.abort(), 'an answer is waited for');
    try {
      const response = await fetch(`${this.#base}${path}`, {
        method,
        signal: deadline.signal,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      const text = await response.text();
      if (response.ok) return text === '' ? {} : (JSON.parse(text) as unknown);
      throw new MillraceError('REST_REQUEST_REFUSED', `${method} ${path}: ${reasonIn(text)}`);
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      const message = `nobody answers at ${this.#base}`;
      throw new MillraceError('CLUSTER_UNREACHABLE', message, { cause: error });
    } finally {
      timer.cancel();
    }
  }
}

/** The body of an error of Flink's REST interface is `{"errors": [...]}`. */
function reasonIn(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { readonly errors?: readonly string[] };
    return errors?.map(firstLine).join('; ') ?? text;
  } catch {
    return text;
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
