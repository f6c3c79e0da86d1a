// Random inputs of a job with connected streams, and what it must give, by definition. Imports nothing from `src/`.

import { chance } from './job-spec.ts';

/** A record of one of the two keyed streams. */
export interface Piece {
  readonly id: string;
  readonly key: string;
  readonly at: number;
}

/** A record of the broadcast stream. */
export interface Rule {
  readonly name: string;
  readonly at: number;
}

export interface ConnectedSpec {
  readonly left: readonly Piece[];
  readonly right: readonly Piece[];
  readonly rules: readonly Rule[];
  /** Most by which a time falls behind an earlier one. */
  readonly disorder: number;
  readonly lower: number;
  readonly upper: number;
  readonly parallelism: number;
}

const KEYS = ['', 'a', '__proto__', 'b'];

export function connectedSpec(seed: number): ConnectedSpec {
  const draw = chance(seed);
  const disorder = draw(6);
  const pieces = (side: string): Piece[] =>
    Array.from({ length: draw(25) }, (_, index) => ({
      id: `${side}${index}`,
      key: KEYS[draw(KEYS.length)]!,
      at: 2 * index - draw(disorder + 1) - 10,
    }));
  const lower = draw(9) - 4;
  return {
    left: pieces('l'),
    right: pieces('r'),
    rules: Array.from({ length: draw(12) }, (_, index) => ({ name: `rule ${draw(4)}`, at: 3 * index })),
    disorder,
    lower,
    upper: lower + draw(6),
    parallelism: 1 + draw(3),
  };
}

/** The lines of all outputs, in no order. */
export function connectedLines({ left, right, rules, lower, upper }: ConnectedSpec): string[] {
  const lines: string[] = [];
  for (const one of left) {
    for (const two of right) {
      if (one.key !== two.key || two.at < one.at + lower || two.at > one.at + upper) continue;
      lines.push(`pair ${one.id} ${two.id} ${Math.max(one.at, two.at)}`);
    }
  }
  const counts = rulesText(rules.map(({ name }) => name));
  for (const key of new Set([...left, ...right].map((piece) => piece.key))) {
    const own = [left, right].map((side) => side.filter((piece) => piece.key === key).length);
    lines.push(`total ${key} ${own.join(' ')}`);
    if (own[0]! > 0) lines.push(`rules ${key} ${own[0]} ${counts}`);
  }
  return lines.sort();
}

/** How often each rule was told, as a text. */
export function rulesText(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .map(([name, count]) => `${name}=${count}`)
    .sort()
    .join();
}
