// A random job as plain data: made from a seed, understood by the engine's builder (`random-job.ts`) and by the
// naive model (`model.ts`). Imports nothing from `src/`.

/** A record of a random job; `id` names its origin for ever. */
export interface Item {
  readonly id: string;
  readonly key: string;
  readonly at: number;
  readonly v: number;
}

export type Partitioning = 'rebalance' | 'shuffle' | 'rescale' | 'broadcast' | 'global' | 'custom';

/** One step of a pipeline. */
export type Step =
  | { readonly kind: 'map'; readonly add: number }
  | { readonly kind: 'filter'; readonly modulus: number; readonly rest: number }
  | { readonly kind: 'flat-map'; readonly copies: number; readonly generator: boolean }
  | { readonly kind: 'partition'; readonly by: Partitioning }
  | { readonly kind: 'split-off'; readonly modulus: number }
  | { readonly kind: 'poison'; readonly modulus: number };

/** What a keyed operator computes; each is independent of the order between keys and channels. */
export type Keyed =
  | { readonly kind: 'totals' }
  | { readonly kind: 'buckets'; readonly size: number }
  | { readonly kind: 'distinct' }
  | { readonly kind: 'rolling' };

export interface SourceSpec {
  readonly name: string;
  readonly count: number;
  readonly keys: number;
  readonly disorder: number;
  readonly steps: readonly Step[];
}

export interface JobSpec {
  readonly seed: number;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly sources: readonly SourceSpec[];
  /** Unite a stream with itself once more. */
  readonly selfUnion: boolean;
  readonly steps: readonly Step[];
  readonly keyed: Keyed;
  readonly chaining: boolean;
  /** Keyed operator's own parallelism. */
  readonly keyedParallelism: number;
  /** The keyed operator throws at records of this modulus, after it has changed its state, and skips them; 0 = never. */
  readonly keyedPoison: number;
}

/** A tiny generator of its own (mulberry32): the model must not share code with the engine. */
export function chance(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

/** Boundary keys stand first: they are the ones that break encoders. */
const KEYS = [
  '',
  '__proto__',
  'user1',
  'user2',
  'user3',
  'ü',
  '\u0000T',
  'constructor',
  'a b',
  '7',
  '𝄞',
  'key-11',
];

export function itemsOf(source: SourceSpec, index: number): Item[] {
  const draw = chance(index * 7919 + source.count * 31 + source.keys);
  return Array.from({ length: source.count }, (_, n) => ({
    id: `${source.name}${n}`,
    key: KEYS[draw(Math.min(source.keys, KEYS.length))]!,
    at: n * 10 - draw(source.disorder + 1),
    v: draw(1000),
  }));
}

function stepsOf(draw: (bound: number) => number, most: number): Step[] {
  return Array.from({ length: draw(most + 1) }, (): Step => {
    switch (draw(8)) {
      case 0:
        return { kind: 'map', add: draw(10) };
      case 1:
        return { kind: 'filter', modulus: 2 + draw(5), rest: draw(2) };
      case 2:
        return { kind: 'flat-map', copies: draw(4), generator: draw(2) === 0 };
      case 3:
        return { kind: 'split-off', modulus: 2 + draw(4) };
      case 4:
        return { kind: 'poison', modulus: 3 + draw(20) };
      default:
        return {
          kind: 'partition',
          by: (['rebalance', 'shuffle', 'rescale', 'broadcast', 'global', 'custom'] as const)[draw(6)]!,
        };
    }
  });
}

/** The job of a seed. The keyed operator `rolling` needs the order of the input: it gets one source and no partitioning. */
export function specOf(seed: number): JobSpec {
  const draw = chance(seed);
  const rolling = draw(4) === 0;
  const inOrder = (steps: Step[]): Step[] => steps.filter((step) => !rolling || step.kind !== 'partition');
  const sources = Array.from({ length: rolling ? 1 : 1 + draw(2) }, (_, index): SourceSpec => {
    return {
      name: String.fromCharCode(97 + index),
      count: draw(8) === 0 ? draw(3) : 50 + draw(700),
      keys: 1 + draw(12),
      disorder: draw(40),
      steps: inOrder(stepsOf(draw, 3)),
    };
  });
  const parallelism = 1 + draw(4);
  const others = [
    { kind: 'totals' },
    { kind: 'buckets', size: 50 + draw(200) },
    { kind: 'distinct' },
  ] as const;
  return {
    seed,
    parallelism,
    maxParallelism: [4, 7, 128][draw(3)]!,
    sources,
    selfUnion: !rolling && draw(5) === 0,
    steps: inOrder(stepsOf(draw, 2)),
    keyed: rolling ? { kind: 'rolling' } : others[draw(3)]!,
    chaining: draw(4) !== 0,
    keyedParallelism: 1 + draw(4),
    keyedPoison: draw(3) === 0 ? 3 + draw(10) : 0,
  };
}

/** What the custom partitioner of random jobs does with a value. */
export function customChannel(v: number, channels: number): number {
  return (v * 7 + 3) % channels;
}

/** Poisoned records: the user function throws, the policy of the operator is `skip`. */
export function isPoisoned(step: { readonly modulus: number }, v: number): boolean {
  return v % step.modulus === 1;
}

/** The same in the keyed operator. */
export function isKeyedPoison({ keyedPoison }: JobSpec, v: number): boolean {
  return keyedPoison > 0 && isPoisoned({ modulus: keyedPoison }, v);
}
