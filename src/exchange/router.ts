/**
 * Which channel a record takes: the partitioners, after Flink's `StreamPartitioner`s.
 *
 * A channel is a position in the ascending list of the consumers that the producer is wired to (`partitioners.ts`).
 *
 * | kind      | channel                                                                     |
 * |-----------|-----------------------------------------------------------------------------|
 * | forward   | 0                                                                           |
 * | rebalance | round robin, the first one by chance, so that producers do not go in step    |
 * | rescale   | round robin from 0, over the connected consumers only                       |
 * | shuffle   | by chance                                                                   |
 * | broadcast | all                                                                         |
 * | global    | 0                                                                           |
 * | key-group | the owner of the key's key group                                            |
 * | custom    | what the user's function says, checked                                      |
 */

import { assert } from '../base/assert.ts';
import type { Random } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { type Key, keyGroupOf, subtaskOfKeyGroup } from '../base/key-groups.ts';
import { makeCode } from '../base/made-code.ts';
import type { PartitionerKind } from './partitioners.ts';

/** What `route` returns when a record goes to every channel. */
export const ALL_CHANNELS = -1;

/** Chooses the channel of each record of one producer subtask. */
export interface Router {
  /** The channel, or {@link ALL_CHANNELS}. */
  readonly route: (value: unknown) => number;
  /** The key by which `route` goes, for whoever needs no channel. */
  readonly select?: (value: unknown) => Key;
  /** The channel of every record, where there is nothing to ask. */
  readonly fixed?: number;
}

/** What a router needs; which fields must be there depends on the kind. */
export interface RouterOptions {
  /** Number of connected consumers. */
  readonly channels: number;
  /** For `key-group`, where it gives what `checkKey` takes and gives back, and for `custom`. */
  readonly keySelector?: ((value: unknown) => unknown) | undefined;
  /** For `key-group`: max parallelism of the consumer. */
  readonly maxParallelism?: number | undefined;
  /** For `custom`: the channel for a key. */
  readonly partitioner?: ((key: unknown, channels: number) => number) | undefined;
  /** For `rebalance` and `shuffle`. */
  readonly random?: Random | undefined;
  /** Forbids made code, as an environment may. */
  readonly plain?: boolean;
}

/** Makes the router of one edge and producer subtask. */
export function createRouter(kind: PartitionerKind, options: RouterOptions): Router {
  const { channels } = options;
  assert(channels >= 1, 'a producer is wired to at least one consumer');
  switch (kind) {
    case 'forward':
    case 'global':
      return { route: () => 0, fixed: 0 };
    case 'broadcast':
      return { route: () => ALL_CHANNELS };
    case 'rescale':
      return roundRobin(channels, channels - 1);
    case 'rebalance':
      return roundRobin(channels, randomOf(options).int(channels));
    case 'shuffle':
      return shuffle(channels, randomOf(options));
    case 'key-group':
      return byKeyGroup(options);
    case 'custom':
      return custom(options);
  }
}

function roundRobin(channels: number, last: number): Router {
  let channel = last;
  return {
    route() {
      channel = channel + 1 === channels ? 0 : channel + 1;
      return channel;
    },
  };
}

function shuffle(channels: number, random: Random): Router {
  return { route: () => random.int(channels) };
}

function byKeyGroup(options: RouterOptions): Router {
  const { channels, keySelector, maxParallelism } = options;
  assert(keySelector !== undefined, 'a key-group edge has a key selector');
  assert(maxParallelism !== undefined, 'a key-group edge knows the max parallelism of its consumer');
  assert(channels <= maxParallelism, 'parallelism is at most max parallelism');
  if (channels === 1) {
    // What is no key is refused by the selector also where there is nothing to choose.
    const only = (value: unknown): number => {
      keySelector(value);
      return 0;
    };
    const select = keySelector as (value: unknown) => Key;
    return { route: madeRoute(options, { keySelector }, BY_ONE_CHANNEL) ?? only, select };
  }
  const owners = Uint16Array.from({ length: maxParallelism }, (_, keyGroup) =>
    subtaskOfKeyGroup(keyGroup, channels, maxParallelism),
  );
  const values = { keySelector, keyGroupOf, maxParallelism, owners };
  const route = (value: unknown): number => owners[keyGroupOf(keySelector(value) as Key, maxParallelism)]!;
  return { route: madeRoute(options, values, BY_KEY_GROUP) ?? route };
}

function madeRoute(
  { plain = false }: RouterOptions,
  values: Readonly<Record<string, unknown>>,
  text: string,
): Router['route'] | undefined {
  return plain ? undefined : makeCode(['route'], values, text);
}

/** Of each edge for itself, so that its functions can become part of it. */
const BY_ONE_CHANNEL = `return function route(value) {
  keySelector(value);
  return 0;
};`;

const BY_KEY_GROUP = `return function route(value) {
  return owners[keyGroupOf(keySelector(value), maxParallelism)];
};`;

const CUSTOM = `return function route(value) {
  const channel = partitioner(keySelector(value), channels);
  return Number.isInteger(channel) && channel >= 0 && channel < channels ? channel : refuse(channel);
};`;

function custom(options: RouterOptions): Router {
  const { channels, keySelector = (value: unknown) => value, partitioner } = options;
  assert(partitioner !== undefined, 'a custom edge has a partitioner');
  const refuse = (channel: unknown): never => {
    throw new MillraceError(
      'PARTITIONER_INVALID',
      `the custom partitioner returned ${String(channel)}, which is not one of the ${channels} channels (0 to ${channels - 1})`,
    );
  };
  const values = { keySelector, partitioner, channels, refuse };
  const route = (value: unknown): number => {
    const channel = partitioner(keySelector(value), channels);
    return Number.isInteger(channel) && channel >= 0 && channel < channels ? channel : refuse(channel);
  };
  return { route: madeRoute(options, values, CUSTOM) ?? route };
}

function randomOf(options: RouterOptions): Random {
  assert(options.random !== undefined, 'this partitioner draws from a stream of chance');
  return options.random;
}
