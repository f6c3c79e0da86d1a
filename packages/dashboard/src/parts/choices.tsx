// One of a few: buttons beside each other, of which one is pressed.
import type { ReactNode } from 'react';

/** `nameOf` says what stands on a button. */
export function Choices<T extends string>({
  label,
  of,
  chosen,
  choose,
  nameOf,
}: {
  readonly label: string;
  readonly of: readonly T[];
  readonly chosen: T;
  readonly choose: (one: T) => void;
  readonly nameOf: (one: T) => string;
}): ReactNode {
  return (
    <fieldset className="row" aria-label={label}>
      {of.map((one) => (
        <button
          key={one}
          type="button"
          className="button"
          aria-pressed={one === chosen}
          onClick={() => choose(one)}
        >
          {nameOf(one)}
        </button>
      ))}
    </fieldset>
  );
}
