/**
 * The slots of a cluster: who has which, and what each TaskManager is to run.
 *
 * Owns: the slots of all registered TaskManagers, the requests that wait for slots. Partners: the TaskManagers (orders
 * and reports), the dispatcher (jobs), the job masters (requests).
 *
 * RM-1 A slot belongs to one job at most, and to none before the process of the last one is gone (slot-states.ts).
 * RM-2 Orders are the whole truth, numbered; they are sent when they change and with each heartbeat, so that none is
 *      missed for long. A report that is older than a slot's last change says nothing about it.
 * RM-3 A job keeps its slots from one deployment to the next; what it lost with a TaskManager is replaced when it asks.
 * RM-4 A slot is taken where the job has the fewest, among those where the most are free: a job is spread over all.
 * RM-5 A request ends: with all of its slots, at its deadline, or with its job. It takes nothing before it can have all.
 * RM-6 A TaskManager that is drained gets nothing new. What runs there stays until its job is deployed as a whole, when
 *      nothing of it runs anywhere; it leaves then, if there is room elsewhere.
 */

import type { Clock, Log, Timer } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { NetworkAddress } from '../../base/network.ts';
import type {
  BundleReference,
  JobOrder,
  SlotAssignment,
  TaskManagerListing,
  TaskManagerOrders,
  TaskManagerReport,
} from '../messages.ts';
import { moveSlot, type SlotEvent, type SlotState } from './slot-states.ts';

/** What a job needs for its processes. */
export interface SlotOwner {
  readonly jobId: string;
  readonly master: NetworkAddress;
  readonly secret: string;
  readonly bundle: BundleReference;
  readonly workingDirectory: string;
}

/** What a resource manager is made of. */
export interface ResourceManagerParts {
  readonly clock: Pick<Clock, 'now' | 'timer'>;
  readonly log: Log;
  /** In which the JobManager leads; 0 where there is one only. */
  readonly epoch?: number;
  /** A request that has not got its slots by then is refused, ms. */
  readonly slotRequestTimeoutMs: number;
  /** Tells a TaskManager what it is to run. */
  readonly sendOrders: (taskManager: string, orders: TaskManagerOrders) => void;
  /** Tells a job how many slots it could have: those that it has, and those that are free. */
  readonly slotsOffered: (jobId: string, count: number) => void;
  /** Tells a job that its slots in a TaskManager are gone. */
  readonly slotsLost: (jobId: string, taskManager: string, why: string) => void;
}

interface Slot {
  state: SlotState;
  jobId: string | undefined;
  /** Orders that the slot was last changed by (RM-2). */
  version: number;
}

interface Member {
  report: TaskManagerReport;
  heartbeatAt: number;
  readonly slots: readonly Slot[];
  version: number;
  /** RM-6. */
  isDraining: boolean;
}

interface Holding {
  readonly owner: SlotOwner;
  /** By slot of the job; `undefined` = lost, and not replaced. */
  slots: (Omit<SlotAssignment, 'allocation'> | undefined)[];
  /** By TaskManager. */
  readonly allocations: Map<string, string>;
  /** What the job was told last. */
  offered: number | undefined;
}

interface Request {
  readonly jobId: string;
  readonly count: number;
  /** For all of the job: nothing of it runs (RM-6). */
  readonly isWhole: boolean;
  readonly resolve: (slots: SlotAssignment[]) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

/** See the head of the file. */
export class ResourceManager {
  readonly #parts: ResourceManagerParts;
  readonly #epoch: number;
  readonly #members = new Map<string, Member>();
  readonly #holdings = new Map<string, Holding>();
  #requests: Request[] = [];
  #nextAllocation = 1;

  constructor(parts: ResourceManagerParts) {
    this.#parts = parts;
    this.#epoch = parts.epoch ?? 0;
  }

  // ---- TaskManagers ----

  /** A TaskManager has come, with nothing. */
  register(report: TaskManagerReport): void {
    const { taskManager } = report;
    this.lost(taskManager, 'it registered again');
    const slots = Array.from(
      { length: report.slots },
      (): Slot => ({ state: 'FREE', jobId: undefined, version: 0 }),
    );
    const heartbeatAt = this.#parts.clock.now();
    this.#members.set(taskManager, { report, heartbeatAt, slots, version: 0, isDraining: false });
    this.#parts.log.info('a TaskManager has registered', { taskManager, slots: report.slots });
    this.report(report);
    this.#sendOrders(taskManager);
    this.#serve();
  }

  /** What a TaskManager says that there is. */
  report(report: TaskManagerReport): void {
    const member = this.#members.get(report.taskManager);
    if (member === undefined) return;
    member.report = report;
    member.heartbeatAt = this.#parts.clock.now();
    for (const [index, slot] of member.slots.entries()) {
      if (report.ordersVersion < slot.version) continue; // RM-2
      const process = report.jobs.find(({ slots }) => slots.includes(index));
      const isItsOwn =
        process !== undefined &&
        (slot.jobId === undefined ||
          process.allocation === this.#allocationOf(slot.jobId, report.taskManager));
      this.#move(slot, isItsOwn ? 'reported' : 'absent');
    }
    this.#serve();
  }

  /** A TaskManager is gone, and all that ran there. */
  lost(taskManager: string, why: string): void {
    const member = this.#members.get(taskManager);
    if (member === undefined) return;
    this.#members.delete(taskManager);
    for (const slot of member.slots) this.#move(slot, 'lost');
    this.#parts.log.warn('a TaskManager is lost', { taskManager, why });
    for (const holding of this.#holdings.values()) {
      if (!holding.allocations.delete(taskManager)) continue;
      holding.slots = holding.slots.map((slot) => (slot?.taskManager === taskManager ? undefined : slot));
      this.#parts.slotsLost(holding.owner.jobId, taskManager, why);
    }
    this.#tellOffers();
  }

  /** A TaskManager is to be drained, or not any more (RM-6); false: there is none of this name. */
  drain(taskManager: string, isDraining: boolean): boolean {
    const member = this.#members.get(taskManager);
    if (member === undefined) return false;
    member.isDraining = isDraining;
    this.#parts.log.info('a TaskManager is drained', { taskManager, isDraining });
    this.#serve();
    return true;
  }

  /** Slots of a TaskManager that jobs have, and those that are free in the others. */
  roomFor(taskManager: string): { readonly used: number; readonly free: number } {
    const used = [...this.#holdings.values()].flatMap(({ slots }) =>
      slots.filter((slot) => slot?.taskManager === taskManager),
    ).length;
    return { used, free: this.#free(taskManager) };
  }

  /** Before a TaskManager has said who it is, it is to run nothing. */
  get noOrders(): TaskManagerOrders {
    return { epoch: this.#epoch, version: 0, jobs: [] };
  }

  /** What a TaskManager is to run. */
  ordersOf(taskManager: string): TaskManagerOrders {
    const version = this.#members.get(taskManager)?.version ?? 0;
    return {
      epoch: this.#epoch,
      version,
      jobs: [...this.#holdings.values()].flatMap((holding) => orderOf(holding, taskManager)),
    };
  }

  // ---- jobs ----

  /** A job may ask for slots from now on. */
  addJob(owner: SlotOwner): void {
    this.removeJob(owner.jobId);
    this.#holdings.set(owner.jobId, { owner, slots: [], allocations: new Map(), offered: undefined });
    this.#tellOffers();
  }

  /** The job has ended: its slots are given back. */
  removeJob(jobId: string): void {
    const holding = this.#holdings.get(jobId);
    if (holding === undefined) return;
    this.#holdings.delete(jobId);
    this.#refuse((request) => request.jobId === jobId, `job ${jobId} has ended`);
    this.#release(holding, 0);
    for (const taskManager of holding.allocations.keys()) this.#sendOrders(taskManager);
    this.#serve();
  }

  /** So many slots in all for a job, those that it has among them. Throws SLOTS_MISSING at the deadline. */
  requestSlots(jobId: string, count: number, isWhole = false): Promise<SlotAssignment[]> {
    return new Promise((resolve, reject) => {
      if (!this.#holdings.has(jobId)) return reject(missing(`job ${jobId} is not known`));
      this.#refuse((request) => request.jobId === jobId, 'the job asked again');
      const { clock, slotRequestTimeoutMs } = this.#parts;
      const timer = clock.timer(
        slotRequestTimeoutMs,
        () => this.#refuse((request) => request.timer === timer, this.#shortage(jobId, count)),
        'slots have to be found',
      );
      this.#requests.push({ jobId, count, isWhole, resolve, reject, timer });
      this.#serve();
    });
  }

  /** As {@link requestSlots}, without waiting. */
  takeSlots(jobId: string, count: number, isWhole = false): SlotAssignment[] {
    if (!this.#holdings.has(jobId)) throw missing(`job ${jobId} is not known`);
    if (!this.#deal({ jobId, count, isWhole })) throw missing(this.#shortage(jobId, count));
    this.#serve();
    return this.slotsOf(jobId);
  }

  /** As {@link takeSlots}, beside a deployment: those that the job has stay what they are. */
  reserveSlots(jobId: string, count: number): SlotAssignment[] {
    return this.takeSlots(jobId, Math.max(count, this.#holdings.get(jobId)?.slots.length ?? 0));
  }

  /** The slots that a job has. */
  slotsOf(jobId: string): SlotAssignment[] {
    return this.placesOf(jobId).filter((slot) => slot !== undefined);
  }

  /** By slot of the job; `undefined` where one was lost and is not replaced yet. */
  placesOf(jobId: string): (SlotAssignment | undefined)[] {
    const { slots = [], allocations } = this.#holdings.get(jobId) ?? {};
    return slots.map((slot) => slot && { ...slot, allocation: allocations!.get(slot.taskManager)! });
  }

  /** All TaskManagers, by their ids. */
  listing(): TaskManagerListing[] {
    return [...this.#members.values()]
      .map(({ report, heartbeatAt, slots, isDraining }) => ({
        taskManager: report.taskManager,
        host: report.host,
        processId: report.processId,
        startedAt: report.startedAt,
        heartbeatAt,
        slots: slots.length,
        slotsFree: slots.filter(({ state }) => state === 'FREE').length,
        isDraining,
        process: report.process,
        jobs: report.jobs,
      }))
      .sort((a, b) => (a.taskManager < b.taskManager ? -1 : 1));
  }

  // ---- dealing (RM-3 to RM-5) ----

  #serve(): void {
    for (const request of [...this.#requests]) {
      if (!this.#deal(request)) continue;
      this.#requests = this.#requests.filter((other) => other !== request);
      request.timer.cancel();
      request.resolve(this.slotsOf(request.jobId));
    }
    this.#tellOffers();
  }

  #tellOffers(): void {
    const free = this.#free();
    for (const holding of this.#holdings.values()) {
      const count = free + holding.slots.filter((slot) => slot !== undefined).length;
      if (count === holding.offered) continue;
      holding.offered = count;
      this.#parts.slotsOffered(holding.owner.jobId, count);
    }
  }

  #deal({ jobId, count, isWhole }: Pick<Request, 'jobId' | 'count' | 'isWhole'>): boolean {
    const holding = this.#holdings.get(jobId)!;
    // What is left of more than are needed is kept, wherever it stands.
    if (count < holding.slots.length) holding.slots = holding.slots.filter((slot) => slot !== undefined);
    const wanted = holding.slots.slice(0, count);
    const kept = wanted.filter((slot) => slot !== undefined).length;
    const stay = wanted.filter((slot) => slot !== undefined && !this.#isDraining(slot.taskManager)).length;
    const leaves = isWhole && stay < kept && this.#free() >= count - stay; // RM-6
    if (!leaves && this.#free() < count - kept) return false;
    const changed = new Set(this.#release(holding, count));
    if (leaves) for (const taskManager of this.#leave(holding)) changed.add(taskManager);
    for (let index = 0; index < count; index++) {
      if (holding.slots[index] !== undefined) continue;
      const found = this.#pick(holding);
      holding.slots[index] = found;
      changed.add(found.taskManager);
      if (!holding.allocations.has(found.taskManager)) {
        holding.allocations.set(found.taskManager, `${jobId}-${this.#epoch}-${this.#nextAllocation++}`);
      }
    }
    for (const taskManager of changed) this.#sendOrders(taskManager);
    return true;
  }

  #isDraining(taskManager: string): boolean {
    return this.#members.get(taskManager)?.isDraining === true;
  }

  /** That may be given to jobs. */
  #free(except?: string): number {
    let free = 0;
    for (const [taskManager, { slots, isDraining }] of this.#members) {
      if (isDraining || taskManager === except) continue;
      for (const { state } of slots) if (state === 'FREE') free++;
    }
    return free;
  }

  /** RM-4. */
  #pick(holding: Holding): Omit<SlotAssignment, 'allocation'> {
    const open = [...this.#members].filter(([, { isDraining }]) => !isDraining);
    const candidates = open.map(([taskManager, { slots }]) => ({
      taskManager,
      free: slots.filter(({ state }) => state === 'FREE').length,
      own: holding.slots.filter((slot) => slot?.taskManager === taskManager).length,
    }));
    candidates.sort((a, b) => a.own - b.own || b.free - a.free || (a.taskManager < b.taskManager ? -1 : 1));
    const { taskManager } = candidates.find(({ free }) => free > 0)!;
    const member = this.#members.get(taskManager)!;
    const slot = member.slots.findIndex(({ state }) => state === 'FREE');
    this.#move(member.slots[slot]!, 'allocate', holding.owner.jobId);
    member.slots[slot]!.version = member.version + 1;
    return { taskManager, slot };
  }

  /** RM-6: gives back what the job has where nothing is to run; returns the TaskManagers whose orders change. */
  #leave(holding: Holding): string[] {
    const changed: string[] = [];
    for (const [index, found] of holding.slots.entries()) {
      if (found === undefined || !this.#isDraining(found.taskManager)) continue;
      this.#giveBack(found);
      holding.slots[index] = undefined;
      holding.allocations.delete(found.taskManager);
      changed.push(found.taskManager);
    }
    return changed;
  }

  #giveBack({ taskManager, slot }: Omit<SlotAssignment, 'allocation'>): void {
    const member = this.#members.get(taskManager)!;
    this.#move(member.slots[slot]!, 'release');
    member.slots[slot]!.version = member.version + 1;
  }

  /** Gives back what is beyond `count`; returns the TaskManagers whose orders change. */
  #release(holding: Holding, count: number): string[] {
    const surplus = holding.slots.slice(count);
    holding.slots = holding.slots.slice(0, count);
    const changed: string[] = [];
    for (const found of surplus) {
      if (found === undefined) continue;
      this.#giveBack(found);
      changed.push(found.taskManager);
      // The last one there takes the process with it.
      if (count > 0 && !holding.slots.some((slot) => slot?.taskManager === found.taskManager)) {
        holding.allocations.delete(found.taskManager);
      }
    }
    return changed;
  }

  #move(slot: Slot, event: SlotEvent, jobId?: string): void {
    slot.state = moveSlot(slot.state, event);
    if (event === 'allocate') slot.jobId = jobId;
    else if (slot.state !== 'ALLOCATED' && slot.state !== 'ACTIVE') slot.jobId = undefined;
  }

  #allocationOf(jobId: string, taskManager: string): string | undefined {
    return this.#holdings.get(jobId)?.allocations.get(taskManager);
  }

  #sendOrders(taskManager: string): void {
    const member = this.#members.get(taskManager);
    if (member === undefined) return;
    member.version += 1;
    this.#parts.sendOrders(taskManager, this.ordersOf(taskManager));
  }

  #refuse(which: (request: Request) => boolean, why: string): void {
    for (const request of this.#requests.filter(which)) {
      this.#requests = this.#requests.filter((other) => other !== request);
      request.timer.cancel();
      request.reject(missing(why));
    }
  }

  #shortage(jobId: string, count: number): string {
    const held = this.slotsOf(jobId).length;
    return `the job needs ${count} slots and has ${held}; ${this.#free()} are free in ${this.#members.size} TaskManagers`;
  }
}

function orderOf({ owner, slots, allocations }: Holding, taskManager: string): JobOrder[] {
  const allocation = allocations.get(taskManager);
  if (allocation === undefined) return [];
  const own = slots.flatMap((slot) => (slot?.taskManager === taskManager ? [slot.slot] : []));
  return [{ ...owner, allocation, slots: own }];
}

function missing(why: string): MillraceError {
  return new MillraceError('SLOTS_MISSING', why);
}
