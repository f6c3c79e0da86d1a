// S3 on the seeded kernel: one store that survives the processes of a world, and all that can happen to a request on its way.
//
// Owns the objects and the requests on their way. The client under test is that of production (src/stores/s3-store.ts), with
// its tries, tokens and parts; only its transport is replaced. Told of crashes by whoever runs the world.
//
// 1. A request that has left its process arrives or not whatever happens to the process; its answer reaches only the
//    incarnation that asked. Of what a process that is killed has on its way, chance loses a half.
// 2. A write is seen by everybody as soon as it has arrived. What is removed may be in lists for a while.
// 3. An answer of which a part is missing is none: the transport of production sees that itself.
// 4. After `heal` nothing fails any more, and lists are as the objects are; but what is late still arrives.
// 5. What must hold: no object is written over another one, names that are given once are written once (I-D4), ids of checkpoints
//    only grow, attempts are removed by nobody (O-1).

import type { Env } from '../src/base/env.ts';
import { type HttpAnswer, type HttpRequest, NoAnswer } from '../src/stores/http.ts';
import { S3Store } from '../src/stores/s3-store.ts';
import type { Kernel } from '../src/testing/kernel.ts';
import type { FileFault } from '../src/testing/simulated-files.ts';
import { chance } from '../test/property/job-spec.ts';
import { NaiveS3 } from '../test/stores/naive-s3.ts';
import { Violation } from './checks.ts';
import { BUCKET, NO_STORE_FAULTS, type Spell, type StoreRates, type StoreSpec } from './store-world.ts';

/** What happens to a request. */
type Fate = keyof StoreRates | Spell['kind'];

/** Who is told what happens, and may aim a fault at a request. */
export interface StoreWatch {
  readonly mark: (mark: string) => void;
  readonly fault: () => void;
  /** An attempt has recorded what it continues from. */
  readonly lives: () => void;
  /** The metadata of a checkpoint, or of a savepoint, is there. */
  readonly checkpoints: () => void;
  /** `store PUT /bucket/key` or the like. */
  readonly aimed: (event: string) => FileFault | undefined;
  readonly isCutOff: (node: string) => boolean;
}

/** A request on its way. */
interface Flight {
  readonly node: string;
  readonly request: HttpRequest;
  readonly what: string;
  /** Its sender is gone, or has given up: what it does is nobody's doing any more. */
  isStray: boolean;
  isLost: boolean;
}

/** When a request arrives, each of its copies by itself, and what its sender hears of it. */
interface Course {
  readonly arrivalsMs: readonly number[];
  /** The copy whose answer comes back; or what comes instead. */
  readonly answer: number | HttpAnswer | NoAnswer;
  readonly answeredMs: number;
}

const ENDPOINT = 'http://s3.simulated';
const TOKEN = 'x-amz-meta-millrace-write';
const TRIP_US_MAX = 3_000;
const ALL = 10_000;
/** Of copies that are sent at once. */
const COPY_US_MAX = 2_000;

const SLOW_DOWN = failure(503, 'SlowDown');
const INTERNAL = failure(500, 'InternalError');
const AIMED: Readonly<Record<FileFault, Fate>> = {
  io: 'unavailable',
  'no-space': 'unavailable',
  'unknown-with-effect': 'answerLost',
  'unknown-without-effect': 'late',
};

/** See the head of the file. */
export class SimulatedS3 extends NaiveS3 {
  /** What must not have happened; empty when all is well (5). */
  readonly violations: string[] = [];
  readonly #kernel: Kernel;
  readonly #spec: StoreSpec;
  readonly #watch: StoreWatch;
  readonly #draw: (bound: number) => number;
  readonly #flights = new Set<Flight>();
  /** When they were removed, by key. */
  readonly #removed = new Map<string, number>();
  readonly #writtenAt = new Map<string, number>();
  /** Tokens of objects whose names are given once. */
  readonly #writers = new Map<string, string>();
  readonly #claims = new Set<string>();
  /** Ids of checkpoints with an object of a stray request. */
  readonly #strayIds = new Set<number>();
  #highestId = 0;
  #owners: 'one' | 'several' = 'one';
  #spells: readonly Spell[];
  #spell: { readonly kind: Spell['kind']; readonly untilMs: number } | undefined;
  #isHealed = false;
  #requests = 0;
  #struck = 0;
  #rates: StoreRates;

  constructor(kernel: Kernel, spec: StoreSpec, watch: StoreWatch) {
    super(BUCKET);
    this.#kernel = kernel;
    this.#spec = spec;
    this.#watch = watch;
    this.#rates = spec.rates;
    this.#spells = spec.spells.toSorted((left, right) => left.afterRequests - right.afterRequests);
    this.#draw = chance(kernel.seed ^ 0x5703);
    this.pageLength = spec.pageLength;
  }

  /** Requests to which something happened, and those on their way when their process was killed. */
  get struck(): number {
    return this.#struck;
  }

  /** Locations of all objects. */
  get uris(): string[] {
    return [...this.objects.keys()].map((key) => `s3://${BUCKET}/${key}`);
  }

  /** What threads of a node reach: the client of production, over the way to this store. */
  of(node: string): (env: Env) => Env {
    const { partBytes, retriesMax, timeoutMs } = this.#spec;
    return (env) => {
      // Signatures are made by other threads of the machine.
      const credentials = undefined;
      const store = new S3Store({
        env,
        transport: (request) => this.#exchange(node, request),
        access: {
          endpoint: ENDPOINT,
          region: 'here',
          credentials,
          isPathStyle: true,
          partBytes,
          retriesMax,
          timeoutMs,
        },
      });
      const opened = Promise.resolve(store);
      return { ...env, stores: { storeOf: () => opened } };
    };
  }

  /** These nodes are gone, or all (1). */
  crashed(nodes?: readonly string[]): void {
    for (const flight of this.#flights) {
      if (nodes?.includes(flight.node) === false) continue;
      if (!flight.isStray) this.#struck++;
      flight.isStray = true;
      flight.isLost ||= this.#draw(2) === 0;
    }
  }

  /** From now on several processes take the job for theirs: one that has lost it claims old ids, which harms nobody. */
  expectSeveralOwners(): void {
    this.#owners = 'several';
  }

  /** See 4. */
  heal(): void {
    this.#rates = NO_STORE_FAULTS;
    this.#spells = [];
    this.#spell = undefined;
    this.#isHealed = true;
  }

  /**
   * I-D5: of a job that has finished, checkpoints whole or torn are left only where requests were struck, and no more of them;
   * none but those whose metadata is in `kept` where none was.
   */
  checkOrphans(kept: ReadonlySet<string>): void {
    const keptKeys = new Set([...kept].map((uri) => uri.slice(`s3://${BUCKET}/`.length)));
    const left = new Set([...this.objects.keys()].flatMap((key) => ID.exec(key)?.[0] ?? []));
    for (const directory of left) if (keptKeys.has(`${directory}_metadata`)) left.delete(directory);
    if (this.openUploads > this.#struck)
      throw new Violation(
        'I-D5',
        `${this.openUploads} uploads were given up by nobody; ${this.#struck} are explained`,
      );
    if (left.size > this.#struck)
      throw new Violation(
        'I-D5',
        `the job has finished and left ${[...left].join(', ')}: ${this.#struck} are explained`,
      );
  }

  protected override listed(): Iterable<string> {
    const { lingersMs, lagsMs } = this.#spec;
    if (this.#isHealed || (lingersMs === 0 && lagsMs === 0)) return this.objects.keys();
    const { now } = this.#kernel;
    const lingering = [...this.#removed].filter(([, at]) => now < at + lingersMs).map(([key]) => key);
    if (lingering.length > 0) this.#watch.mark('a list of the store shows what was removed');
    const seen = [...this.objects.keys()].filter((key) => now >= this.#writtenAt.get(key)! + lagsMs);
    return new Set([...seen, ...lingering]);
  }

  // ---- the way of a request ----

  #exchange(node: string, request: HttpRequest): Promise<HttpAnswer> {
    const what = this.describe(request);
    this.#sent(request);
    const fate = this.#fateOf(node, what);
    if (fate !== undefined) {
      this.#struck++;
      this.#watch.fault();
      this.#watch.mark(`store: ${fate} ${request.method}`);
    }
    const { arrivalsMs, answer, answeredMs } = this.#courseOf(fate, request);
    return new Promise((resolve, reject) => {
      const answers: HttpAnswer[] = [];
      for (const [copy, afterMs] of arrivalsMs.entries()) {
        const isStray = afterMs > answeredMs;
        this.#arrives({ node, request, what, isStray, isLost: false }, afterMs, (given) => {
          answers[copy] = given;
        });
      }
      // Scheduled now, so that only the incarnation that asked hears of it (1).
      this.#kernel.schedule({
        node,
        afterMs: answeredMs,
        why: `answer of store ${what}`,
        run: () => {
          const given = typeof answer === 'number' ? answers[answer] : answer;
          if (given === undefined) throw new Error(`store ${what} is answered before it has arrived`);
          if (given instanceof NoAnswer) reject(given);
          else resolve(given);
        },
      });
    });
  }

  #arrives(flight: Flight, afterMs: number, then: (answer: HttpAnswer) => void): void {
    this.#flights.add(flight);
    this.#kernel.schedule({
      afterMs,
      why: `store ${flight.what}`,
      run: () => {
        this.#flights.delete(flight);
        if (!flight.isLost) then(this.#take(flight));
      },
    });
  }

  #fateOf(node: string, what: string): Fate | undefined {
    this.#requests++;
    if (this.#watch.isCutOff(node)) return 'lost';
    const aimed = this.#watch.aimed(`store ${what}`);
    if (aimed !== undefined) return AIMED[aimed];
    const [next] = this.#spells;
    if (next !== undefined && this.#requests > next.afterRequests) {
      this.#spells = this.#spells.slice(1);
      this.#spell = { kind: next.kind, untilMs: this.#kernel.now + next.ms };
    }
    if (this.#spell !== undefined && this.#kernel.now < this.#spell.untilMs) return this.#spell.kind;
    let drawn = this.#draw(ALL);
    for (const [fate, rate] of Object.entries(this.#rates) as [keyof StoreRates, number][]) {
      drawn -= rate;
      if (drawn < 0) return fate;
    }
    return undefined;
  }

  #courseOf(fate: Fate | undefined, { method, url, timeoutMs }: HttpRequest): Course {
    const there = this.#trip();
    const back = there + this.#trip();
    switch (fate) {
      case undefined:
        return { arrivalsMs: [there], answer: 0, answeredMs: back };
      case 'refused':
        return { arrivalsMs: [], answer: new NoAnswer('ECONNREFUSED', false), answeredMs: there };
      case 'unavailable': {
        // S3 begins to answer before it has put the parts together.
        const isCompletion = method === 'POST' && url.searchParams.has('uploadId');
        const answer = isCompletion ? { ...INTERNAL, status: 200 } : this.#inability();
        return { arrivalsMs: [], answer, answeredMs: back };
      }
      case 'throttled':
        return { arrivalsMs: [], answer: SLOW_DOWN, answeredMs: back };
      case 'failedAfter':
        return { arrivalsMs: [there], answer: this.#inability(), answeredMs: back };
      case 'answerLost':
        return { arrivalsMs: [there], answer: new NoAnswer('ECONNRESET', true), answeredMs: back };
      case 'lost':
        return { arrivalsMs: [], answer: late(timeoutMs), answeredMs: timeoutMs };
      case 'late':
        return { arrivalsMs: [timeoutMs + this.#lateness()], answer: late(timeoutMs), answeredMs: timeoutMs };
      case 'twice': {
        const again = there + (1 + this.#draw(COPY_US_MAX)) / 1_000;
        return { arrivalsMs: [there, again], answer: 1, answeredMs: again + this.#trip() };
      }
      case 'echoed':
        return { arrivalsMs: [there, back + this.#lateness()], answer: 0, answeredMs: back };
      case 'silent': {
        const overMs = this.#spell!.untilMs - this.#kernel.now;
        const afterMs = [there, Math.max(overMs, timeoutMs) + this.#lateness()][this.#draw(3)];
        const arrivalsMs = afterMs === undefined ? [] : [afterMs];
        return { arrivalsMs, answer: late(timeoutMs), answeredMs: timeoutMs };
      }
    }
  }

  #trip(): number {
    return (1 + this.#draw(TRIP_US_MAX)) / 1_000;
  }

  #lateness(): number {
    return (1 + this.#draw(this.#spec.lateMs * 1_000)) / 1_000;
  }

  #inability(): HttpAnswer {
    return this.#draw(2) === 0 ? SLOW_DOWN : INTERNAL;
  }

  // ---- what it does, and what must hold (5) ----

  #take({ request, what, isStray }: Flight): HttpAnswer {
    const { method, url } = request;
    const key = decodeURIComponent(url.pathname).slice(BUCKET.length + 2);
    const isList = url.searchParams.has('list-type');
    const before = isList ? undefined : this.objects.get(key);
    const answer = this.handle(request);
    if (isList) {
      if (UNFINISHED.test(textOf(answer))) this.#watch.mark('a list of the store has pages');
      return answer;
    }
    const after = this.objects.get(key);
    if (answer.status === 412)
      this.#watch.mark(`a${isStray ? ' late' : ''} write of the store was refused: its name is taken`);
    if (method === 'POST' && url.searchParams.has('uploadId')) this.#watch.mark('an object came in parts');
    if (before === undefined && after !== undefined) this.#created(key, after.headers[TOKEN] ?? '', isStray);
    else if (before !== after && after !== undefined)
      this.violations.push(`${what} has written over an object`);
    else if (before !== undefined && after === undefined) this.#gone(key);
    return answer;
  }

  #created(key: string, token: string, isStray: boolean): void {
    this.#removed.delete(key);
    this.#writtenAt.set(key, this.#kernel.now);
    if (isStray) this.#watch.mark('a late write of the store took effect');
    const id = ID.exec(key)?.[1];
    if (isStray && id !== undefined) this.#strayIds.add(Number(id));
    if (key.endsWith('/base')) this.#watch.lives();
    if (key.endsWith('/_metadata')) this.#watch.checkpoints();
    if (!GIVEN_ONCE.test(key)) return;
    const writer = this.#writers.get(key);
    if (writer !== undefined && writer !== token) this.violations.push(`${key} is written twice`);
    this.#writers.set(key, token);
  }

  #gone(key: string): void {
    this.#removed.set(key, this.#kernel.now);
    if (ATTEMPT.test(key)) this.violations.push(`${key} was removed`);
  }

  /** Ids of checkpoints continue above all that were ever seen. */
  #sent({ method, url, headers }: HttpRequest): void {
    const id = CLAIM.exec(url.pathname)?.[1];
    const token = headers[TOKEN];
    if (method !== 'PUT' || id === undefined || token === undefined || this.#claims.has(token)) return;
    this.#claims.add(token);
    for (const key of this.objects.keys()) {
      const there = Number(ID.exec(key)?.[1] ?? 0);
      if (!this.#strayIds.has(there)) this.#highestId = Math.max(this.#highestId, there);
    }
    if (Number(id) <= this.#highestId && this.#owners === 'one')
      this.violations.push(`chk-${id} is claimed after chk-${this.#highestId} was there`);
  }
}

const ID = /^checkpoints\/job\/chk-(\d+)\//;
const CLAIM = /\/checkpoints\/job\/chk-(\d+)\/\.claim$/;
const ATTEMPT = /^checkpoints\/job\/attempts\//;
const GIVEN_ONCE = /\.state$|\/attempts\//;
const UNFINISHED = /<IsTruncated>true</;

function late(timeoutMs: number): NoAnswer {
  return new NoAnswer(`no answer within ${timeoutMs} ms`, true);
}

function failure(status: number, code: string): HttpAnswer {
  const body = new TextEncoder().encode(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);
  return { status, headers: {}, body };
}

function textOf({ body }: HttpAnswer): string {
  return new TextDecoder().decode(body);
}
