/** What the command line knows of its terminal: colours, width, and whether a line can be redrawn. */

/** The width that is assumed where none is known. */
const COLUMNS_UNKNOWN = 80;

/** Where text goes. */
export interface Screen {
  /** A line can be redrawn in place. */
  readonly live: boolean;
  /** Columns of the terminal; a redrawn line is cut to it. */
  columns(): number;
  readonly style: Style;
  write(text: string): void;
}

/** Colours, or nothing where they are not wanted. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
}

/** What of a stream a screen needs; the standard output and error have it. */
export interface TerminalStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A screen over a stream. `NO_COLOR` and a dumb terminal switch colours off, `FORCE_COLOR` switches them on. */
export function screenOf(
  stream: TerminalStream,
  variables: Readonly<Record<string, string | undefined>>,
): Screen {
  const isTerminal = stream.isTTY === true && variables['TERM'] !== 'dumb';
  const noColour = (variables['NO_COLOR'] ?? '') !== '';
  const forced = !['', '0', 'false'].includes(variables['FORCE_COLOR'] ?? '');
  return {
    live: isTerminal,
    // A terminal that does not know its width says 0.
    columns: () => stream.columns || COLUMNS_UNKNOWN,
    style: styleOf(!noColour && (isTerminal || forced)),
    write: (text) => {
      stream.write(text);
    },
  };
}

/** The colours themselves. */
export function styleOf(coloured: boolean): Style {
  const wrap =
    (open: number, close: number) =>
    (text: string): string =>
      coloured ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
  };
}
