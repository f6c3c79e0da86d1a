// When what a process takes is flat: the rule by which a soak finds a leak, apart from how it is looked at (vitals.ts).
//
// 1. Whoever lives shorter than the time that is asked for is no witness: it says nothing about growth.
// 2. The beginning does not count: caches fill, code is compiled.
// 3. Memory is what is alive in a thread after a full collection. The heap of V8 fills with garbage up to its limit when there
//    is room, so that the resident set of a process without a leak may grow for as long as nobody needs the memory.
// 4. A thread is a witness of its own: those of a job are new ones with each deployment, and how many a process has changes.
// 5. Of memory the lowest value of a quarter of a life counts: what is in flight comes and goes, what leaked is there at all times.
// 6. What is resident, garbage and all, stays below what the limits of the heaps allow; and what is neither heap nor buffer is
//    flat too, as far as it can be told from outside.

const MS_PER_HOUR = 3_600_000;

/** What a process has at one moment, in MiB. */
export interface Sample {
  readonly atMs: number;
  readonly descriptors: number;
  readonly rss: number;
  /** Those that were asked, and have told something lately. */
  readonly threads: readonly ThreadMemory[];
}

/** The memory of a thread right after a full collection, in MiB. */
export interface ThreadMemory {
  /** 0 is the main thread. */
  readonly thread: number;
  /** In the heap, and what hangs on it outside. */
  readonly heap: number;
  /** Array buffers that it made, shared ones too. */
  readonly buffers: number;
  /** That the heap takes, and whatever is outside of it. */
  readonly known: number;
  readonly heapLimit: number;
}

/** A figure at the beginning of what counts, and at its end. */
export interface Course {
  readonly from: number;
  readonly to: number;
  readonly perHour: number;
}

/** One thread, as long as it lived. */
export interface ThreadLife {
  readonly thread: number;
  readonly minutes: number;
  readonly heapMib: Course;
  readonly buffersMib: Course;
}

/** One process, as long as it lived. */
export interface Life {
  readonly role: string;
  readonly id: string;
  readonly pid: number;
  readonly minutes: number;
  readonly descriptors: Course;
  readonly rssMib: Course;
  /** Of those whose threads were asked. */
  readonly memory?: {
    /**
     * Resident, and neither heap nor buffer: code, stacks, what native code has asked for; `undefined` when threads came and
     * went all the time.
     */
    readonly nativeMib: Course | undefined;
    /** By how much the most that was resident is above what its limits allow; below 0 when all is well. */
    readonly overMib: number;
    /** Those that are witnesses. */
    readonly threads: readonly ThreadLife[];
  };
}

/** Who is a witness. */
export interface Witness {
  /** After what does not count. */
  readonly minutesMin: number;
  /** The first ms of a life do not count. */
  readonly warmMs: number;
}

/** By how much a figure may be higher in the last quarter of a life than in its second. */
const DESCRIPTORS_MAX = 16;
/** Half of what leaks in a life shows between the quarters: of 20 MiB in ten minutes, 10. */
const ALIVE_MIB_MAX = 6;
/** Told from outside: pages that V8 keeps for its next young generation are in it, and a thread takes some of its own. */
const NATIVE_MIB_MAX = 64;
/** No thread came or went for so long before a sample, and after it. */
const SETTLED_MS = 60_000;
/** May be resident besides heaps at their limits and buffers that are alive: native memory, and buffers not collected yet. */
const OUTSIDE_MIB_MAX = 192;

/** What is known of a process; `undefined` when it is no witness. */
export function lifeOf(
  who: Pick<Life, 'role' | 'id' | 'pid'>,
  samples: readonly Sample[],
  witness: Witness,
): Life | undefined {
  const counted = countedOf(samples, witness);
  if (counted === undefined) return undefined;
  const medians = (figure: (sample: Sample) => number): Course =>
    courseOf(
      counted.map((sample) => ({ atMs: sample.atMs, value: figure(sample) })),
      median,
    );
  const life: Life = {
    ...who,
    minutes: minutesOf(counted),
    descriptors: medians(({ descriptors }) => descriptors),
    rssMib: medians(({ rss }) => rss),
  };
  const asked = counted.filter(({ threads }) => threads.length > 0);
  if (asked.length === 0) return life;
  const native = settledOf(asked).map(({ atMs, rss, threads }) => ({
    atMs,
    value: rss - sum(threads, 'known'),
  }));
  const ids = new Set(asked.flatMap(({ threads }) => threads.map(({ thread }) => thread)));
  return {
    ...life,
    memory: {
      nativeMib: native.length === 0 ? undefined : courseOf(native, lowest),
      overMib: rounded(Math.max(...asked.map(overLimits))),
      threads: [...ids].flatMap((id) => threadLifeOf(id, samples, witness) ?? []),
    },
  };
}

/** What of a life is not flat; none when all is. */
export function growthsOf({ role, id, pid, minutes, descriptors, memory }: Life): string[] {
  const who = `${role} ${id} (process ${pid}, ${minutes} minutes)`;
  const grown: string[] = [];
  const hold = ({ from, to }: Course, most: number, whose: string, what: string): void => {
    if (to - from > most) grown.push(`${whose} had ${from} ${what}, and ${to} in the end`);
  };
  hold(descriptors, DESCRIPTORS_MAX, who, 'descriptors');
  if (memory === undefined) return grown;
  if (memory.nativeMib !== undefined)
    hold(memory.nativeMib, NATIVE_MIB_MAX, who, 'MiB that are neither heap nor buffers');
  if (memory.overMib > 0) grown.push(`${who} had ${memory.overMib} MiB more than its limits allow`);
  for (const { thread, heapMib, buffersMib, minutes: lived } of memory.threads) {
    const whose = `thread ${thread} (${lived} minutes) of ${who}`;
    hold(heapMib, ALIVE_MIB_MAX, whose, 'MiB alive in its heap');
    hold(buffersMib, ALIVE_MIB_MAX, whose, 'MiB of buffers');
  }
  return grown;
}

/** A life in one line. */
export function sentenceOf({ role, id, minutes, rssMib, descriptors, memory }: Life): string {
  const told = [course(rssMib, 'MiB resident'), course(descriptors, 'descriptors')];
  if (memory !== undefined) {
    told.push(
      memory.nativeMib === undefined
        ? 'no part of it known as native'
        : course(memory.nativeMib, 'of them native'),
      `${-memory.overMib} MiB or more below its limits`,
      ...memory.threads.map(
        (thread) =>
          `thread ${thread.thread} ${course(thread.heapMib, 'MiB alive')} and ${course(thread.buffersMib, 'MiB of buffers')}`,
      ),
    );
  }
  return `${role} ${id}, ${minutes} minutes: ${told.join(', ')}`;
}

function course({ from, to, perHour }: Course, what: string): string {
  return `${from} to ${to} ${what} (${perHour}/h)`;
}

function threadLifeOf(id: number, samples: readonly Sample[], witness: Witness): ThreadLife | undefined {
  const own = samples.flatMap(({ atMs, threads }) => {
    const found = threads.find(({ thread }) => thread === id);
    return found === undefined ? [] : [{ atMs, ...found }];
  });
  const counted = countedOf(own, witness);
  if (counted === undefined) return undefined;
  const lows = (name: 'heap' | 'buffers'): Course =>
    courseOf(
      counted.map((memory) => ({ atMs: memory.atMs, value: memory[name] })),
      lowest,
    );
  return { thread: id, minutes: minutesOf(counted), heapMib: lows('heap'), buffersMib: lows('buffers') };
}

/** Samples before and after which the same threads were there: whoever has ended is still told for a while. */
function settledOf(samples: readonly Sample[]): Sample[] {
  const names = samples.map(({ threads }) => threads.map(({ thread }) => thread).join());
  return samples.filter(({ atMs }, index) =>
    samples.every((other, at) => Math.abs(other.atMs - atMs) > SETTLED_MS || names[at] === names[index]),
  );
}

/** By how much more is resident than heaps at their limits, and what is outside of them, may take. */
function overLimits({ rss, threads }: Sample): number {
  return rss - sum(threads, 'heapLimit') - sum(threads, 'buffers') - OUTSIDE_MIB_MAX;
}

/** What is left when the beginning does not count; `undefined` when that is not enough. */
function countedOf<T extends { readonly atMs: number }>(
  samples: readonly T[],
  { minutesMin, warmMs }: Witness,
): readonly T[] | undefined {
  const counted = samples.filter(({ atMs }) => atMs >= samples[0]!.atMs + warmMs);
  return counted.length > 0 && minutesOf(counted) >= minutesMin ? counted : undefined;
}

function minutesOf(samples: readonly { readonly atMs: number }[]): number {
  return rounded((samples.at(-1)!.atMs - samples[0]!.atMs) / 60_000);
}

interface Point {
  readonly atMs: number;
  readonly value: number;
}

/** A figure of the second and of the last quarter, and the slope of all. */
function courseOf(points: readonly Point[], figure: (values: readonly number[]) => number): Course {
  const values = points.map(({ value }) => value);
  const quarter = Math.max(1, Math.floor(values.length / 4));
  return {
    from: rounded(figure(values.slice(quarter, 2 * quarter))),
    to: rounded(figure(values.slice(-quarter))),
    perHour: slopePerHour(points),
  };
}

/** Of the line with the least squares. */
function slopePerHour(points: readonly Point[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((total, value) => total + value, 0) / values.length;
  const times = points.map(({ atMs }) => atMs / MS_PER_HOUR);
  const values = points.map(({ value }) => value);
  const [timeMean, valueMean] = [mean(times), mean(values)];
  const above = mean(times.map((time, index) => (time - timeMean) * (values[index]! - valueMean)));
  const below = mean(times.map((time) => (time - timeMean) ** 2));
  return rounded(above / below);
}

function sum(threads: readonly ThreadMemory[], name: 'known' | 'heapLimit' | 'buffers'): number {
  return threads.reduce((total, thread) => total + thread[name], 0);
}

function lowest(values: readonly number[]): number {
  return Math.min(...values);
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
