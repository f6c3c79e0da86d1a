/**
 * The arguments of a job: `--key value`, `--key=value`, `--flag`, and what stands between them.
 *
 * It remembers what was asked for, so that an argument which nobody asked for is an error and not a silent default.
 */

import { type Duration, parseDuration } from '../base/duration.ts';
import { MillraceError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';

/**
 * What stands behind the job file on the command line.
 *
 * ```ts
 * export default job((env, args) => {
 *   const last = args.number('last', 10); // --last 20
 *   env.fromSequence(1, last).print();
 * });
 * ```
 */
export class JobArguments {
  /** By name; `undefined` = it stood there without a value. A repeated argument has several. */
  readonly #values: ReadonlyMap<string, readonly (string | undefined)[]>;
  readonly #asked = new Set<string>();
  readonly #positional: readonly string[];
  #positionalAsked = false;

  constructor(words: readonly string[]) {
    const { values, positional } = parse(words);
    this.#values = values;
    this.#positional = positional;
  }

  /** The text of `--name`; the last one counts. Without a default the argument is required. */
  string(name: string, byDefault?: string): string {
    const value = this.#last(name);
    if (value !== undefined) return value;
    if (byDefault === undefined) throw invalid(`--${name} is required`);
    return byDefault;
  }

  /** The number of `--name`. Without a default the argument is required. */
  number(name: string, byDefault?: number): number {
    const text = this.string(name, byDefault === undefined ? undefined : String(byDefault));
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value)) throw invalid(`--${name} ${text} is not a number`);
    return value;
  }

  /** The milliseconds of `--name`, a duration such as `30m` or `60 s`. Without a default the argument is required. */
  duration(name: string, byDefault?: Duration): number {
    const text = this.string(name, byDefault === undefined ? undefined : String(byDefault));
    try {
      return parseDuration(text);
    } catch (cause) {
      throw invalid(`--${name} ${text} is not a duration, such as 500ms, 30s or 1h`, cause);
    }
  }

  /** True for `--name` and `--name true`, false for `--name false`; `byDefault` (false) when it is not there. */
  boolean(name: string, byDefault = false): boolean {
    this.#asked.add(name);
    const given = this.#values.get(name);
    if (given === undefined) return byDefault;
    const value = given.at(-1) ?? 'true';
    if (value !== 'true' && value !== 'false') {
      throw invalid(
        `--${name} ${value} is neither true nor false; write --${name}=true if "${value}" is another argument`,
      );
    }
    return value === 'true';
  }

  /** All texts of a repeated `--name`. */
  strings(name: string): readonly string[] {
    this.#asked.add(name);
    return (this.#values.get(name) ?? []).map((value) => value ?? '');
  }

  /** One of a few texts. */
  oneOf<const Choice extends string>(name: string, choices: readonly Choice[], byDefault?: Choice): Choice {
    const text = this.string(name, byDefault);
    const found = choices.find((choice) => choice === text);
    if (found === undefined) {
      throw invalid(`--${name} ${text} is none of ${choices.join(', ')}.${didYouMean(text, choices)}`);
    }
    return found;
  }

  /** Whether `--name` is there, with or without a value. */
  has(name: string): boolean {
    this.#asked.add(name);
    return this.#values.has(name);
  }

  /** The arguments that belong to no name, in order; all that follows `--` is among them. */
  get positional(): readonly string[] {
    this.#positionalAsked = true;
    return this.#positional;
  }

  /** Throws `JOB_ARGUMENT_UNKNOWN` when an argument was given that nobody asked for. Called when the job is described. */
  refuseUnknown(): void {
    for (const name of this.#values.keys()) {
      if (this.#asked.has(name)) continue;
      const known =
        this.#asked.size === 0 ? 'It takes none.' : `It takes ${[...this.#asked].map(dashed).join(', ')}.`;
      const meant = didYouMean(dashed(name), [...this.#asked].map(dashed));
      throw new MillraceError('JOB_ARGUMENT_UNKNOWN', `the job has no argument --${name}.${meant} ${known}`);
    }
    if (this.#positional.length > 0 && !this.#positionalAsked) {
      throw new MillraceError(
        'JOB_ARGUMENT_UNKNOWN',
        `the job takes no argument without a name, but was given "${this.#positional[0]}"`,
      );
    }
  }

  #last(name: string): string | undefined {
    this.#asked.add(name);
    const given = this.#values.get(name);
    if (given === undefined) return undefined;
    const value = given.at(-1);
    if (value === undefined) throw invalid(`--${name} has no value`);
    return value;
  }
}

function dashed(name: string): string {
  return `--${name}`;
}

function parse(words: readonly string[]): {
  values: Map<string, (string | undefined)[]>;
  positional: string[];
} {
  const values = new Map<string, (string | undefined)[]>();
  const positional: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--') {
      positional.push(...words.slice(at + 1));
      break;
    }
    if (!word.startsWith('--')) {
      positional.push(word);
      continue;
    }
    const [name, ...rest] = word.slice(2).split('=');
    if (name === undefined || name === '') throw invalid(`"${word}" names no argument`);
    const next = words[at + 1];
    const takesNext = rest.length === 0 && next !== undefined && !next.startsWith('--');
    const value = rest.length > 0 ? rest.join('=') : takesNext ? next : undefined;
    if (takesNext) at++;
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return { values, positional };
}

function invalid(message: string, cause?: unknown): MillraceError {
  return new MillraceError('JOB_ARGUMENT_INVALID', message, cause === undefined ? {} : { cause });
}
