// Copies of state on the machines of a cluster that are not what they were.

import type { Kernel } from '../../src/testing/kernel.ts';

/** A copy below the folder, chosen by chance, is cut short, has another bit, or is gone. */
export function spoilCopy({ disk, random }: Kernel, folder = '/local'): void {
  const copies = [...disk.contents(folder)].flatMap(([path, bytes]) =>
    bytes === 'directory' || bytes.length === 0 ? [] : [{ path, bytes }],
  );
  if (copies.length === 0) return;
  const { path, bytes } = copies[random.int(copies.length)]!;
  const change = random.int(3);
  disk.remove(path);
  if (change === 0) return;
  const left = change === 1 ? bytes.subarray(0, random.int(bytes.length)) : Uint8Array.from(bytes);
  if (change === 2) left[random.int(left.length)]! ^= 1 << random.int(8);
  disk.append(disk.create(path), left, path);
}
