// Messages of the catalogue with what is put into them: `{name}`, English plurals and Korean particles.
import type { Language } from './catalogue.ts';

/** Something that is put into a message and written according to its unit. */
export type Quantity =
  | string
  | { readonly kind: 'count'; readonly value: number }
  | { readonly kind: 'records'; readonly value: number }
  | { readonly kind: 'rate'; readonly value: number }
  | { readonly kind: 'share'; readonly value: number }
  | { readonly kind: 'duration'; readonly ms: number }
  | { readonly kind: 'bytes'; readonly value: number }
  | { readonly kind: 'time'; readonly at: number };

/** A stretch of a message: what the catalogue says, or what was put in. */
export interface MessagePart {
  readonly text: string;
  readonly isValue: boolean;
}

/** What a placeholder stands for, as text, and as a number where the plural depends on it. */
export interface Filling {
  readonly text: string;
  readonly number?: number;
}

// {name}, or {name|first|second}: in English the form for one and for many, in Korean the particle after a final
// consonant and after a vowel. A form with a choice stands for the choice alone, so the value is written beside it.
const placeholder = /\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g;

/** The names of the placeholders of a message, each once. */
export function placeholders(template: string): string[] {
  return [...new Set([...template.matchAll(placeholder)].map(([, name]) => name ?? ''))].sort();
}

/** Puts values into a message; what nobody gave is shown as its name, so that it is noticed. */
export function messageParts(
  template: string,
  language: Language,
  filling: (name: string) => Filling | undefined,
): MessagePart[] {
  const parts: MessagePart[] = [];
  let end = 0;
  for (const match of template.matchAll(placeholder)) {
    const [whole, name = '', first, second] = match;
    if (match.index > end) parts.push({ text: template.slice(end, match.index), isValue: false });
    end = match.index + whole.length;
    const value = filling(name) ?? { text: `{${name}}` };
    if (first === undefined || second === undefined) parts.push({ text: value.text, isValue: true });
    else parts.push({ text: takesFirst(value, language) ? first : second, isValue: false });
  }
  if (end < template.length) parts.push({ text: template.slice(end), isValue: false });
  return parts;
}

function takesFirst(value: Filling, language: Language): boolean {
  return language === 'en' ? value.number === 1 : endsInConsonant(value.text);
}

/** Whether a word ends in a consonant when it is read aloud in Korean; of Latin words a rule of thumb. */
export function endsInConsonant(word: string): boolean {
  const last =
    word
      .trimEnd()
      .replace(/[)\]}"'’”」]+$/, '')
      .at(-1) ?? '';
  const code = last.codePointAt(0) ?? 0;
  // A Hangul syllable is (lead * 21 + vowel) * 28 + tail; a tail of 0 is none.
  if (code >= 0xac00 && code <= 0xd7a3) return (code - 0xac00) % 28 !== 0;
  if (/\d/.test(last)) return '013678'.includes(last);
  return /[lmnrbckpt]/i.test(last);
}
