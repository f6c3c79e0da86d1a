/**
 * Failover regions that begin anew while the rest of the job runs.
 *
 * Owns: which slots begin anew, and how far that is. Partner: the job master, in whose inbox all of this happens; through
 * {@link RegionPort} its deployment gives up slots and takes others, and its checkpoints pause meanwhile.
 *
 * ```text
 *           a slot fails         its slots are gone       the back-off is over        slots are there       all subtasks run
 *   whole ─────────────▶ leaving ──────────────▶ waiting ────────────────▶ preparing ───────────▶ starting ──────────▶ whole
 *                         ▲   ▲ another region fails │                        │ a failure           │ a failure
 *                         │   └──────────────────────┘                        ▼                     │
 *                         │                                          the whole job restarts         │
 *                         └─────────────────────────────────────────────────────────────────────────┘
 * ```
 *
 * RF-1 A region is closed under channels: nothing that it had sent is with others, and nothing of others is lost with it.
 * RF-2 The region begins with the latest complete checkpoint n, chosen when no publication is under way (JM-2). The rest has
 *      taken its part in n, too, or in a later one: each region stands where a run of its own could stand, and they share
 *      nothing but the splits of sources (SC-5).
 * RF-3 From the failure until all subtasks run, no checkpoint is taken: one that was under way is aborted where tasks run on,
 *      except for one that is being published, which may be what the region begins with. What it makes the rest commit comes
 *      with the next one.
 * RF-4 Slots of the region come back only when all of its former ones are gone, with an attempt that no other has had: names
 *      of files and transactions of the former ones are not used again, and what they still say is not heard.
 * RF-5 Whatever is not this simple restarts the whole job: a failure while slots are prepared, while the job stops, ends or
 *      is rescaled, one that cannot be helped, and one before all subtasks have run. So does a region whose operators have
 *      union state: what the others have taken of it by now is not in the checkpoint.
 */

import { assert } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/env.ts';
import { type StartedSlots, terminateAll } from './deployment.ts';
import type { Inbox } from './inbox.ts';
import { asError } from './job-intent.ts';

/** What the job master does for it. */
export interface RegionPort<Prepared extends { readonly started: StartedSlots }> {
  /** The slots leave the deployment; `gone` when nothing runs there. */
  readonly leave: (slots: ReadonlySet<number>, gone: () => void) => void;
  /** Calls back when no publication of a checkpoint is under way. */
  readonly whenSettled: (run: () => void) => void;
  /** The region waits no more, and is prepared. */
  readonly preparing: () => void;
  /** The reason when it turns out that the region cannot restart alone. */
  readonly prepare: (slots: ReadonlySet<number>, signal: AbortSignal) => Promise<Prepared | NotAlone>;
  /** The slots are there: the deployment takes them. */
  readonly renew: (slots: ReadonlySet<number>, prepared: Prepared) => void;
  /** RF-5: what failed counts as a failure of the job. */
  readonly fail: (error: Error) => void;
  /** RF-5: the whole job restarts at once, without another failure. */
  readonly restartAll: (why: string) => void;
}

/** Why a region cannot restart alone. */
export interface NotAlone {
  readonly notAlone: string;
}

interface Restart {
  /** By the monotonic clock, ms. */
  readonly at: number;
  readonly slots: Set<number>;
  /** Those that were not asked to leave yet. */
  readonly toLeave: Set<number>;
  step: 'leaving' | 'waiting' | 'preparing' | 'starting';
  timer: Timer | undefined;
  readonly abort: AbortController;
  lost: Error | undefined;
}

/** See the head of the file. */
export class RegionFailover<Prepared extends { readonly started: StartedSlots }> {
  readonly #clock: Pick<Clock, 'monotonic' | 'timer'>;
  readonly #inbox: Inbox;
  readonly #port: RegionPort<Prepared>;
  #regions: readonly (readonly number[])[] = [];
  /** All subtasks of the deployment run, or did when a region failed. */
  #hasRun = false;
  #restart: Restart | undefined;
  /** Preparations that nobody wants any more and that have not ended. */
  #unwanted = 0;
  #whenGone: (() => void) | undefined;

  constructor(clock: Pick<Clock, 'monotonic' | 'timer'>, inbox: Inbox, port: RegionPort<Prepared>) {
    this.#clock = clock;
    this.#inbox = inbox;
    this.#port = port;
  }

  /** A deployment begins, with these regions; none: it can only be restarted as a whole. */
  nextDeployment(regions: readonly (readonly number[])[]): void {
    assert(this.#restart === undefined && this.#unwanted === 0, 'nothing of the deployment before is left');
    this.#regions = regions.length > 1 ? regions : [];
    this.#hasRun = false;
  }

  /** All subtasks run. */
  running(): void {
    this.#hasRun = true;
    if (this.#restart?.step === 'starting') this.#restart = undefined;
  }

  /** The slot is about to leave, or has left: what it says is of no interest. */
  isLeaving(slot: number): boolean {
    const restart = this.#restart;
    return restart !== undefined && restart.step !== 'starting' && restart.slots.has(slot);
  }

  /** A slot has failed while a region restarts: true when it is restarted with it. */
  joins(slot: number): boolean {
    const restart = this.#restart;
    if (restart === undefined || restart.step === 'starting') return false;
    if (restart.slots.has(slot)) return true;
    if (restart.step === 'preparing') return false;
    for (const other of this.#regionOf(slot)) {
      restart.slots.add(other);
      restart.toLeave.add(other);
    }
    if (restart.step === 'waiting') this.#leaveNext(restart);
    return true;
  }

  /** A slot has failed: true when its region alone is restarted, at this time. */
  begins(slot: number, at: number): boolean {
    const former = this.#restart;
    if (!this.#hasRun || (former !== undefined && former.step !== 'starting')) return false;
    const slots = new Set([...this.#regionOf(slot), ...(former?.slots ?? [])]);
    const isWhole = this.#regions.every((region) => region.every((each) => slots.has(each)));
    if (isWhole) return false;
    const abort = new AbortController();
    const restart: Restart = {
      at,
      slots,
      toLeave: new Set(slots),
      step: 'leaving',
      timer: undefined,
      abort,
      lost: undefined,
    };
    this.#restart = restart;
    // The failure is told before anything else happens.
    this.#inbox.post('a region leaves', () => this.#restart === restart && this.#leaveNext(restart));
    return true;
  }

  /** A slot that was prepared is lost before the deployment has it. */
  lost(error: Error): void {
    if (this.#restart?.step === 'preparing') this.#restart.lost ??= error;
  }

  /** The whole deployment leaves: no region is restarted any more. */
  abandon(): void {
    const restart = this.#restart;
    this.#restart = undefined;
    this.#hasRun = false;
    restart?.timer?.cancel();
    restart?.abort.abort();
  }

  /** Calls back, once, when nothing is prepared any more. */
  whenGone(then: () => void): void {
    this.#whenGone = then;
    this.#checkGone();
  }

  /** Whoever waits by {@link whenGone} waits no more. */
  hurry(): void {
    const then = this.#whenGone;
    this.#whenGone = undefined;
    then?.();
  }

  #regionOf(slot: number): readonly number[] {
    return this.#regions.find((region) => region.includes(slot)) ?? [];
  }

  #leaveNext(restart: Restart): void {
    restart.timer?.cancel();
    if (restart.toLeave.size === 0) return this.#wait(restart);
    restart.step = 'leaving';
    const slots = new Set(restart.toLeave);
    restart.toLeave.clear();
    this.#port.leave(slots, () => this.#restart === restart && this.#leaveNext(restart));
  }

  #wait(restart: Restart): void {
    restart.step = 'waiting';
    const afterMs = Math.max(0, restart.at - this.#clock.monotonic());
    const due = (): void => {
      if (this.#restart === restart && restart.step === 'waiting') this.#prepare(restart);
    };
    restart.timer = this.#clock.timer(
      afterMs,
      () => this.#inbox.post('a region restarts', due),
      'a region restarts',
    );
  }

  #prepare(restart: Restart): void {
    restart.step = 'preparing';
    this.#port.preparing();
    const isCurrent = (): boolean => this.#restart === restart;
    this.#port.whenSettled(() => {
      if (!isCurrent()) return;
      this.#unwanted += 1;
      this.#inbox.follow(
        'a region is prepared',
        this.#port.prepare(restart.slots, restart.abort.signal),
        (prepared) => {
          if ('notAlone' in prepared) {
            this.#unwanted -= 1;
            if (isCurrent()) this.#port.restartAll(prepared.notAlone);
            else this.#checkGone();
            return;
          }
          if (!isCurrent()) return this.#terminate(prepared);
          this.#unwanted -= 1;
          restart.step = 'starting';
          this.#port.renew(restart.slots, prepared);
          if (restart.lost !== undefined && isCurrent()) this.#port.fail(restart.lost);
        },
        (error) => {
          this.#unwanted -= 1;
          if (isCurrent()) this.#port.fail(asError(error));
          else this.#checkGone();
        },
      );
    });
  }

  #terminate({ started }: Prepared): void {
    const gone = (): void => {
      this.#unwanted -= 1;
      this.#checkGone();
    };
    this.#inbox.follow('slots of a region are terminated', terminateAll(started.gateways), gone, gone);
  }

  #checkGone(): void {
    if (this.#unwanted === 0) this.hurry();
  }
}
