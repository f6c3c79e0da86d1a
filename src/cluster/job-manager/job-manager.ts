/**
 * The process of a JobManager: it leads alone, or takes turns with others, and says who leads to whoever asks the wrong one.
 *
 * Owns: the listener, which stays from one term to the next; the dispatcher of the present term. Partners: the election, the
 * dispatcher (all that a leader does), clients and TaskManagers.
 *
 * JN-1 One dispatcher at a time: that of a term is gone, with its processes, before the next one begins (EL-2).
 * JN-2 It takes clients and TaskManagers in when what former leaders have left was found; before that, and when it does not
 *      lead, clients are told who does, and TaskManagers are sent away without being refused: they look again.
 * JN-3 A leader that cannot find out what was left does not lead: it resigns, and somebody tries again.
 */

import type { Env } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import { locationIn } from '../../base/locations.ts';
import { addressText, type Network, type NetworkAddress, type NetworkListener } from '../../base/network.ts';
import type { Introduced } from '../../exchange/handshake.ts';
import { Election, type Term } from '../../ha/election.ts';
import type { LeaderRecord } from '../../ha/leader.ts';
import type { HighAvailabilityServices } from '../../ha/metadata-store.ts';
import { BlobFolder } from '../blobs.ts';
import { listenForPeers } from '../rpc/peers.ts';
import { TASK_MANAGER_SUBJECT } from '../task-manager/task-manager.ts';
import { ClientConnections } from './client-connections.ts';
import { CLIENT_SUBJECT, Dispatcher, type DispatcherParts } from './dispatcher.ts';
import { JobStore } from './job-store.ts';

/** How several JobManagers take turns. */
export interface TurnsParts {
  readonly services: HighAvailabilityServices;
  /** Where all of them keep bundles. */
  readonly storageDirectory: string;
  /** The name of this process. */
  readonly candidate: string;
}

/** What a JobManager is made of. */
export interface JobManagerParts extends Omit<DispatcherParts, 'store'> {
  readonly env: Env;
  readonly network: Network;
  /** Absent: it is the only one. */
  readonly turns: TurnsParts | undefined;
}

/** See the head of the file. */
export class JobManager {
  readonly #parts: JobManagerParts;
  #listener: NetworkListener | undefined;
  #election: Election | undefined;
  #dispatcher: Dispatcher | undefined;
  /** JN-2. */
  #isReady = false;
  #leader: LeaderRecord | undefined;
  /** Those that ask while it does not lead (JN-2). */
  readonly #clients: ClientConnections;

  constructor(parts: JobManagerParts) {
    this.#parts = parts;
    const { env, heartbeat } = parts;
    this.#clients = new ClientConnections({ clock: env.clock, heartbeat }, ({ kind }) =>
      kind === 'leader' ? Promise.resolve(this.#leader) : Promise.reject(notLeader(this.#leader)),
    );
  }

  /** All that a leader does; `undefined` when this process does not lead (JN-2). */
  get dispatcher(): Dispatcher | undefined {
    return this.#isReady ? this.#dispatcher : undefined;
  }

  /** Of its own term; 0 where nobody takes turns. */
  get epoch(): number {
    return this.#election?.term?.leader.epoch ?? 0;
  }

  /** Who leads, as far as is known here; `undefined` also where nobody takes turns. */
  get leader(): LeaderRecord | undefined {
    return this.#leader;
  }

  /** Begins to listen; throws NETWORK_FAILED. It does not lead before {@link lead}. */
  async listen(): Promise<NetworkAddress> {
    this.#listener = await listenForPeers(this.#parts, {
      address: this.#parts.address,
      secretOf: (subject) => this.#secretOf(subject),
      accept: (peer) => this.#accept(peer),
    });
    return this.#listener.address;
  }

  /** Leads, or is a candidate for it from now on; `rest` is the URL of its REST interface. */
  lead(rest: string | undefined): void {
    const { turns, env } = this.#parts;
    if (turns === undefined) {
      this.#dispatcher = new Dispatcher({ ...this.#parts, address: this.#listener!.address });
      this.#isReady = true;
      return;
    }
    this.#election = new Election({
      ...env,
      services: turns.services,
      candidate: turns.candidate,
      addresses: { rpc: this.#listener!.address, rest },
      listener: {
        granted: (term) => this.#granted(term, turns),
        revoked: () => this.#revoked(),
        leaderIs: (leader) => {
          this.#leader = leader;
        },
      },
    });
    this.#election.start();
  }

  /** Ends all that it does, gives up the lead, and leaves. */
  async stop(): Promise<void> {
    this.#listener?.close();
    await this.#election?.stop();
    if (this.#election === undefined) await this.#revoked();
    this.#clients.close();
    this.#parts.turns?.services.close();
  }

  // ---- terms ----

  #granted(term: Term, { storageDirectory }: TurnsParts): void {
    const { env } = this.#parts;
    const dispatcher = new Dispatcher({
      ...this.#parts,
      address: this.#listener!.address,
      store: new JobStore(term.store, (run) => new BlobFolder(env, locationIn(storageDirectory, run))),
    });
    this.#dispatcher = dispatcher;
    dispatcher.resume().then(
      () => {
        if (this.#dispatcher === dispatcher) this.#isReady = true;
      },
      (error: unknown) => {
        env.log.error('what former leaders have left could not be found', { error: String(error) });
        if (this.#dispatcher === dispatcher) this.#election?.resign('it could not find the jobs'); // JN-3
      },
    );
  }

  async #revoked(): Promise<void> {
    const dispatcher = this.#dispatcher;
    this.#isReady = false;
    await dispatcher?.stop();
    this.#dispatcher = undefined;
  }

  // ---- who dials ----

  #secretOf(subject: string): string | undefined {
    // Also before it is ready: the job masters that it has found.
    const known = this.#dispatcher?.secretOf(subject);
    if (known !== undefined) return known;
    if (subject === TASK_MANAGER_SUBJECT) return this.#parts.secret;
    return subject === CLIENT_SUBJECT ? this.#parts.token : undefined;
  }

  #accept(peer: Introduced): void {
    const { subject } = peer;
    const isForLeaders = subject === TASK_MANAGER_SUBJECT || subject === CLIENT_SUBJECT;
    const dispatcher = isForLeaders ? this.dispatcher : this.#dispatcher;
    if (dispatcher !== undefined) return dispatcher.accept(peer);
    if (subject === CLIENT_SUBJECT) return this.#clients.accept(peer);
    peer.connection.close();
  }
}

function notLeader(leader: LeaderRecord | undefined): MillraceError {
  const who =
    leader === undefined
      ? 'none leads at the moment'
      : `${leader.candidate} leads, at ${addressText(leader.rpc)}${leader.rest === undefined ? '' : ` (${leader.rest})`}`;
  return new MillraceError('NOT_LEADER', `this JobManager does not lead: ${who}`);
}
