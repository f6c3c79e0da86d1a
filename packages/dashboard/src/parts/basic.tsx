// Small parts of every pane: sentences, figures, verdicts, badges, bars, empty states.
import type { CSSProperties, ReactNode } from 'react';
import type { Conclusion, Saying, Tone } from '../conclusions/conclusion.ts';
import { useText, type Values } from '../settings.tsx';
import type { TextKey } from '../text/catalogue.ts';
import type { Measured } from '../text/units.ts';

/** A sentence of the catalogue with what is put into it set off. */
export function Sentence({ k, values }: { readonly k: TextKey; readonly values?: Values }): ReactNode {
  const { parts } = useText();
  return parts(k, values).map(({ text, isValue }, index) =>
    // The parts of a sentence have no other identity than their place.
    // biome-ignore lint/suspicious/noArrayIndexKey: see above
    isValue ? <strong key={index}>{text}</strong> : <span key={index}>{text}</span>,
  );
}

/** The same from a conclusion. */
export function Said({ saying }: { readonly saying: Saying }): ReactNode {
  return <Sentence k={saying.key} values={saying.values} />;
}

const marks: Readonly<Record<Tone, string>> = { good: '✓', warn: '!', bad: '✕', plain: 'i' };
const toneWords: Readonly<Record<Tone, TextKey>> = {
  good: 'tone.good',
  warn: 'tone.warn',
  bad: 'tone.bad',
  plain: 'tone.plain',
};

/** A conclusion with what explains it. */
export function Verdict({
  conclusion,
  children,
}: {
  readonly conclusion: Conclusion;
  readonly children?: ReactNode;
}): ReactNode {
  const { t } = useText();
  return (
    <div className="verdict" data-tone={conclusion.tone} data-conclusion={conclusion.key}>
      <span className="mark" aria-hidden="true">
        {marks[conclusion.tone]}
      </span>
      <div>
        <p>
          <span className="unseen">{t(toneWords[conclusion.tone])}: </span>
          <Said saying={conclusion} />
        </p>
        {conclusion.more.map((more) => (
          <p key={more.key}>
            <Said saying={more} />
          </p>
        ))}
        {children}
      </div>
    </div>
  );
}

/** A large number with its name; to be put into a `<dl class="grid">`. */
export function Figure({
  name,
  value,
  note,
  title,
}: {
  readonly name: string;
  readonly value: Measured | string;
  readonly note?: ReactNode;
  /** The metric behind it, as a tooltip. */
  readonly title?: string;
}): ReactNode {
  return (
    <div className="figure" title={title}>
      <dt>{name}</dt>
      <dd>
        {typeof value === 'string' ? (
          value
        ) : (
          <>
            {value.number}
            {value.unit !== '' && <span className="unit">{value.unit}</span>}
          </>
        )}
      </dd>
      {note !== undefined && <dd className="note">{note}</dd>}
    </div>
  );
}

/** A word on coloured ground. */
export function Badge({
  tone = 'plain',
  children,
}: {
  readonly tone?: Tone | 'accent';
  readonly children: ReactNode;
}): ReactNode {
  return (
    <span className="badge" data-tone={tone}>
      {children}
    </span>
  );
}

/** How a subtask spends its time: busy, back-pressured, and the rest idle. */
export function TimeBar({ busy, pressure }: { readonly busy: number; readonly pressure: number }): ReactNode {
  const { t, say } = useText();
  const label = t('time-bar.label', {
    busy: say({ kind: 'share', value: busy }),
    pressure: say({ kind: 'share', value: pressure }),
    idle: say({ kind: 'share', value: Math.max(0, 1 - busy - pressure) }),
  });
  return (
    <div className="time-bar" role="img" aria-label={label} title={label}>
      <i data-kind="busy" style={widthOf(busy)} />
      <i data-kind="pressure" style={widthOf(pressure)} />
    </div>
  );
}

/** What the colours of a {@link TimeBar} mean. */
export function TimeLegend(): ReactNode {
  const { t } = useText();
  return (
    <ul className="legend">
      {(['busy', 'pressure', 'idle'] as const).map((kind) => (
        <li key={kind}>
          <i className="swatch" data-kind={kind} />
          {t(`time.${kind}`)}
        </li>
      ))}
    </ul>
  );
}

/** What a pane says when it has nothing to show: what would be here, and how it comes. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** The head of a pane. */
export function PaneHead({
  title,
  lead,
  children,
}: {
  readonly title: TextKey;
  readonly lead: TextKey;
  readonly children?: ReactNode;
}): ReactNode {
  const { t } = useText();
  return (
    <header>
      <div className="row">
        <h1>{t(title)}</h1>
        {children}
      </div>
      <p>{t(lead)}</p>
    </header>
  );
}

/** Something wider than a phone: scrolls by itself, by keyboard too. */
export function Scroll({
  label,
  className = '',
  children,
}: {
  readonly label: string;
  readonly className?: string;
  readonly children: ReactNode;
}): ReactNode {
  return (
    // Only what has the focus can be scrolled by keyboard.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: see above
    <section className={`scroll ${className}`} tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}

/** A share as a width. */
export function widthOf(share: number): CSSProperties {
  return { width: `${Math.max(0, Math.min(1, share)) * 100}%` };
}
