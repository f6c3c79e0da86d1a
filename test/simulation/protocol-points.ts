// The steps of start, checkpoint, commit and end that are operations on files, by name, and which of them is under way.

import { posix } from 'node:path';
import type { FileCall } from '../../src/testing/simulated-files.ts';

/** Asked for and without effect; with effect, and the caller does not know; with effect, and the caller knows. */
export type Stage = 'asked' | 'done' | 'told';
export const STAGES: readonly Stage[] = ['asked', 'done', 'told'];

/** Every point there is, in the order of the protocol. */
export const POINTS = [
  'attempt: claim its directory',
  'attempt: synchronize the claim',
  'attempt: write its base aside',
  'attempt: synchronize its base',
  'attempt: link its base',
  'attempt: synchronize the link',
  'sink: write the owner aside',
  'sink: link the owner',
  'sink: synchronize the owner',
  'checkpoint: claim its directory',
  'checkpoint: synchronize the claim',
  'state: create',
  'state: write',
  'state: synchronize',
  'state: synchronize the name',
  'part: create',
  'part: write',
  'part: synchronize',
  'part: synchronize the name',
  'metadata: create aside',
  'metadata: write',
  'metadata: synchronize',
  'metadata: link',
  'metadata: synchronize the link',
  'metadata: remove what was aside',
  'fence: look for a newer attempt',
  'commit: rename a part',
  'commit: synchronize the names',
  'discard: remove the metadata',
  'discard: synchronize',
  'discard: remove the directory',
  'end: write the marker aside',
  'end: synchronize the marker',
  'end: link the marker',
  'end: synchronize the link',
] as const;
export type Point = (typeof POINTS)[number];

/** Follows the operations of one process. Hand it every call, and every event after it happened. */
export class ProtocolPoints {
  /** Directories whose last change was a new name by link (checkpoints, attempts) or by rename (output). */
  readonly #lastChange = new Map<string, string>();
  readonly #asked = new Map<string, Point[]>();
  readonly #done = new Map<string, Point[]>();
  readonly #hits: string[] = [];

  onCall({ operation, path }: FileCall): void {
    const point = this.#pointOf(operation, path);
    if (point === undefined) return;
    push(this.#asked, `${operation} ${path}`, point);
    this.#hits.push(hit(point, 'asked'));
  }

  /** The points that were reached by this event: `<point>, <stage>`. */
  onEvent(event: string): readonly string[] {
    const what = event.slice(event.indexOf(': ') + 2);
    const isTold = what.startsWith('settle ');
    const key = isTold ? what.slice('settle '.length) : what;
    const point = (isTold ? this.#done : this.#asked).get(key)?.shift();
    if (point !== undefined) {
      if (!isTold) push(this.#done, key, point);
      this.#hits.push(hit(point, isTold ? 'told' : 'done'));
    }
    return this.#hits.splice(0);
  }

  #pointOf(operation: string, path: string): Point | undefined {
    const name = posix.basename(path);
    const directory = posix.dirname(path);
    if (operation === 'link' || operation === 'rename') this.#lastChange.set(directory, name);
    if (operation === 'create') this.#lastChange.set(directory, name);
    if (operation === 'remove') this.#lastChange.set(directory, `removed ${name}`);
    if (operation === 'sync directory') return this.#synchronized(path, this.#lastChange.get(path) ?? '');
    return POINT_OF.find(([of, pattern]) => of === operation && pattern.test(path))?.[2];
  }

  #synchronized(path: string, last: string): Point | undefined {
    if (path.endsWith('/attempts')) return 'attempt: synchronize the claim';
    if (/\/attempts\/\d+$/.test(path))
      return last === 'base' ? 'attempt: synchronize the link' : 'end: synchronize the link';
    if (path === '/checkpoints/job') return 'checkpoint: synchronize the claim';
    if (/\/chk-\d+$/.test(path)) {
      if (last === 'removed _metadata') return 'discard: synchronize';
      return last === '_metadata' ? 'metadata: synchronize the link' : 'state: synchronize the name';
    }
    if (path !== '/output') return undefined;
    if (last.startsWith('removed ._millrace')) return 'sink: synchronize the owner';
    return last.startsWith('part-') ? 'commit: synchronize the names' : 'part: synchronize the name';
  }
}

/** How a hit is called. */
export function hit(point: Point, stage: Stage): string {
  return `${point}, ${stage}`;
}

const POINT_OF: readonly (readonly [string, RegExp, Point])[] = [
  ['claim directory', /\/attempts\/\d+$/, 'attempt: claim its directory'],
  ['write', /\/base\.tmp$/, 'attempt: write its base aside'],
  ['sync', /\/base\.tmp$/, 'attempt: synchronize its base'],
  ['link', /\/base$/, 'attempt: link its base'],
  ['write', /\/\._millrace\.json/, 'sink: write the owner aside'],
  ['link', /\/_millrace\.json$/, 'sink: link the owner'],
  ['claim directory', /\/chk-\d+$/, 'checkpoint: claim its directory'],
  ['create', /\.state$/, 'state: create'],
  ['write', /\.state$/, 'state: write'],
  ['sync', /\.state$/, 'state: synchronize'],
  ['create', /\/\.part-/, 'part: create'],
  ['write', /\/\.part-/, 'part: write'],
  ['sync', /\/\.part-/, 'part: synchronize'],
  ['create', /\/_metadata\.\d+\.tmp$/, 'metadata: create aside'],
  ['write', /\/_metadata\.\d+\.tmp$/, 'metadata: write'],
  ['sync', /\/_metadata\.\d+\.tmp$/, 'metadata: synchronize'],
  ['link', /\/_metadata$/, 'metadata: link'],
  ['remove', /\/_metadata\.\d+\.tmp$/, 'metadata: remove what was aside'],
  ['list', /\/attempts$/, 'fence: look for a newer attempt'],
  ['rename', /\/part-/, 'commit: rename a part'],
  ['remove', /\/_metadata$/, 'discard: remove the metadata'],
  ['remove tree', /\/chk-\d+$/, 'discard: remove the directory'],
  ['write', /\/finished\.\d+\.tmp$/, 'end: write the marker aside'],
  ['sync', /\/finished\.\d+\.tmp$/, 'end: synchronize the marker'],
  ['link', /\/finished$/, 'end: link the marker'],
];

function push(map: Map<string, Point[]>, key: string, point: Point): void {
  const points = map.get(key);
  if (points === undefined) map.set(key, [point]);
  else points.push(point);
}
