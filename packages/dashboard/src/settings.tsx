// What a viewer chose: language, colours, time zone. Kept in this browser only.
import { createContext, type ReactNode, useContext, useEffect, useMemo } from 'react';
import { Kept, useKept } from './live/kept.ts';
import { catalogue, type Language, type TextKey } from './text/catalogue.ts';
import { type Filling, type MessagePart, messageParts, type Quantity } from './text/message.ts';
import * as units from './text/units.ts';

/** What can be chosen. */
export interface Settings {
  readonly language: Language;
  readonly scheme: 'auto' | 'light' | 'dark';
  readonly zone: 'local' | 'UTC';
}

/** Texts and numbers in the viewer's language. */
export interface Text {
  readonly language: Language;
  readonly zone: Settings['zone'];
  readonly t: (key: TextKey, values?: Values) => string;
  readonly parts: (key: TextKey, values?: Values) => MessagePart[];
  readonly say: (quantity: Quantity) => string;
  /** A moment, with its date unless it is of today. */
  readonly moment: (at: number) => string;
}

/** What is put into a message, by name. */
export type Values = Readonly<Record<string, Quantity>>;

interface Chosen {
  readonly settings: Settings;
  readonly choose: (change: Partial<Settings>) => void;
  readonly text: Text;
}

const known = new Kept('settings', readSettings);
const SettingsContext = createContext<Chosen | undefined>(undefined);

/** Gives the settings to everything inside. */
export function SettingsProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const settings = useKept(known);
  useEffect(() => {
    document.documentElement.lang = settings.language;
    if (settings.scheme === 'auto') delete document.documentElement.dataset['scheme'];
    else document.documentElement.dataset['scheme'] = settings.scheme;
  }, [settings]);
  const chosen = useMemo<Chosen>(
    () => ({
      settings,
      text: textOf(settings),
      choose: (change) => known.change({ ...settings, ...change }),
    }),
    [settings],
  );
  return <SettingsContext value={chosen}>{children}</SettingsContext>;
}

/** The settings and how to change them. */
export function useSettings(): Chosen {
  const chosen = useContext(SettingsContext);
  if (chosen === undefined) throw new Error('useSettings is called outside of <SettingsProvider>');
  return chosen;
}

/** Texts in the viewer's language. */
export function useText(): Text {
  return useSettings().text;
}

function readSettings(stored: unknown): Settings {
  const { language, scheme, zone } = (stored ?? {}) as Partial<Record<keyof Settings, unknown>>;
  const ownLanguage = navigator.language.toLowerCase().startsWith('ko') ? 'ko' : 'en';
  return {
    language: language === 'en' || language === 'ko' ? language : ownLanguage,
    scheme: scheme === 'light' || scheme === 'dark' ? scheme : 'auto',
    zone: zone === 'UTC' ? 'UTC' : 'local',
  };
}

function textOf({ language, zone }: Settings): Text {
  const say = (quantity: Quantity): string => fillingOf(quantity, language, zone).text;
  const parts = (key: TextKey, values: Values = {}): MessagePart[] =>
    messageParts(catalogue[key][language], language, (name) => {
      const value = values[name];
      return value === undefined ? undefined : fillingOf(value, language, zone);
    });
  return {
    language,
    zone,
    parts,
    say,
    t: (key, values) =>
      parts(key, values)
        .map(({ text }) => text)
        .join(''),
    moment: (at) => units.moment(at, { zone, now: Date.now() }),
  };
}

function fillingOf(quantity: Quantity, language: Language, zone: Settings['zone']): Filling {
  if (typeof quantity === 'string') return { text: quantity };
  switch (quantity.kind) {
    case 'count':
      return { text: units.count(quantity.value, language), number: quantity.value };
    case 'records':
      return { text: units.joined(units.records(quantity.value, language)) };
    case 'rate':
      return { text: units.joined(units.rate(quantity.value, language)) };
    case 'share':
      return { text: units.joined(units.share(quantity.value)) };
    case 'duration':
      return { text: units.joined(units.duration(quantity.ms, language)) };
    case 'bytes':
      return { text: units.joined(units.bytes(quantity.value)) };
    case 'time':
      return { text: units.moment(quantity.at, { zone, now: Date.now() }) };
  }
}
