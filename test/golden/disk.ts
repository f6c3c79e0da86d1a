// The disk of a simulated job as a file of the repository: paths, and the bytes as base64; a directory is `null`.
import type { Kernel } from '../../src/testing/kernel.ts';

/** Where the savepoint is on a golden disk that has one, and no checkpoints. */
export const SAVEPOINT = '/savepoint';

/** What is on a disk. */
export type DiskImage = Readonly<Record<string, string | null>>;

/** The disk of a kernel as plain JSON. */
export function imageOf(kernel: Kernel): DiskImage {
  return Object.fromEntries(
    [...kernel.disk.contents()].map(([path, bytes]) => [
      path,
      bytes === 'directory' ? null : Buffer.from(bytes).toString('base64'),
    ]),
  );
}

/** Puts an image on the empty disk of a kernel. */
export function loadImage(kernel: Kernel, image: DiskImage): void {
  for (const [path, bytes] of Object.entries(image)) {
    if (bytes === null) {
      kernel.disk.makeDirectory(path);
      kernel.disk.syncDirectory(path);
    } else {
      const file = kernel.disk.create(path);
      kernel.disk.append(file, Buffer.from(bytes, 'base64'), path);
      kernel.disk.sync(file);
    }
  }
}
