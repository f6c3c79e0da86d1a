// Asking the server: JSON by GET, actions by POST, PATCH and DELETE; an error answer becomes an error with its text.
import type { ErrorAnswer } from '../../../../src/rest/contract.ts';

/** The server refused, or could not be reached. */
export class ServerError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ServerError';
    this.status = status;
  }
}

/** Reads an answer. */
export function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  return request<T>('GET', path, undefined, signal);
}

/** Does something; what it answers. */
export function act<T>(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<T> {
  return request<T>(method, path, body, undefined);
}

async function request<T>(
  method: string,
  path: string,
  body: unknown,
  signal: AbortSignal | undefined,
): Promise<T> {
  const answer = await fetch(`./v1${path}`, {
    method,
    headers: {
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal !== undefined && { signal }),
  });
  const text = await answer.text();
  const json: unknown = text === '' ? undefined : JSON.parse(text);
  if (answer.ok) return json as T;
  const errors = (json as ErrorAnswer | undefined)?.errors ?? [`${answer.status} ${answer.statusText}`];
  throw new ServerError(answer.status, errors.join('\n'));
}
