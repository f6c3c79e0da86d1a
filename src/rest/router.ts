/** Finds the route of a request: a table of methods and paths, each with its role, in the order in which it is asked. */

/** What whoever asks must be allowed to: to look, to change what runs, to bring code. Each includes the ones before. */
export type Role = 'view' | 'operate' | 'submit';

/** What a route gets. */
export interface RouteRequest {
  /** By the names in the path; decoded once. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The parsed JSON of the body, or the {@link Upload} of a route that takes one; `undefined` without one. */
  readonly body: unknown;
  /** A script of a page of this server asks, and may operate: for a GET that does something where Flink's page asks. */
  readonly mayAct: boolean;
}

/** A body that is no JSON: the parts of a form, by their names. */
export type Upload = ReadonlyMap<string, UploadedPart>;

/** One part of a form. */
export interface UploadedPart {
  /** As whoever sends it calls it; nothing of it becomes a path. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a route answers with. */
export type Answer =
  | {
      readonly kind: 'json';
      readonly status: number;
      readonly body: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'bytes';
      readonly status: number;
      readonly type: string;
      readonly bytes: Uint8Array | string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Events as they come, until whoever listens goes. */
  | { readonly kind: 'events'; readonly start: (sink: EventSink) => () => void };

/** Where events go. */
export interface EventSink {
  write(text: string): void;
  waitingBytes(): number;
  end(): void;
}

/** One row of the table. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** Segments that begin with `:` are parameters. Served with and without `/v1` before it. */
  readonly path: string;
  readonly role: Role;
  /** One line, for the OpenAPI document. */
  readonly summary: string;
  readonly query?: readonly string[];
  /** The body is a form with files, of at most so many bytes. */
  readonly uploadBytesMax?: number;
  /** Answered only to a script of a page of this server: for a GET of Flink's page that does something. */
  readonly onlyForPage?: boolean;
  /** About this process alone: also answered by one that sends whoever asks for anything else elsewhere. */
  readonly isOwn?: boolean;
  readonly handle: (request: RouteRequest) => Answer | Promise<Answer>;
}

/** A request that is refused: its status and what is said. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** 200 with JSON. */
export function ok(body: unknown): Answer {
  return { kind: 'json', status: 200, body };
}

/** 202: something was begun. */
export function accepted(body: unknown = {}): Answer {
  return { kind: 'json', status: 202, body };
}

/** The body of errors, as Flink has it. */
export function refused(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { kind: 'json', status, body: { errors: [message] }, headers };
}

/** What was found for a request. */
export type Found =
  | { readonly kind: 'route'; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'other-method'; readonly allowed: readonly string[] }
  | { readonly kind: 'nothing' };

const PREFIX = '/v1';
const SEGMENTS_MAX = 16;

interface Row {
  readonly route: Route;
  readonly segments: readonly string[];
}

/** The routes, found by path. */
export class Router {
  readonly routes: readonly Route[];
  readonly #rows: readonly Row[];

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    this.#rows = routes.map((route) => ({ route, segments: segmentsOf(route.path) }));
  }

  find(method: string, path: string): Found {
    const segments = decoded(path);
    if (segments === undefined) return { kind: 'nothing' };
    const rows = this.#rows.filter((row) => matches(row.segments, segments));
    if (rows.length === 0) return { kind: 'nothing' };
    // A fixed word is more exact than a parameter: /jobs/overview is not the job called "overview".
    const exact = Math.max(...rows.map(fixedOf));
    const candidates = rows.filter((row) => fixedOf(row) === exact);
    const row = candidates.find(({ route }) => route.method === method);
    if (row === undefined) {
      return { kind: 'other-method', allowed: candidates.map(({ route }) => route.method) };
    }
    const params = Object.fromEntries(
      row.segments.flatMap((segment, index) =>
        segment.startsWith(':') ? [[segment.slice(1), segments[index]!] as const] : [],
      ),
    );
    return { kind: 'route', route: row.route, params };
  }
}

function fixedOf({ segments }: Row): number {
  return segments.filter((segment) => !segment.startsWith(':')).length;
}

function segmentsOf(path: string): string[] {
  return path.split('/').slice(1);
}

/** Decoded once: what is escaped twice stays escaped, and is found nowhere. */
function decoded(path: string): string[] | undefined {
  const inner = path === PREFIX || path.startsWith(`${PREFIX}/`) ? path.slice(PREFIX.length) : path;
  const segments = segmentsOf(inner);
  if (segments.length > SEGMENTS_MAX) return undefined;
  try {
    return segments.map((segment) => decodeURIComponent(segment));
  } catch {
    return undefined;
  }
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every(
      (part, index) => part === segments[index] || (part.startsWith(':') && segments[index] !== ''),
    )
  );
}
