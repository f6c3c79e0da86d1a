/**
 * The open sessions of one subtask: of each key a few windows that do not touch, each with what it holds.
 *
 * Owns the sessions. Partners: the backend, which writes and restores them as the windows, contents and timers that
 * window-operator.ts and merging-windows.ts keep; the operator, which folds and fires.
 *
 * S1 No two sessions of a key overlap or touch. They stand in the order in which they last became what they are, which is
 *    that in which their contents are merged.
 * S2 A session that becomes longer stays where it is in the queue: when its turn comes too early it waits again. It is
 *    there once at least, at a time that is not after its own.
 * S3 What is due is handed out in the order of time, key and start: the same after a restore.
 * S4 The latest session of a key is the one that a record was added to last, or one that holds no time: it is never gone.
 * S5 What was found lately under a number is one of the keys that have sessions.
 */

import { compareKeys, type Key } from '../../base/key-groups.ts';
import { TimeHeap } from '../../base/time-heap.ts';
import { MAX_TIMESTAMP } from '../../base/time.ts';
import type { StateDescriptor } from '../../state/descriptors.ts';
import { canonicalKey } from '../../state/memory/canonical-key.ts';
import type {
  KeyPlace,
  OwnEntry,
  OwnKeyedState,
  OwnPlaces,
  OwnStateWriter,
  RestoredOwner,
} from '../../state/own-state.ts';
import { value } from '../../state/state.ts';
import type { TimerDomain } from '../../state/timer-domain.ts';
import { namespaceOfWindow, TimeWindow, windowOfNamespace } from './time-window.ts';

/** How long sessions are kept, and by which clock. */
export interface SessionTimes {
  readonly allowedLatenessMs: number;
  readonly domain: TimerDomain;
}

/** One session of a key. */
export class Session {
  readonly of: SessionKey;
  start: number;
  end: number;
  /** What was folded; `undefined`: nothing. */
  value: unknown = undefined;
  /** It has records that it has not fired with. */
  awaitsEnd = false;
  /** It was forgotten, or became a part of another one. */
  isGone = false;
  /** S2: the earliest time at which it is in the queue. */
  queuedAt = Number.POSITIVE_INFINITY;

  constructor(of: SessionKey, start: number, end: number) {
    this.of = of;
    this.start = start;
    this.end = end;
  }

  get maxTimestamp(): number {
    return Math.min(this.end - 1, MAX_TIMESTAMP);
  }
}

/** The sessions of one key. */
export class SessionKey implements OwnEntry {
  readonly key: Key;
  readonly place: KeyPlace;
  /** S1. */
  readonly sessions: Session[] = [];
  /** S4. */
  latest: Session;
  position = -1;

  constructor(key: Key, place: KeyPlace) {
    this.key = key;
    this.place = place;
    this.latest = this.#none();
  }

  /** S4: it is gone. */
  forgetLatest(): void {
    this.latest = this.#none();
  }

  /** A session that holds no time. */
  #none(): Session {
    return new Session(this, Number.NaN, Number.NaN);
  }
}

/** Keys found lately that are numbers, by their last bits: a power of two. */
const RECENT = 1_024;

/** [start, end, start and end of the window that its contents are under]. */
type StoredSession = readonly [start: number, end: number, stateStart: number, stateEnd: number];

/** See the head of the file. */
export class OpenSessions implements OwnKeyedState<SessionKey> {
  readonly states: OwnKeyedState['states'];
  readonly domain: TimerDomain;
  readonly #allowedLatenessMs: number;
  readonly #byKey = new Map<unknown, SessionKey>();
  /** S5. */
  readonly #recent = new Array<SessionKey | undefined>(RECENT).fill(undefined);
  readonly #queue = new TimeHeap<Session>();
  /** While a key group is restored: by the name of the window that the contents are under. */
  readonly #restored = new Map<SessionKey, Map<string, Session>>();
  #places!: OwnPlaces<SessionKey>;
  /** What is due at one time, from `#next` on. */
  #walk: readonly Session[] = [];
  #next = 0;
  #walkTime = 0;
  #taken: Session | undefined = undefined;

  constructor(contents: StateDescriptor, { allowedLatenessMs, domain }: SessionTimes) {
    this.states = [
      { name: 'windows', descriptor: value<readonly StoredSession[]>([]) },
      { name: 'contents', descriptor: contents },
    ];
    this.domain = domain;
    this.#allowedLatenessMs = allowedLatenessMs;
  }

  get freezesValues(): boolean {
    return this.#places.freezesValues;
  }

  /** Hot path: once per record. */
  find(key: Key): SessionKey | undefined {
    if (typeof key !== 'number') return this.#byKey.get(canonicalKey(key));
    // A place in an array, where the `Map` would compute a hash and look for it.
    const slot = key & (RECENT - 1);
    const recent = this.#recent[slot];
    if (recent !== undefined && recent.key === key) return recent;
    const found = this.#byKey.get(canonicalKey(key));
    if (found !== undefined) this.#recent[slot] = found;
    return found;
  }

  /** Of a key that has no sessions. */
  addKey(key: Key): SessionKey {
    return this.#addKey(key, this.#places.placeOf(key));
  }

  /** `MAX_TIMESTAMP`: never. */
  cleanupTime(end: number): number {
    return Math.min(Math.min(end - 1, MAX_TIMESTAMP) + this.#allowedLatenessMs, MAX_TIMESTAMP);
  }

  /** A session of its own. */
  open(of: SessionKey, start: number, end: number): Session {
    const session = new Session(of, start, end);
    of.sessions.push(session);
    return session;
  }

  /** The session is a part of another one from now on, or it is over; its key must not be without one. */
  remove(session: Session): void {
    session.isGone = true;
    const { of } = session;
    const { sessions } = of;
    if (of.latest === session) of.forgetLatest();
    sessions.splice(sessions.indexOf(session), 1);
  }

  /** S2: says that the session has got another time to be due at. */
  queue(session: Session): void {
    const due = this.#dueAt(session);
    if (due >= session.queuedAt) return;
    session.queuedAt = due;
    this.#queue.push(due, session);
  }

  /** The session that is due, once. */
  taken(): Session | undefined {
    const session = this.#taken;
    this.#taken = undefined;
    return session;
  }

  /** Whether a session that was handed out is to be forgotten now. */
  isOver({ end }: Session): boolean {
    return this.cleanupTime(end) === this.#walkTime;
  }

  /** Forgets a session, and its key with the last one. */
  forget(session: Session): void {
    this.remove(session);
    const { of } = session;
    if (of.sessions.length > 0) return;
    this.#places.remove(of);
    this.#byKey.delete(canonicalKey(of.key));
    if (typeof of.key !== 'number') return;
    const slot = of.key & (RECENT - 1);
    if (this.#recent[slot] === of) this.#recent[slot] = undefined;
  }

  // ---- for the backend ----

  start(places: OwnPlaces<SessionKey>): void {
    this.#places = places;
  }

  next(): number | undefined {
    if (this.#next < this.#walk.length) return this.#walkTime;
    for (let time = this.#queue.peek(); time !== undefined; time = this.#queue.peek()) {
      if (this.#isDue(this.#queue.first!, time)) return time;
      this.#queue.pop();
    }
    return undefined;
  }

  take(): SessionKey {
    if (this.#next >= this.#walk.length) this.#begin();
    this.#taken = this.#walk[this.#next++]!;
    if (this.#next === this.#walk.length) this.#walk = [];
    return this.#taken.of;
  }

  write({ sessions }: SessionKey, to: OwnStateWriter): void {
    to.value(
      0,
      undefined,
      sessions.map(({ start, end }): StoredSession => [start, end, start, end]),
    );
    for (const session of sessions) this.#writeSession(session, to);
  }

  #writeSession({ start, end, value: held, awaitsEnd, maxTimestamp }: Session, to: OwnStateWriter): void {
    const namespace = namespaceOfWindow(new TimeWindow(start, end));
    const cleanupTime = this.cleanupTime(end);
    if (held !== undefined) to.value(1, namespace, held);
    if (awaitsEnd) to.timer(maxTimestamp, namespace);
    if (cleanupTime !== MAX_TIMESTAMP && !(awaitsEnd && cleanupTime === maxTimestamp)) {
      to.timer(cleanupTime, namespace);
    }
  }

  restoreValue(state: number, owner: RestoredOwner, stored: unknown): void {
    if (state === 0) return this.#restoreKey(owner, stored as readonly StoredSession[]);
    const { start, end } = windowOfNamespace(owner.namespace!);
    const session = this.#byKey.get(canonicalKey(owner.key));
    const found = session === undefined ? undefined : this.#restored.get(session)?.get(`${start} ${end}`);
    // Contents of no session are out of reach, as they were.
    if (found !== undefined) found.value = stored;
  }

  restoreTimer(time: number, { key, namespace }: RestoredOwner): boolean {
    if (namespace === undefined) return false;
    this.#restored.clear();
    const window = windowOfNamespace(namespace);
    const sessions = this.#byKey.get(canonicalKey(key))?.sessions;
    const session = sessions?.find(({ start, end }) => start === window.start && end === window.end);
    if (session === undefined || time !== session.maxTimestamp) return true;
    session.awaitsEnd = true;
    this.queue(session);
    return true;
  }

  #restoreKey({ key, place }: RestoredOwner, stored: readonly StoredSession[]): void {
    const of = this.#addKey(key, place);
    const byStateWindow = new Map<string, Session>();
    for (const [start, end, stateStart, stateEnd] of stored) {
      const session = this.open(of, start, end);
      byStateWindow.set(`${stateStart} ${stateEnd}`, session);
      this.queue(session);
    }
    this.#restored.set(of, byStateWindow);
  }

  #addKey(key: Key, place: KeyPlace): SessionKey {
    const of = new SessionKey(key, place);
    this.#places.add(of);
    this.#byKey.set(canonicalKey(key), of);
    return of;
  }

  /** `Infinity`: never. */
  #dueAt({ awaitsEnd, maxTimestamp, end }: Session): number {
    if (awaitsEnd) return maxTimestamp;
    const cleanupTime = this.cleanupTime(end);
    return cleanupTime === MAX_TIMESTAMP ? Number.POSITIVE_INFINITY : cleanupTime;
  }

  /** S2: whether what stands in the queue at `time` is due then; else it waits again, if it must. */
  #isDue(session: Session, time: number): boolean {
    if (session.isGone || session.queuedAt !== time) return false;
    if (this.#dueAt(session) === time) return true;
    session.queuedAt = Number.POSITIVE_INFINITY;
    this.queue(session);
    return false;
  }

  #begin(): void {
    const time = this.next()!;
    const due: Session[] = [];
    while (this.next() === time) {
      const session = this.#queue.pop()!;
      session.queuedAt = Number.POSITIVE_INFINITY;
      due.push(session);
    }
    // S3.
    this.#walk = due.sort(
      (left, right) => compareKeys(left.of.key, right.of.key) || left.start - right.start,
    );
    this.#walkTime = time;
    this.#next = 0;
  }
}
