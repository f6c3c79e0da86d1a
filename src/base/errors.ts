/**
 * The one error class of Millrace and the table of its codes.
 *
 * An error says what happened, where, why and what to do. It crosses threads and
 * machines as JSON, so it is compared by `code`, never by `instanceof`.
 */

/** Who has to act: the author of the job, something outside the process, or Millrace itself. */
export type ErrorOwner = 'user' | 'external' | 'internal';

/** Whether running the same job again may help: never, after a restart, or after waiting. */
export type ErrorRetry = 'never' | 'restart' | 'backoff';

/** One row of the error table. */
export interface ErrorRow {
  readonly title: string;
  readonly owner: ErrorOwner;
  readonly retry: ErrorRetry;
  readonly remedy: string;
}

/** Every code, once; a retired code is never used again. Ordered by room, then by name. */
export const ERROR_TABLE = {
  // base
  ASSERTION_FAILED: {
    title: 'an invariant of Millrace does not hold',
    owner: 'internal',
    retry: 'restart',
    remedy: 'This is a bug in Millrace: please report it with the message and the stack.',
  },
  CONFIG_INVALID: {
    title: 'a configuration value cannot be used',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the value that the message names.',
  },
  CONFIG_UNKNOWN_KEY: {
    title: 'a configuration key is not known',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the spelling; the message names the nearest known key.',
  },
  FILES_FAILED: {
    title: 'a file operation failed',
    owner: 'external',
    retry: 'backoff',
    remedy: 'Check that the path exists, may be read and written, and that the disk has space.',
  },
  KEY_INVALID: {
    title: 'a value cannot be a key',
    owner: 'user',
    retry: 'never',
    remedy:
      'Return a string, number, boolean, bigint (64 bits) or an array of these from the key selector; for an object choose the fields that identify it, such as [order.shop, order.number].',
  },
} as const satisfies Record<string, ErrorRow>;

/** A code of the error table. */
export type ErrorCode = keyof typeof ERROR_TABLE;

/** Where in the job an error happened; every field that is known is filled. */
export interface ErrorLocation {
  readonly job?: string;
  readonly operator?: string;
  readonly uid?: string;
  readonly subtask?: number;
  /** A position in the input, for example `auth.log:1234` or `offset 99`. */
  readonly position?: string;
}

/** An error with a code, a place and a remedy. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: ErrorCode;
  readonly where: ErrorLocation;
  readonly remedy: string;

  constructor(
    code: ErrorCode,
    message: string,
    options: { where?: ErrorLocation; remedy?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.where = options.where ?? {};
    this.remedy = options.remedy ?? ERROR_TABLE[code].remedy;
  }

  get owner(): ErrorOwner {
    return ERROR_TABLE[this.code].owner;
  }

  get retry(): ErrorRetry {
    return ERROR_TABLE[this.code].retry;
  }
}

/** What an error becomes when it crosses a thread or a process. */
export interface SerializedError {
  readonly code: ErrorCode | undefined;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly where: ErrorLocation;
  readonly remedy: string | undefined;
  readonly cause: SerializedError | undefined;
}

/** True for a Millrace error, also one that was rebuilt from another thread; narrows by code when one is given. */
export function isMillraceError(error: unknown, code?: ErrorCode): error is MillraceError {
  return (
    error instanceof Error &&
    error.name === 'MillraceError' &&
    (code === undefined || (error as MillraceError).code === code)
  );
}

/** Turns any thrown value into plain data; causes are followed to a depth of 8. */
export function serializeError(error: unknown, depth = 0): SerializedError {
  if (!(error instanceof Error)) {
    return {
      code: undefined,
      name: 'Error',
      message: String(error),
      stack: undefined,
      where: {},
      remedy: undefined,
      cause: undefined,
    };
  }
  const own = isMillraceError(error) ? error : undefined;
  return {
    code: own?.code,
    name: error.name,
    message: error.message,
    stack: error.stack,
    where: own?.where ?? {},
    remedy: own?.remedy,
    cause: error.cause === undefined || depth >= 8 ? undefined : serializeError(error.cause, depth + 1),
  };
}

/** Rebuilds an error from plain data, with the stack of the place where it was thrown. */
export function deserializeError(data: SerializedError): Error {
  const cause = data.cause === undefined ? undefined : deserializeError(data.cause);
  const options: { where: ErrorLocation; remedy?: string; cause?: unknown } = { where: data.where };
  if (data.remedy !== undefined) options.remedy = data.remedy;
  if (cause !== undefined) options.cause = cause;
  const error =
    data.code === undefined
      ? Object.assign(new Error(data.message, cause === undefined ? undefined : { cause }), {
          name: data.name,
        })
      : new MillraceError(data.code, data.message, options);
  if (data.stack !== undefined) error.stack = data.stack;
  return error;
}
