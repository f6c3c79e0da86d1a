// Hands a text that the page has made to the browser as a file.

/** Downloads it under a name. */
export function download(name: string, text: string, type: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Downloads entries, one line of JSON each. */
export function downloadLines(name: string, entries: readonly unknown[]): void {
  const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`);
  download(name, lines.join(''), 'application/x-ndjson');
}
