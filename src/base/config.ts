/** The configuration of a job: layers of options by origin, the more specific one winning. */

import { CONFIG_OPTIONS, FOREIGN_KEYS } from './config-options.ts';
import type { ConfigOption } from './config-values.ts';
import { MillraceError } from './errors.ts';
import { didYouMean, nearest, editDistance } from './suggest.ts';

/** Where a value comes from; a later one wins. */
export const CONFIG_ORIGINS = ['default', 'job', 'file', 'environment', 'command line'] as const;

/** Where a value comes from. */
export type ConfigOrigin = (typeof CONFIG_ORIGINS)[number];

/** A key of the table of options. */
export type ConfigKey = keyof typeof CONFIG_OPTIONS;

/** What an option's value is. */
export type ConfigValue<K extends ConfigKey> =
  (typeof CONFIG_OPTIONS)[K] extends ConfigOption<infer T> ? T : never;

/** Options as a job sets them in code; durations and sizes may be written as texts. */
export type ConfigValues = { readonly [K in ConfigKey]?: ConfigValue<K> | string };

/** An option with its value and the layer that it was set in. */
export interface ConfigEntry {
  readonly key: ConfigKey;
  readonly value: unknown;
  readonly origin: ConfigOrigin;
}

type Layer = ReadonlyMap<ConfigKey, unknown>;

const KEYS = Object.keys(CONFIG_OPTIONS) as ConfigKey[];
const OPTIONS: Readonly<Record<string, ConfigOption<unknown>>> = CONFIG_OPTIONS;
const KEY_OF_NAME: ReadonlyMap<string, ConfigKey> = new Map(
  KEYS.flatMap((key) => [key, ...OPTIONS[key]!.aliases].map((name) => [name, key] as const)),
);
/** A foreign key so near to one of ours is a misspelling. */
const TYPO_DISTANCE_MAX = 2;

/**
 * An immutable set of options.
 *
 * `withLayer` checks names and values at once, so that an error names where the value stands;
 * the order of the calls does not matter, the order of {@link CONFIG_ORIGINS} does.
 */
export class Configuration {
  readonly #layers: ReadonlyMap<ConfigOrigin, Layer>;
  /** Keys of Flink that mean nothing here, for one warning. */
  readonly ignoredKeys: readonly string[];

  private constructor(layers: ReadonlyMap<ConfigOrigin, Layer>, ignoredKeys: readonly string[]) {
    this.#layers = layers;
    this.ignoredKeys = ignoredKeys;
  }

  /** Nothing but defaults. */
  static readonly defaults: Configuration = new Configuration(new Map(), []);

  /**
   * Adds values of one origin, over what the same origin gave before.
   *
   * Keys may be dotted, nested, or older names; `undefined` says nothing.
   * Throws `CONFIG_UNKNOWN_KEY` and `CONFIG_INVALID`.
   */
  withLayer(origin: Exclude<ConfigOrigin, 'default'>, values: object): Configuration {
    const given = readLayer(origin, flatten(values));
    const layers = new Map(this.#layers);
    layers.set(origin, new Map([...(layers.get(origin) ?? []), ...given.layer]));
    return new Configuration(layers, [...new Set([...this.ignoredKeys, ...given.ignored])]);
  }

  /** The value that won. */
  get<K extends ConfigKey>(key: K): ConfigValue<K> {
    const layer = this.#layers.get(this.origin(key));
    return (layer === undefined ? CONFIG_OPTIONS[key].default : layer.get(key)) as ConfigValue<K>;
  }

  /** Where the value that won comes from. */
  origin(key: ConfigKey): ConfigOrigin {
    return CONFIG_ORIGINS.findLast((origin) => this.#layers.get(origin)?.has(key) === true) ?? 'default';
  }

  /** True for a key whose value is shown to nobody and stays in this process. */
  static isSecret(key: ConfigKey): boolean {
    return OPTIONS[key]!.secret;
  }

  /** All options, in the order of the table. */
  entries(): readonly ConfigEntry[] {
    return KEYS.map((key) => ({ key, value: this.get(key), origin: this.origin(key) }));
  }

  /** Throws `CONFIG_INVALID` for options that contradict each other; to be called when all layers are there. */
  checkConsistency(): void {
    if (!this.get('execution.checkpointing.unaligned.enabled')) return;
    if (this.get('execution.checkpointing.mode') !== 'EXACTLY_ONCE')
      throw this.#contradiction('execution.checkpointing.mode', 'EXACTLY_ONCE');
    if (this.get('execution.checkpointing.max-concurrent-checkpoints') !== 1)
      throw this.#contradiction('execution.checkpointing.max-concurrent-checkpoints', '1');
  }

  #contradiction(key: ConfigKey, needed: string): MillraceError {
    const unaligned = 'execution.checkpointing.unaligned.enabled';
    return new MillraceError(
      'CONFIG_INVALID',
      `${key} (${this.origin(key)}) is ${String(this.get(key))}, but unaligned checkpoints (${this.origin(unaligned)}) need ${needed}`,
      { remedy: `Set ${key} to ${needed}, or ${unaligned} to false.` },
    );
  }
}

function readLayer(
  origin: ConfigOrigin,
  values: ReadonlyMap<string, unknown>,
): { layer: Layer; ignored: string[] } {
  const layer = new Map<ConfigKey, unknown>();
  const nameOf = new Map<ConfigKey, string>();
  const ignored: string[] = [];
  for (const [name, value] of values) {
    const key = KEY_OF_NAME.get(name);
    if (key === undefined) {
      if (!isForeign(name)) throw unknownKey(name, origin);
      ignored.push(name);
      continue;
    }
    const read = OPTIONS[key]!.parse(value, `${name} (${origin})`);
    const other = nameOf.get(key);
    if (other !== undefined && layer.get(key) !== read) throw twice(key, [other, name], origin);
    layer.set(key, read);
    nameOf.set(key, name);
  }
  return { layer, ignored };
}

// `{ execution: { checkpointing: { interval: '10 s' } } }` is how Flink's YAML file is usually written.
function flatten(values: object, prefix = ''): Map<string, unknown> {
  const flat = new Map<string, unknown>();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    if (!isPlainObject(value)) flat.set(prefix + name, value);
    else for (const [inner, leaf] of flatten(value, `${prefix}${name}.`)) flat.set(inner, leaf);
  }
  return flat;
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function isForeign(name: string): boolean {
  if (!FOREIGN_KEYS.some((beginning) => name.startsWith(beginning))) return false;
  const near = nearest(name, KEY_OF_NAME.keys());
  return near === undefined || editDistance(near, name) > TYPO_DISTANCE_MAX;
}

function unknownKey(name: string, origin: ConfigOrigin): MillraceError {
  const hint = didYouMean(name, KEY_OF_NAME.keys());
  return new MillraceError(
    'CONFIG_UNKNOWN_KEY',
    `there is no configuration key '${name}' (${origin}).${hint}`,
  );
}

function twice(key: ConfigKey, names: readonly [string, string], origin: ConfigOrigin): MillraceError {
  return new MillraceError(
    'CONFIG_INVALID',
    `${names.join(' and ')} (${origin}) are the same option and have different values`,
    { remedy: `Keep only ${key}.` },
  );
}
