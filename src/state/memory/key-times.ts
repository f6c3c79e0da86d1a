/**
 * The times of the timers of one key and domain: how a second registration of one is told from the first.
 *
 * Most keys have one or two, of which the newest is asked for most and the oldest goes first: these lie in fields, a few
 * older ones in an array. More lie in open addressing over memory that the garbage collector does not look into.
 *
 * T1 A deleted time stays until whoever has it in a queue has come across it: registered again it lives on, and is not
 *    queued a second time. So each time that is here, deleted or not, is in the queue once.
 * T2 There is a second time only behind a newest one, and there are older ones, from `#first` on, only behind a second.
 * T3 Of many, a time lies less than {@link PROBES_MAX} places behind its home, without a free place between. One that would
 *    lie further away, which only chosen times do, is in a `Map`.
 */

import { assert } from '../../base/assert.ts';

const OLDER_MAX = 47;
/** So many deleted ones are looked through. */
const DELETED_MAX = 4;
/** So few that are left of many, none of them deleted, go back. */
const FEW_AGAIN = 8;
const BITS_MIN = 5;
const PROBES_MAX = 64;
/** 2^32 divided by the golden ratio. */
const GOLDEN = 0x9e3779b9;
const HIGH = 2 ** 32;

/** What a time is to its key: not there, registered, or deleted and still queued (T1). */
export type TimeState = 'none' | 'live' | 'deleted';

/** See the head of the file. */
export class KeyTimes {
  /** Registered, and not deleted. */
  live = 0;
  /** As long as there is no `#many`; NaN: there is none. */
  #newest = Number.NaN;
  #second = Number.NaN;
  #older: number[] | undefined = undefined;
  #first = 0;
  /** Which of these are deleted (T1). */
  #deleted: number[] | undefined = undefined;
  #many: ManyTimes | undefined = undefined;

  /** Reads where the oldest of few times is; what it returns means nothing. */
  touch(): number {
    const older = this.#older;
    return older !== undefined && this.#first < older.length && older[this.#first] === 0 ? 1 : 0;
  }

  // Hot path: once per registration.
  state(time: number): TimeState {
    if (this.#many !== undefined) return this.#many.state(time);
    if (time !== this.#newest && time !== this.#second && this.#indexOf(time) < 0) return 'none';
    return this.#deleted?.includes(time) === true ? 'deleted' : 'live';
  }

  /** Whether a time is registered. */
  isLive(time: number): boolean {
    return this.state(time) === 'live';
  }

  /** Adds a time that is not there. */
  add(time: number): void {
    this.live++;
    if (this.#many === undefined && this.#olderCount() >= OLDER_MAX) this.#intoMany();
    if (this.#many !== undefined) return this.#many.add(time, false);
    this.#addFew(time);
  }

  /** A live time is deleted: it is still queued. */
  delete(time: number): void {
    this.live--;
    if (this.#deleted !== undefined && this.#deleted.length >= DELETED_MAX) this.#intoMany();
    if (this.#many !== undefined) this.#many.mark(time, true);
    else if (this.#deleted === undefined) this.#deleted = [time];
    else this.#deleted.push(time);
  }

  /** A deleted time lives again. */
  revive(time: number): void {
    this.live++;
    if (this.#many === undefined) this.#undelete(time);
    else this.#many.mark(time, false);
  }

  /** Takes a time out that is there and not queued any more; true when it was live. */
  take(time: number): boolean {
    const many = this.#many;
    const wasLive = many === undefined ? this.#takeOfFew(time) : many.remove(time);
    if (wasLive) this.live--;
    if (many !== undefined && many.size <= FEW_AGAIN && many.size === this.live) this.#intoFew(many);
    return wasLive;
  }

  /** The live times, in no order. */
  toArray(): Float64Array {
    const times = new Float64Array(this.live);
    let index = 0;
    this.visit((time) => {
      times[index++] = time;
    });
    return times;
  }

  /** Calls back for each live time, in no order, for whoever changes nothing meanwhile. */
  visit(each: (time: number) => void): void {
    this.#visitAll((time, isDeleted) => {
      if (!isDeleted) each(time);
    });
  }

  #visitAll(each: (time: number, isDeleted: boolean) => void): void {
    if (this.#many !== undefined) return this.#many.visit(each);
    const older = this.#older ?? [];
    const deleted = this.#deleted;
    for (let index = this.#first; index < older.length; index++) {
      each(older[index]!, deleted?.includes(older[index]!) === true);
    }
    if (!Number.isNaN(this.#second)) each(this.#second, deleted?.includes(this.#second) === true);
    if (!Number.isNaN(this.#newest)) each(this.#newest, deleted?.includes(this.#newest) === true);
  }

  #olderCount(): number {
    return this.#older === undefined ? 0 : this.#older.length - this.#first;
  }

  #indexOf(time: number): number {
    const older = this.#older;
    if (older === undefined) return -1;
    for (let index = this.#first; index < older.length; index++) if (older[index] === time) return index;
    return -1;
  }

  // T2.
  #addFew(time: number): void {
    if (!Number.isNaN(this.#second)) {
      this.#older ??= [];
      this.#older.push(this.#second);
    }
    this.#second = this.#newest;
    this.#newest = time;
  }

  #takeOfFew(time: number): boolean {
    const older = this.#older;
    if (time === this.#newest) {
      this.#newest = this.#second;
      this.#second = this.#olderCount() === 0 ? Number.NaN : older!.pop()!;
    } else if (time === this.#second) {
      this.#second = this.#olderCount() === 0 ? Number.NaN : older!.pop()!;
    } else {
      const index = this.#indexOf(time);
      assert(index >= 0, 'T1: what is queued is here');
      // The oldest one goes first most often, and nothing has to be moved for it.
      if (index === this.#first && this.#first < OLDER_MAX) this.#first++;
      else older!.splice(index, 1);
    }
    if (older !== undefined && this.#first === older.length) {
      older.length = 0;
      this.#first = 0;
    }
    return this.#deleted === undefined || !this.#undelete(time);
  }

  /** False when it is not deleted. */
  #undelete(time: number): boolean {
    const deleted = this.#deleted!;
    const index = deleted.indexOf(time);
    if (index < 0) return false;
    deleted.splice(index, 1);
    if (deleted.length === 0) this.#deleted = undefined;
    return true;
  }

  #intoMany(): void {
    const many = new ManyTimes();
    this.#visitAll((time, isDeleted) => many.add(time, isDeleted));
    this.#many = many;
    this.#newest = this.#second = Number.NaN;
    this.#older = this.#deleted = undefined;
    this.#first = 0;
  }

  #intoFew(many: ManyTimes): void {
    this.#many = undefined;
    many.visit((time) => this.#addFew(time));
  }
}

/** Times in open addressing (T3). */
class ManyTimes {
  #bits = BITS_MIN;
  #times = new Float64Array(1 << BITS_MIN).fill(Number.NaN);
  /** By place: 1 where the time is deleted. */
  #deleted = new Uint8Array(1 << BITS_MIN);
  /** In places. */
  #size = 0;
  /** T3: times that have no place, and whether they are deleted. */
  #others: Map<number, boolean> | undefined = undefined;

  get size(): number {
    return this.#size + (this.#others?.size ?? 0);
  }

  state(time: number): TimeState {
    const place = this.#find(time);
    if (place >= 0) return this.#deleted[place] === 0 ? 'live' : 'deleted';
    const isDeleted = this.#others?.get(time);
    if (isDeleted === undefined) return 'none';
    return isDeleted ? 'deleted' : 'live';
  }

  add(time: number, isDeleted: boolean): void {
    if ((this.#size + 1) * 4 > this.#times.length * 3) this.#resize(this.#bits + 1);
    this.#put(time, isDeleted);
  }

  mark(time: number, isDeleted: boolean): void {
    const place = this.#find(time);
    if (place >= 0) this.#deleted[place] = Number(isDeleted);
    else this.#others!.set(time, isDeleted);
  }

  /** True when it was live. Those behind the hole move towards their homes, so that no free place parts them from these (T3). */
  remove(time: number): boolean {
    const times = this.#times;
    let hole = this.#find(time);
    if (hole < 0) {
      const wasDeleted = this.#others!.get(time);
      this.#others!.delete(time);
      return wasDeleted === false;
    }
    const wasLive = this.#deleted[hole] === 0;
    const mask = times.length - 1;
    for (let next = (hole + 1) & mask; !Number.isNaN(times[next]!); next = (next + 1) & mask) {
      const away = (next - this.#home(times[next]!)) & mask;
      if (away < ((next - hole) & mask)) continue;
      times[hole] = times[next]!;
      this.#deleted[hole] = this.#deleted[next]!;
      hole = next;
    }
    times[hole] = Number.NaN;
    this.#size--;
    if (this.#size * 8 < times.length && this.#bits > BITS_MIN) this.#resize(this.#bits - 1);
    return wasLive;
  }

  visit(each: (time: number, isDeleted: boolean) => void): void {
    const times = this.#times;
    for (let place = 0; place < times.length; place++) {
      const time = times[place]!;
      if (!Number.isNaN(time)) each(time, this.#deleted[place] !== 0);
    }
    for (const [time, isDeleted] of this.#others ?? []) each(time, isDeleted);
  }

  // Hot path: once per timer.
  #find(time: number): number {
    const times = this.#times;
    const mask = times.length - 1;
    let place = this.#home(time);
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const found = times[place]!;
      if (found === time) return place;
      if (Number.isNaN(found)) return -1;
      place = (place + 1) & mask;
    }
    return -1;
  }

  /** T3. A quarter of all places stays free, so that every row of taken ones has an end. */
  #put(time: number, isDeleted: boolean): void {
    const times = this.#times;
    const mask = times.length - 1;
    const hasRoom = (this.#size + 1) * 4 <= times.length * 3;
    let place = this.#home(time);
    for (let probes = 0; hasRoom && probes < PROBES_MAX; probes++) {
      if (Number.isNaN(times[place]!)) {
        times[place] = time;
        this.#deleted[place] = Number(isDeleted);
        this.#size++;
        return;
      }
      place = (place + 1) & mask;
    }
    this.#others ??= new Map();
    this.#others.set(time, isDeleted);
  }

  #resize(bits: number): void {
    const times = this.#times;
    const deleted = this.#deleted;
    const others = this.#others;
    this.#bits = bits;
    this.#times = new Float64Array(1 << bits).fill(Number.NaN);
    this.#deleted = new Uint8Array(1 << bits);
    this.#size = 0;
    this.#others = undefined;
    for (let place = 0; place < times.length; place++) {
      const time = times[place]!;
      if (!Number.isNaN(time)) this.#put(time, deleted[place] !== 0);
    }
    for (const [time, isDeleted] of others ?? []) this.#put(time, isDeleted);
  }

  #home(time: number): number {
    const high = Math.floor(time / HIGH) | 0;
    return Math.imul((time | 0) ^ high, GOLDEN) >>> (32 - this.#bits);
  }
}
