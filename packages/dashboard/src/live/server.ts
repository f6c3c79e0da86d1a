// Asking the server: JSON by GET, actions by POST, PATCH and DELETE, files as forms; an error answer becomes an error with its text.
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
  return request<T>('GET', path, signal === undefined ? {} : { signal });
}

/** Does something; what it answers. `token` is asked for by what runs code. */
export function act<T>(
  method: 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  token = '',
): Promise<T> {
  const isForm = body instanceof FormData;
  return request<T>(method, path, {
    headers: {
      ...(body !== undefined && !isForm && { 'content-type': 'application/json' }),
      ...(token !== '' && { authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
  });
}

async function request<T>(
  method: string,
  path: string,
  {
    headers,
    ...rest
  }: Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> },
): Promise<T> {
  const answer = await fetch(`./v1${path}`, {
    method,
    headers: { accept: 'application/json', ...headers },
    ...rest,
  });
  const text = await answer.text();
  const json: unknown = text === '' ? undefined : JSON.parse(text);
  if (answer.ok) return json as T;
  const errors = (json as ErrorAnswer | undefined)?.errors ?? [`${answer.status} ${answer.statusText}`];
  throw new ServerError(answer.status, errors.join('\n'));
}
