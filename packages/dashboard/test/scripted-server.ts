// A server for tests of components: sends the built page and a stream of messages that the test wrote down.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ANSWER_HEADERS } from '../../../src/rest/http-server.ts';
import type { StreamMessage } from '../src/live/state.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Answers to requests other than the stream, by method and path; a function makes one of what follows the `?`. */
export type Answers = Readonly<Record<string, unknown>>;

/** Serves the page of a folder, on a port of its own. */
export class ScriptedServer {
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  /** `METHOD path` of every request that was not for a file or the stream. */
  readonly asked: string[] = [];
  /** What came with requests that change something. */
  readonly bodies: { readonly asked: string; readonly body: unknown }[] = [];
  #messages: readonly StreamMessage[] = [];
  #answers: Answers = {};

  constructor(folder: string) {
    this.#server = createServer((request, response) => {
      const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
      if (pathname === '/v1/x/stream') return this.#stream(response);
      if (pathname.startsWith('/v1/')) {
        const asked = `${request.method} ${pathname}`;
        this.asked.push(asked);
        // What came is known when the answer is.
        return void text(request).then((body) => {
          const isJson = request.headers['content-type'] === 'application/json';
          if (body !== '') this.bodies.push({ asked, body: isJson ? (JSON.parse(body) as unknown) : body });
          const found = this.#answers[asked + search] ?? this.#answers[asked];
          const answer: unknown = typeof found === 'function' ? found(new URLSearchParams(search)) : found;
          response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
          response.end(JSON.stringify(answer ?? { errors: [`nothing at ${pathname}`] }));
        });
      }
      void sendFile(folder, pathname, response);
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What a stream begins with from now on, and what other requests are answered with. */
  script(messages: readonly StreamMessage[], answers: Answers = {}): void {
    this.#messages = messages;
    this.#answers = answers;
  }

  /** Sends one more message to every open stream. */
  send(message: StreamMessage): void {
    for (const stream of this.#streams) write(stream, message);
  }

  /** Cuts every stream off, as a lost connection would. */
  cut(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.#streams.add(response);
    response.once('close', () => this.#streams.delete(response));
    for (const message of this.#messages) write(response, message);
  }
}

function write(stream: ServerResponse, { name, data }: StreamMessage): void {
  stream.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}

async function sendFile(folder: string, pathname: string, response: ServerResponse): Promise<void> {
  const path = join(folder, pathname === '/' ? 'index.html' : pathname);
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    // The page has to be content with the policy of the real server.
    ...ANSWER_HEADERS,
    'content-type': types[extname(path)] ?? 'application/octet-stream',
  });
  createReadStream(path).pipe(response);
}
