/** The command that continues a run: what the user typed, with `-s latest` in place of what said where to begin. */

/** The words after `millrace`, for a run that continues. */
export function resumeWords(words: readonly string[]): string[] {
  const dashes = words.indexOf('--');
  const own = dashes < 0 ? words : words.slice(0, dashes);
  const kept: string[] = [];
  for (let at = 0; at < own.length; at++) {
    const word = own[at] ?? '';
    if (['--fresh', '--discard-later-output', '--claim', '--no-claim'].includes(word)) continue;
    if (['-s', '--from-savepoint'].includes(word)) {
      at += 1;
      continue;
    }
    if (/^(?:-s.|--from-savepoint=)/.test(word)) continue;
    kept.push(word);
  }
  return [...kept, '-s', 'latest', ...(dashes < 0 ? [] : words.slice(dashes))];
}

/** A command that can be pasted into a shell. */
export function shellCommand(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}
