/**
 * The one connection of a page to its server: feeds messages into the state, and tells who renders.
 *
 * Owns: the `EventSource` and the state. Talks to: `/v1/x/stream`, React by `subscribe` and `state`.
 *
 * LS-1 There is at most one `EventSource`; another set of topics closes the old one before it opens the next.
 * LS-2 Listeners are told at most once per animation frame, however many messages a frame brings.
 * LS-3 A lost connection is tried again, after 1 s at first and at most every 15 s, until the server said it was final.
 */
import type { StreamTopic } from '../../../../src/rest/contract.ts';
import { after, type LiveState, lost, nothingYet, type StreamMessage } from './state.ts';

const eventNames: readonly StreamMessage['name'][] = [
  'hello',
  'overview',
  'job',
  'figures',
  'checkpoints',
  'checkpoint',
  'exceptions',
  'exception',
  'recoveries',
  'recovery',
  'alerts',
  'alert',
  'logs',
  'log',
  'sample',
  'bye',
];
const retryMsMin = 1000;
const retryMsMax = 15_000;

/** The state of a server, kept up to date. */
export class LiveStream {
  #state = nothingYet;
  #source: EventSource | undefined;
  readonly #wishes = new Set<{ readonly topics: readonly StreamTopic[] }>();
  #topics = '';
  #reconsidering: number | undefined;
  #retryMs = retryMsMin;
  #retry: number | undefined;
  #frame: number | undefined;
  readonly #listeners = new Set<() => void>();

  readonly state = (): LiveState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Watches these topics, besides those that others want, until the answer is called. */
  want(topics: readonly StreamTopic[]): () => void {
    const wish = { topics };
    this.#wishes.add(wish);
    this.#reconsider();
    return () => {
      this.#wishes.delete(wish);
      this.#reconsider();
    };
  }

  // After the panes have come and gone: going from one to the next must not connect twice.
  #reconsider(): void {
    window.clearTimeout(this.#reconsidering);
    this.#reconsidering = window.setTimeout(() => {
      const wanted = [...new Set([...this.#wishes].flatMap(({ topics }) => topics))].sort().join(',');
      if (wanted === this.#topics || this.#state.connection.kind === 'ended') return;
      this.#topics = wanted;
      this.#retryMs = retryMsMin;
      if (wanted === '') this.#close();
      else this.#open();
    }, 0);
  }

  #close(): void {
    window.clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
  }

  #open(): void {
    this.#close();
    const source = new EventSource(`./v1/x/stream?topics=${this.#topics}`);
    this.#source = source;
    for (const name of eventNames) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        // Every event name has its own shape in the contract.
        this.#take({ name, data: JSON.parse(event.data) } as StreamMessage);
      });
    }
    source.addEventListener('error', () => {
      if (this.#source === source) this.#again();
    });
  }

  #take(message: StreamMessage): void {
    if (message.name === 'hello') this.#retryMs = retryMsMin;
    this.#change(after(this.#state, message, Date.now()));
    if (message.name === 'bye') {
      if (message.data.final) this.#close();
      else this.#again();
    }
    if (this.#state.connection.kind === 'incompatible') this.#close();
  }

  // The browser's own retries are not used: after some failures it gives up.
  #again(): void {
    this.#close();
    this.#change(lost(this.#state, Date.now()));
    this.#retry = window.setTimeout(() => this.#open(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, retryMsMax);
  }

  #change(state: LiveState): void {
    this.#state = state;
    if (this.#frame !== undefined) return;
    this.#frame = window.requestAnimationFrame(() => {
      this.#frame = undefined;
      for (const listener of this.#listeners) listener();
    });
  }
}
