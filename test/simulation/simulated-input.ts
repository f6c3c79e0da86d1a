// The input of a job on a simulated disk, before anything else happens.

import type { Kernel } from '../../src/testing/kernel.ts';

/** Writes files of JSON lines below /input, so that a loss of power takes nothing of them. */
export async function writeInput(
  kernel: Kernel,
  input: ReadonlyMap<string, readonly object[]>,
): Promise<void> {
  const { files } = kernel.env('operator');
  const write = async (): Promise<void> => {
    await files.makeDirectory('/input');
    for (const [path, records] of input) {
      const file = await files.open(path, 'create');
      await file.write(
        new TextEncoder().encode(records.map((record) => `${JSON.stringify(record)}\n`).join('')),
      );
      await file.sync();
      await file.close();
    }
    await files.syncDirectory('/input');
    await files.syncDirectory('/');
  };
  await kernel.settle(write());
}
