/**
 * One JobManager among several: waits for the seat, claims the next epoch, leads until it is over, and begins again.
 *
 * Owns: its candidacy and its term. Partners: the services (seat and store), and whoever leads and follows: `LeadershipListener`.
 *
 * EL-1 The states and what moves them are a table: election-states.ts.
 * EL-2 A grant is not told before the former term has come to its end here: leading is never done twice at once (FLINK-11843).
 * EL-3 What comes late, of a candidacy that is over, changes nothing (FLINK-9494): each event knows its candidacy. An epoch that
 *      was claimed too late is led by nobody.
 * EL-4 A leader ends its term when the seat is lost, when a write of its own is refused, or when it hears of a higher epoch:
 *      whichever is first. That it ends late does no harm: from the claim of the next one on, it cannot write.
 */

import type { Clock, Log, Random, Timer } from '../base/env.ts';
import { type ElectionEvent, type ElectionState, moveElection } from './election-states.ts';
import {
  type Claim,
  claimLeadership,
  type LeaderAddresses,
  type LeaderRecord,
  watchLeader,
} from './leader.ts';
import { LeaderStore } from './leader-store.ts';
import type { Closeable, Contender, HighAvailabilityServices } from './metadata-store.ts';

/** A term of this process. */
export interface Term {
  readonly leader: LeaderRecord;
  readonly store: LeaderStore;
}

/** Who leads and follows. */
export interface LeadershipListener {
  /** This process leads from now on. */
  granted(term: Term): void;
  /** It does not any more; resolves when nothing that it did as a leader goes on. */
  revoked(why: string): Promise<void>;
  /** Somebody leads, this process or another. */
  leaderIs(leader: LeaderRecord): void;
}

/** What an election is made of. */
export interface ElectionParts {
  readonly services: HighAvailabilityServices;
  readonly clock: Clock;
  readonly random: Pick<Random, 'id'>;
  readonly log: Log;
  /** The name of this process. */
  readonly candidate: string;
  readonly addresses: LeaderAddresses;
  readonly listener: LeadershipListener;
}

/** Before it is a candidate again, ms. */
const PAUSE_MS = 200;

/** See the head of the file. */
export class Election {
  readonly #parts: ElectionParts;
  #state: ElectionState = 'FOLLOWING';
  #contender: Contender | undefined;
  /** EL-3. */
  #candidacy = 0;
  #term: Term | undefined;
  #timer: Timer | undefined;
  #watch: Closeable | undefined;
  #isStopping = false;
  readonly #stopped = Promise.withResolvers<void>();

  constructor(parts: ElectionParts) {
    this.#parts = parts;
  }

  get state(): ElectionState {
    return this.#state;
  }

  /** The term, while this process leads. */
  get term(): Term | undefined {
    return this.#state === 'LEADING' ? this.#term : undefined;
  }

  /** Begins to wait for the seat; once. */
  start(): void {
    const { services } = this.#parts;
    this.#watch = watchLeader(services.store, (leader) => this.#heardOf(leader));
    this.#contend();
  }

  /** Ends the term from within: what a leader has to do cannot be done here. */
  resign(why: string): void {
    this.#deposed(why);
  }

  /** Ends the term, gives up the seat; resolves when that is done. */
  async stop(): Promise<void> {
    if (this.#isStopping) return this.#stopped.promise;
    this.#isStopping = true;
    this.#watch?.close();
    this.#timer?.cancel();
    const wasLeading = this.#state === 'LEADING';
    this.#move('stop');
    if (wasLeading) this.#resign('it is stopped');
    if (this.#state === 'STOPPED') await this.#over();
    return this.#stopped.promise;
  }

  // ---- the seat ----

  #contend(): void {
    const candidacy = ++this.#candidacy;
    const isCurrent = (): boolean => candidacy === this.#candidacy;
    this.#contender = this.#parts.services.seat.contend({
      candidate: this.#parts.candidate,
      seated: () => isCurrent() && this.#seated(candidacy),
      unseated: (why) => isCurrent() && this.#unseated(why),
    });
  }

  #seated(candidacy: number): void {
    this.#move('seated');
    const { services, clock, random, candidate, addresses } = this.#parts;
    claimLeadership(services.store, { ...addresses, candidate, term: random.id(), since: clock.now() }).then(
      (claim) => candidacy === this.#candidacy && this.#claimed(claim),
      (error: unknown) => candidacy === this.#candidacy && this.#beaten(error),
    );
  }

  #claimed(claim: Claim): void {
    const { services, clock, log, listener } = this.#parts;
    this.#move('claimed');
    const store = new LeaderStore(services.store, clock, claim, () => this.#deposed('a write was refused'));
    this.#term = { leader: claim.record, store };
    log.info('this JobManager leads', { epoch: claim.record.epoch });
    listener.leaderIs(claim.record);
    listener.granted(this.#term);
  }

  #beaten(error: unknown): void {
    this.#parts.log.warn('the seat is there, but not the leadership', { error: String(error) });
    this.#move('beaten');
    this.#pause();
  }

  #unseated(why: string): void {
    const wasLeading = this.#state === 'LEADING';
    this.#move('unseated');
    if (wasLeading) this.#resign(`the seat is lost: ${why}`);
    else if (this.#state === 'PAUSING') this.#pause();
  }

  // ---- the term ----

  #heardOf(leader: LeaderRecord): void {
    if (this.#isStopping) return;
    const own = this.#term?.leader;
    if (own === undefined || leader.epoch >= own.epoch) this.#parts.listener.leaderIs(leader);
    if (own !== undefined && leader.epoch > own.epoch) this.#deposed(`${leader.candidate} leads`);
  }

  #deposed(why: string): void {
    if (this.#state !== 'LEADING') return;
    this.#move('deposed');
    this.#resign(why);
  }

  /** EL-2. */
  #resign(why: string): void {
    const { log, listener } = this.#parts;
    log.warn('this JobManager does not lead any more', { epoch: this.#term?.leader.epoch, why });
    this.#term?.store.close();
    const ended = (): void => {
      this.#term = undefined;
      this.#move('ended');
      if (this.#isStopping) {
        this.#move('stop');
        void this.#over();
      } else this.#pause();
    };
    listener.revoked(why).then(ended, (error: unknown) => {
      log.error('what was led could not be ended', { error: String(error) });
      ended();
    });
  }

  // ---- again ----

  #pause(): void {
    const contender = this.#contender;
    this.#contender = undefined;
    this.#candidacy++;
    (contender?.close() ?? Promise.resolve()).then(() => {
      if (this.#state !== 'PAUSING') return;
      const again = (): void => {
        this.#move('ended');
        this.#contend();
      };
      this.#timer = this.#parts.clock.timer(PAUSE_MS, again, 'be a candidate again');
    }, ignore);
  }

  async #over(): Promise<void> {
    this.#candidacy++;
    const contender = this.#contender;
    this.#contender = undefined;
    await contender?.close();
    this.#stopped.resolve();
  }

  #move(event: ElectionEvent): void {
    this.#state = moveElection(this.#state, event);
  }
}

function ignore(): void {}
