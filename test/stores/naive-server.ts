// A server in memory, and all that can happen to a request on its way to it.
import type { HttpAnswer, HttpRequest, HttpTransport } from '../../src/stores/http.ts';
import { NoAnswer } from '../../src/stores/http.ts';

/**
 * What happens to a request: it does not get out; it works and its answer is lost; it is lost itself; it arrives after a
 * later one, long after its sender has given up; it arrives twice; the server answers that it cannot, before or after the work.
 */
export const REQUEST_FAULTS = [
  'refused',
  'answer-lost',
  'lost',
  'late',
  'twice',
  'unavailable',
  'failed-after',
] as const;

export type RequestFault = (typeof REQUEST_FAULTS)[number];

/** Called before each request, with what the server makes of it (`describe`); may throw what kills the process that asks. */
export type RequestHook = (request: string) => RequestFault | undefined | Promise<undefined>;

/** See the head of the file. */
export abstract class NaiveServer {
  /** Requests that have not arrived yet although nobody waits for them. */
  readonly #late: HttpRequest[] = [];

  protected abstract handle(request: HttpRequest): HttpAnswer;

  /** As hooks are told of it. */
  protected abstract describe(request: HttpRequest): string;

  /** How this server says that it cannot. */
  protected abstract inability(fault: 'unavailable' | 'failed-after'): HttpAnswer;

  /** The way of one process to it. */
  transport(hook: RequestHook = () => undefined): HttpTransport {
    return async (request) => {
      const fault = await hook(this.describe(request));
      if (fault !== 'late') this.arriveLate(1);
      switch (fault) {
        case 'refused':
          throw new NoAnswer('ECONNREFUSED', false);
        case 'lost':
          throw new NoAnswer('no answer within 30000 ms', true);
        case 'late':
          this.#late.push(request);
          throw new NoAnswer('no answer within 30000 ms', true);
        case 'answer-lost':
          this.handle(request);
          throw new NoAnswer('ECONNRESET', true);
        case 'unavailable':
          return this.inability(fault);
        case 'failed-after':
          this.handle(request);
          return this.inability(fault);
        case 'twice':
          this.handle(request);
          return this.handle(request);
        case undefined:
          return this.handle(request);
      }
    };
  }

  /** Lets late requests arrive: so many, or all. */
  arriveLate(count = Number.POSITIVE_INFINITY): void {
    for (let arrived = 0; arrived < count && this.#late.length > 0; arrived++)
      this.handle(this.#late.shift()!);
  }
}
