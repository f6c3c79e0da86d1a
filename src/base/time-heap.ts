/**
 * Things by time, the earliest first: a 4-ary heap whose times lie in one array of numbers, so that a comparison follows
 * no reference. Nothing can be taken out but the earliest: whoever loses interest in a thing skips it when it comes.
 */

const ARITY = 4;

/** See the head of the file. Of equal times any comes first. */
export class TimeHeap<T> {
  readonly #times: number[] = [];
  readonly #things: T[] = [];

  get size(): number {
    return this.#times.length;
  }

  /** The earliest time; `undefined` when there is nothing. */
  peek(): number | undefined {
    return this.#times[0];
  }

  /** What has the earliest time. */
  get first(): T | undefined {
    return this.#things[0];
  }

  push(time: number, thing: T): void {
    const times = this.#times;
    const things = this.#things;
    let hole = times.length;
    times.push(time);
    things.push(thing);
    while (hole > 0) {
      const parent = (hole - 1) >> 2;
      if (times[parent]! <= time) break;
      times[hole] = times[parent]!;
      things[hole] = things[parent]!;
      hole = parent;
    }
    times[hole] = time;
    things[hole] = thing;
  }

  /** Takes out what has the earliest time. */
  pop(): T | undefined {
    const first = this.#things[0];
    const time = this.#times.pop();
    const thing = this.#things.pop();
    if (time !== undefined && this.#times.length > 0) this.#fill(time, thing!);
    return first;
  }

  /** Calls back for each thing, in no order, for whoever changes nothing meanwhile. */
  visit(each: (time: number, thing: T) => void): void {
    for (let index = 0; index < this.#times.length; index++) each(this.#times[index]!, this.#things[index]!);
  }

  // The hole at the top takes what was last, further down.
  #fill(time: number, thing: T): void {
    const times = this.#times;
    const things = this.#things;
    const { length } = times;
    let hole = 0;
    for (let child = 1; child < length; child = hole * ARITY + 1) {
      const end = Math.min(child + ARITY, length);
      let least = child;
      for (let other = child + 1; other < end; other++) if (times[other]! < times[least]!) least = other;
      if (times[least]! >= time) break;
      times[hole] = times[least]!;
      things[hole] = things[least]!;
      hole = least;
    }
    times[hole] = time;
    things[hole] = thing;
  }
}
