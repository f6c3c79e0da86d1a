// What the address of the page says besides the pane: `#/checkpoints?checkpoint=12`.

/** A value of the address, as of when it is read. */
export function addressValue(name: string): string | undefined {
  const [, query = ''] = window.location.hash.split('?');
  return new URLSearchParams(query).get(name) ?? undefined;
}

/** The same as a number. */
export function addressNumber(name: string): number | undefined {
  const value = Number(addressValue(name) ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}
