/**
 * Takes the rows of a CSV file apart: line by line, because a quoted field may hold line breaks.
 *
 * The grammar is RFC 4180's: a quote stands at the beginning of a field or nowhere, inside a quoted field it is doubled,
 * and behind the closing one comes the delimiter or the end of the row. Anything else is an error, not a guess.
 */

/** A field: its text, or `undefined` where nothing stands between two delimiters (`""` is the empty text). */
export type CsvField = string | undefined;

/** Where and why a row is not CSV. */
export class CsvSyntaxError extends Error {
  /** In the last line that was fed, from 1 on. */
  readonly column: number;

  constructor(message: string, column: number) {
    super(message);
    this.column = column;
  }
}

/** Parses one row after the other. */
export class CsvParser {
  readonly #delimiter: string;
  readonly #quote: string;
  #fields: CsvField[] = [];
  /** The quoted field whose end has not come. */
  #open: string | undefined;

  constructor(delimiter: string, quote: string) {
    this.#delimiter = delimiter;
    this.#quote = quote;
  }

  /** A row has begun and goes on with the next line. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Gives up the row that has begun. */
  reset(): void {
    this.#fields = [];
    this.#open = undefined;
  }

  /** The next line, without its line feed but with its carriage return; gives the row back when it is whole. */
  line(text: string): CsvField[] | undefined {
    const end = text.endsWith('\r') ? text.length - 1 : text.length;
    if (this.#open === undefined && !text.includes(this.#quote)) {
      return text.slice(0, end).split(this.#delimiter).map(plain);
    }
    // -1: the line is over.
    let at = this.#open === undefined ? 0 : this.#quoted(text, 0, end);
    while (at >= 0) {
      if (text[at] === this.#quote) {
        this.#open = '';
        at = this.#quoted(text, at + 1, end);
      } else {
        at = this.#unquoted(text, at, end);
      }
    }
    if (this.#open !== undefined) return undefined;
    const fields = this.#fields;
    this.reset();
    return fields;
  }

  /** Goes on in a quoted field; where the next field begins. */
  #quoted(text: string, from: number, end: number): number {
    for (let at = from; ; ) {
      const quote = text.indexOf(this.#quote, at);
      if (quote < 0) {
        this.#open += `${text.slice(at)}\n`;
        return -1;
      }
      this.#open += text.slice(at, quote);
      if (text[quote + 1] !== this.#quote) return this.#afterQuote(text, quote + 1, end);
      this.#open += this.#quote;
      at = quote + 2;
    }
  }

  #afterQuote(text: string, at: number, end: number): number {
    if (at < end && text[at] !== this.#delimiter) {
      throw new CsvSyntaxError(`behind a closing quote stands ${JSON.stringify(text[at])}`, at + 1);
    }
    this.#fields.push(this.#open);
    this.#open = undefined;
    return at < end ? at + 1 : -1;
  }

  #unquoted(text: string, from: number, end: number): number {
    const delimiter = text.indexOf(this.#delimiter, from);
    const to = delimiter < 0 ? end : delimiter;
    const field = text.slice(from, to);
    const quote = field.indexOf(this.#quote);
    if (quote >= 0)
      throw new CsvSyntaxError('a quote stands inside a field without quotes', from + quote + 1);
    this.#fields.push(plain(field));
    return delimiter < 0 ? -1 : delimiter + 1;
  }
}

function plain(text: string): CsvField {
  return text === '' ? undefined : text;
}
