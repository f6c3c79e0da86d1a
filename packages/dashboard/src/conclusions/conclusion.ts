// What a pane concludes: a sentence of the catalogue with its values, how good or bad that is, and what to do.
import type { TextKey } from '../text/catalogue.ts';
import type { Quantity } from '../text/message.ts';

/** How good something is; a page shows it by a word and a mark, never by colour alone. */
export type Tone = 'good' | 'warn' | 'bad' | 'plain';

/** A sentence with its values. */
export interface Saying {
  readonly key: TextKey;
  readonly values: Readonly<Record<string, Quantity>>;
}

/** A conclusion, and behind it what explains it or what to do. */
export interface Conclusion extends Saying {
  readonly tone: Tone;
  readonly more: readonly Saying[];
}

/** Puts a conclusion together. */
export function conclusion(
  tone: Tone,
  key: TextKey,
  values: Readonly<Record<string, Quantity>> = {},
  more: readonly Saying[] = [],
): Conclusion {
  return { tone, key, values, more };
}

/** Tells a conclusion from the others of its pane. */
export function identityOf({ key, values }: Saying): string {
  return `${key} ${JSON.stringify(values)}`;
}

/** A sentence without a judgement. */
export function saying(key: TextKey, values: Readonly<Record<string, Quantity>> = {}): Saying {
  return { key, values };
}
