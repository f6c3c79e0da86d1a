/**
 * Sessions that nothing but time fires: what window-operator.ts gives with the default trigger and no evictor, for a
 * fraction of its cost.
 *
 * Partner: open-sessions.ts, which finds, hands out and stores sessions.
 *
 * ```
 * record [time, time + gap)   ─▶ within a session: added to it
 *                             ─▶ touches one: the session becomes longer
 *                             ─▶ touches several: they become one, with what each of them held
 *                             ─▶ touches none: a new one, or late
 * ```
 */

import type { Key } from '../../base/key-groups.ts';
import { OpenSessions, type Session, type SessionKey, type SessionTimes } from './open-sessions.ts';
import { type Firing, type OwnWindowDefinition, OwnWindowOperator } from './own-window-operator.ts';
import { TimeWindow } from './time-window.ts';
import { contentsOf } from './window-folds.ts';

/** What is said about sessions. */
export interface SessionWindowDefinition<In> extends OwnWindowDefinition<In> {
  readonly times: SessionTimes;
  /** ms. */
  readonly gapOf: (value: In) => number;
}

/** One subtask of sessions. */
export class SessionWindowOperator<In> extends OwnWindowOperator<In, SessionKey> {
  protected readonly windows: OpenSessions;
  readonly #gapOf: (value: In) => number;

  constructor(definition: SessionWindowDefinition<In>) {
    super(definition);
    this.#gapOf = definition.gapOf;
    this.windows = new OpenSessions(contentsOf(definition.fold), definition.times);
  }

  protected add(key: Key, value: In, time: number): boolean {
    const end = time + this.#gapOf(value);
    const of = this.windows.find(key);
    if (of !== undefined) {
      // Most records are within the session that the one before has found (S4).
      const { latest } = of;
      if (time >= latest.start && end <= latest.end && latest.awaitsEnd) {
        of.place.beforeChange();
        this.#addTo(latest, value);
        return true;
      }
    }
    const session =
      of === undefined ? this.#newSession(undefined, key, time, end) : this.#join(of, time, end);
    if (session === undefined) return false;
    session.of.latest = session;
    this.#addTo(session, value);
    if (!session.awaitsEnd) this.#again(session);
    return true;
  }

  #addTo(session: Session, value: In): void {
    const held = session.value;
    session.value = held === undefined ? this.fold.first(value) : this.fold.next(held, value);
  }

  /** The session that now holds the time from `start` to `end`; `undefined`: it is over. */
  #join(of: SessionKey, start: number, end: number): Session | undefined {
    const { sessions } = of;
    let only: Session | undefined;
    for (let index = 0; index < sessions.length; index++) {
      const session = sessions[index]!;
      if (session.start > end || start > session.end) continue;
      if (only !== undefined) return this.#merge(of, start, end);
      only = session;
    }
    if (only === undefined) return this.#newSession(of, of.key, start, end);
    of.place.beforeChange();
    if (start >= only.start && end <= only.end) return only;
    if (start < only.start) only.start = start;
    if (end > only.end) only.end = end;
    if (sessions.length > 1) this.#moveLast(only);
    return this.#grown(only);
  }

  #merge(of: SessionKey, start: number, end: number): Session {
    of.place.beforeChange();
    const joined = of.sessions.filter((session) => session.start <= end && start <= session.end);
    const [first, ...others] = joined as [Session, ...Session[]];
    first.start = Math.min(start, ...joined.map((session) => session.start));
    first.end = Math.max(end, ...joined.map((session) => session.end));
    for (const other of others) {
      first.value = this.#mergedValue(first.value, other.value);
      first.awaitsEnd ||= other.awaitsEnd;
      this.windows.remove(other);
    }
    this.#moveLast(first);
    return this.#grown(first);
  }

  #mergedValue(held: unknown, other: unknown): unknown {
    if (held === undefined) return other;
    return other === undefined ? held : this.fold.merge(held, other);
  }

  /** S1 of open-sessions.ts. */
  #moveLast(session: Session): void {
    const { sessions } = session.of;
    sessions.splice(sessions.indexOf(session), 1);
    sessions.push(session);
  }

  /** It fires at its new end, also when it had fired at its old one, unless that is over too. */
  #grown(session: Session): Session {
    if (!this.#isOver(session.maxTimestamp)) {
      session.awaitsEnd = true;
      this.windows.queue(session);
    }
    return session;
  }

  #newSession(of: SessionKey | undefined, key: Key, start: number, end: number): Session | undefined {
    if (this.#isOver(this.windows.cleanupTime(end))) return undefined;
    const known = of ?? this.windows.addKey(key);
    known.place.beforeChange();
    return this.windows.open(known, start, end);
  }

  /** The first record of a session, or one after its firing. */
  #again(session: Session): void {
    if (!this.#isOver(session.maxTimestamp)) {
      session.awaitsEnd = true;
      this.windows.queue(session);
      return;
    }
    // It may be one that was late when it came: it has a clean-up to wait for.
    this.windows.queue(session);
    this.fireAgain(firingOf(session, false));
  }

  #isOver(time: number): boolean {
    return this.isEventTime && time <= this.context.currentWatermark();
  }

  timer(): void {
    const session = this.windows.taken();
    if (session === undefined) return; // A timer of a job that was another one.
    const isLast = this.windows.isOver(session);
    session.of.place.beforeChange();
    if (session.awaitsEnd) {
      session.awaitsEnd = false;
      this.fire(firingOf(session, isLast));
    }
    if (!isLast) return this.windows.queue(session);
    this.windows.forget(session);
    this.clear(new TimeWindow(session.start, session.end));
  }
}

function firingOf({ of, start, end, value }: Session, isLast: boolean): Firing {
  return { key: of.key, window: new TimeWindow(start, end), held: value, isLast };
}
