/**
 * A seat in a register that whoever has it renews again and again, for services that do not notice by themselves that a
 * process is gone: the way of a Lease in Kubernetes.
 *
 * Owns: one candidacy. Partner: the register of the seat.
 *
 * RN-1 Others take the seat when they have seen it unchanged for `leaseMs` of their own clock: no clock of another process is
 *      believed, and what was read late counts late.
 * RN-2 Whoever has it gives it up by itself `renewDeadlineMs` after it SENT the last renewal that was answered; the deadline is
 *      shorter than the lease, so that with clocks that run alike nobody else has the seat by then.
 * RN-3 An answer that comes after the deadline changes nothing: a seat that was given up is not had again by the same contender.
 * RN-4 The name of a contender is drawn anew each time: a process that comes back does not find that it has the seat already.
 */

import type { Clock, Random, Timer } from '../base/env.ts';
import type { Candidacy, Contender, Seat } from './metadata-store.ts';
import type { Register, RegisterContent } from './register.ts';

/** How a seat is renewed, ms. */
export interface RenewalTimes {
  readonly leaseMs: number;
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

/** What the seat is made of. */
export interface RenewedSeatParts {
  readonly register: Register;
  readonly clock: Pick<Clock, 'monotonic' | 'timer'>;
  readonly random: Pick<Random, 'id'>;
  readonly times: RenewalTimes;
}

/** What is in the register of a seat. */
interface SeatRecord {
  /** Empty: nobody. */
  readonly holder: string;
  readonly renewals: number;
}

/** See the head of the file. */
export class RenewedSeat implements Seat {
  readonly #parts: RenewedSeatParts;

  constructor(parts: RenewedSeatParts) {
    this.#parts = parts;
  }

  contend(candidacy: Candidacy): Contender {
    return new RenewingContender(this.#parts, candidacy);
  }
}

class RenewingContender implements Contender {
  readonly #parts: RenewedSeatParts;
  readonly #candidacy: Candidacy;
  readonly #name: string;
  #state: 'waiting' | 'seated' | 'over' = 'waiting';
  #seen: { readonly revision: string; readonly sinceMs: number } | undefined;
  #timer: Timer | undefined;
  #deadline: Timer | undefined;
  /** The round that is under way. */
  #round: Promise<void> = Promise.resolve();

  constructor(parts: RenewedSeatParts, candidacy: Candidacy) {
    this.#parts = parts;
    this.#candidacy = candidacy;
    this.#name = `${candidacy.candidate} ${parts.random.id()}`; // RN-4
    this.#next(0);
  }

  async close(): Promise<void> {
    const wasSeated = this.#state === 'seated';
    this.#over();
    await this.#round;
    if (wasSeated) await this.#giveUp();
  }

  #next(afterMs: number): void {
    if (this.#state === 'over') return;
    const { clock } = this.#parts;
    this.#timer = clock.timer(
      afterMs,
      () => {
        // A service that fails is asked again; RN-2 ends what takes too long.
        this.#round = this.#once()
          .catch(() => undefined)
          .then(() => this.#next(this.#parts.times.retryMs));
      },
      'renew the seat, or look at it',
    );
  }

  async #once(): Promise<void> {
    const { register, clock } = this.#parts;
    const sentMs = clock.monotonic();
    const content = await register.read();
    if (this.#state === 'over') return;
    const record = recordOf(content);
    if (this.#state === 'seated' && record.holder !== this.#name)
      return this.#lose('somebody else has taken it');
    if (record.holder !== this.#name && !this.#isFree(content, record)) return;
    const next: SeatRecord = { holder: this.#name, renewals: record.renewals + 1 };
    const outcome = await register.replace(content?.revision, JSON.stringify(next));
    if (outcome !== 'conflict') this.#renewed(sentMs);
  }

  /** RN-1. */
  #isFree(content: RegisterContent | undefined, { holder }: SeatRecord): boolean {
    if (content === undefined || holder === '') return true;
    const now = this.#parts.clock.monotonic();
    if (this.#seen?.revision !== content.revision) this.#seen = { revision: content.revision, sinceMs: now };
    return now - this.#seen.sinceMs > this.#parts.times.leaseMs;
  }

  /** RN-2, RN-3. */
  #renewed(sentMs: number): void {
    if (this.#state === 'over') return;
    const { clock, times } = this.#parts;
    const leftMs = sentMs + times.renewDeadlineMs - clock.monotonic();
    if (leftMs <= 0) return this.#state === 'seated' ? this.#lose('the renewal came too late') : undefined;
    this.#deadline?.cancel();
    this.#deadline = clock.timer(
      leftMs,
      () => this.#lose('it could not be renewed in time'),
      'the seat runs out',
    );
    if (this.#state === 'seated') return;
    this.#state = 'seated';
    this.#candidacy.seated();
  }

  #lose(why: string): void {
    if (this.#state === 'over') return;
    this.#over();
    this.#candidacy.unseated(why);
  }

  #over(): void {
    this.#state = 'over';
    this.#timer?.cancel();
    this.#deadline?.cancel();
  }

  /** Says that nobody has it, so that nobody has to wait for the lease to end. */
  async #giveUp(): Promise<void> {
    const { register } = this.#parts;
    try {
      const content = await register.read();
      const record = recordOf(content);
      if (record.holder !== this.#name) return;
      await register.replace(content?.revision, JSON.stringify({ ...record, holder: '' }));
    } catch {
      // It runs out by itself.
    }
  }
}

function recordOf(content: RegisterContent | undefined): SeatRecord {
  if (content === undefined) return { holder: '', renewals: 0 };
  try {
    const { holder, renewals } = JSON.parse(content.text) as SeatRecord;
    return { holder, renewals };
  } catch {
    // Nobody can have written it who has the seat.
    return { holder: '', renewals: 0 };
  }
}
