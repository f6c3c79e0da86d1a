/** A small file that somebody replaces now and then (a certificate, a token): read again when it was read long ago. */

import type { Env } from './env.ts';

/** What was read is believed for so long, ms. */
const FRESH_MS = 60_000;

/** See the head of the file. */
export class FreshFile {
  readonly path: string;
  readonly #env: Pick<Env, 'clock' | 'files'>;
  #last: { readonly text: string; readonly readMs: number } | undefined;

  /** `path` is absolute. */
  constructor(env: Pick<Env, 'clock' | 'files'>, path: string) {
    this.#env = env;
    this.path = path;
  }

  /** Throws a FilesError: it may be readable later. */
  async text(): Promise<string> {
    const now = this.#env.clock.monotonic();
    if (this.#last !== undefined && now - this.#last.readMs < FRESH_MS) return this.#last.text;
    const text = new TextDecoder().decode(await this.#env.files.read(this.path));
    this.#last = { text, readMs: now };
    return text;
  }

  /** It was not believed: the next look reads it again. */
  forget(): void {
    this.#last = undefined;
  }
}
