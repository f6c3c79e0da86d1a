// What a reader of an output directory sees: the lines of all committed files, in the order of checkpoints.

/** The lines below `directory`; names that begin with `.` or `_` are not output. */
export function readCommitted(
  contents: ReadonlyMap<string, Uint8Array | 'directory'>,
  directory: string,
): string[] {
  const files = [...contents]
    .filter(([path]) => path.startsWith(`${directory}/`))
    .map(([path, bytes]) => ({ name: path.slice(directory.length + 1), bytes }))
    .filter(({ name }) => !name.includes('/') && !name.startsWith('.') && !name.startsWith('_'));
  files.sort((left, right) => order(left.name) - order(right.name) || (left.name < right.name ? -1 : 1));
  return files.flatMap(({ bytes }) => {
    if (bytes === 'directory') return [];
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!text.endsWith('\n')) throw new Error('a committed file ends in the middle of a line');
    return text.slice(0, -1).split('\n');
  });
}

/** part-<subtask>-<checkpoint>-<attempt>-<n>: checkpoints first. */
function order(name: string): number {
  const [, , checkpoint, , , number] = name.split(/[-.]/);
  const id = checkpoint === 'end' ? 1e9 : Number(checkpoint);
  return id * 1000 + Number(number ?? 0);
}
