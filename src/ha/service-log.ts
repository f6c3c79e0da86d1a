/** Tells once what a service of high availability does not do: while that lasts nobody leads, and somebody wants to know why. */

import type { Log } from '../base/env.ts';

/** See the head of the file. */
export class ServiceLog {
  readonly #log: Log;
  readonly #service: string;
  #told: string | undefined;

  constructor(log: Log, service: string) {
    this.#log = log;
    this.#service = service;
  }

  failed(why: string): void {
    if (why === this.#told) return;
    this.#told = why;
    this.#log.warn(`${this.#service} does not answer as it should`, { why });
  }

  answered(): void {
    this.#told = undefined;
  }
}
