// WebHDFS in memory, a NameNode and a DataNode, as simple as it can be said.
import type { HttpAnswer, HttpRequest } from '../../src/stores/http.ts';
import { NaiveServer } from './naive-server.ts';

/** See the head of the file. Hooks are told `CREATE /path`, or `RENAME /to`. */
export class NaiveWebHdfs extends NaiveServer {
  /** Bytes by path; `undefined` is a directory. */
  readonly #files = new Map<string, Uint8Array | undefined>([['/', undefined]]);
  /** The user that is expected, or the token in its place. */
  user: string | undefined;
  token: string | undefined;

  /** Another one with the same files. */
  copy(): NaiveWebHdfs {
    const other = new NaiveWebHdfs();
    for (const [path, bytes] of this.#files) other.#files.set(path, bytes);
    return other;
  }

  /** Paths of all files. */
  paths(): string[] {
    return [...this.#files].flatMap(([path, bytes]) => (bytes === undefined ? [] : [path])).sort();
  }

  protected describe({ url }: HttpRequest): string {
    const path = decodeURIComponent(url.pathname).replace(/^\/webhdfs\/v1/, '');
    const op = url.searchParams.get('op');
    return `${op} ${op === 'RENAME' ? url.searchParams.get('destination') : path}`;
  }

  protected inability(fault: 'unavailable' | 'failed-after'): HttpAnswer {
    return fault === 'unavailable' ? failure(503, 'ServerTooBusyException') : failure(502, 'gateway');
  }

  protected handle({ url, body }: HttpRequest): HttpAnswer {
    const query = url.searchParams;
    const isUser = this.user === undefined || query.get('user.name') === this.user;
    const isToken = this.token === undefined || query.get('delegation') === this.token;
    if (!isUser || !isToken) return failure(403, 'AccessControlException');
    const path = decodeURIComponent(url.pathname)
      .replace(/^\/webhdfs\/v1/, '')
      .replace(/(?<=.)\/$/, '');
    const isAtDataNode = url.hostname === 'datanode.test';
    switch (query.get('op')) {
      case 'CREATE':
        return isAtDataNode ? this.#create(path, body ?? new Uint8Array()) : redirect(url);
      case 'OPEN':
        if (this.#files.get(path) === undefined) return failure(404, 'FileNotFoundException');
        return isAtDataNode ? { status: 200, headers: {}, body: this.#files.get(path)! } : redirect(url);
      case 'MKDIRS':
        this.#parents(`${path}/x`);
        return json(200, { boolean: true });
      case 'RENAME':
        return json(200, { boolean: this.#rename(path, query.get('destination') ?? '') });
      case 'DELETE':
        return json(200, { boolean: this.#delete(path) });
      case 'GETFILESTATUS': {
        if (!this.#files.has(path)) return failure(404, 'FileNotFoundException');
        return json(200, {
          FileStatus: { type: this.#files.get(path) === undefined ? 'DIRECTORY' : 'FILE' },
        });
      }
      case 'LISTSTATUS': {
        if (!this.#files.has(path)) return failure(404, 'FileNotFoundException');
        const below = [...this.#files.keys()].filter((each) => each !== '/' && parentOf(each) === path);
        const found = below.map((each) => ({ pathSuffix: each.slice(each.lastIndexOf('/') + 1) }));
        return json(200, { FileStatuses: { FileStatus: found } });
      }
      default:
        return failure(400, 'UnsupportedOperationException');
    }
  }

  #create(path: string, bytes: Uint8Array): HttpAnswer {
    if (this.#files.has(path)) return failure(403, 'FileAlreadyExistsException');
    this.#parents(path);
    this.#files.set(path, bytes.slice());
    return { status: 201, headers: {}, body: new Uint8Array() };
  }

  #rename(from: string, to: string): boolean {
    const bytes = this.#files.get(from);
    if (bytes === undefined || this.#files.has(to) || !this.#files.has(parentOf(to))) return false;
    this.#files.delete(from);
    this.#files.set(to, bytes);
    return true;
  }

  #delete(path: string): boolean {
    const gone = [...this.#files.keys()].filter((each) => each === path || each.startsWith(`${path}/`));
    for (const each of gone) this.#files.delete(each);
    return gone.length > 0;
  }

  #parents(path: string): void {
    for (let parent = parentOf(path); parent !== '/'; parent = parentOf(parent))
      this.#files.set(parent, undefined);
  }
}

function redirect(url: URL): HttpAnswer {
  const location = new URL(url);
  location.host = 'datanode.test:9864';
  return { status: 307, headers: { location: location.href }, body: new Uint8Array() };
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function json(status: number, value: object): HttpAnswer {
  return { status, headers: {}, body: new TextEncoder().encode(JSON.stringify(value)) };
}

function failure(status: number, exception: string): HttpAnswer {
  return json(status, {
    RemoteException: { exception, javaClassName: `java.lang.${exception}`, message: 'as in HDFS' },
  });
}
