/** A publication in a store whose writes fail where the name is taken. */

import { FilesError } from '../base/env.ts';
import type { ObjectStore, Publication, PublicationOutcome } from '../base/object-store.ts';
import { locationIn } from '../base/locations.ts';

/** Writes by `write`, and says what came of it. */
export async function publishBy(
  write: (path: string, bytes: Uint8Array) => Promise<void>,
  store: Pick<ObjectStore, 'read'>,
  { directory, name, bytes }: Publication,
): Promise<PublicationOutcome> {
  const path = locationIn(directory, name);
  try {
    await write(path, bytes);
    return { kind: 'published' };
  } catch (error) {
    const kind = error instanceof FilesError ? error.kind : 'unknown';
    if (kind !== 'exists') return { kind: 'failed', error, outcomeKnown: kind !== 'unknown' };
  }
  try {
    // The same bytes of an earlier publication that got no answer are as good as these.
    const found = await store.read(path);
    const isSame = found !== undefined && Buffer.compare(found, bytes) === 0;
    return { kind: isSame ? 'published' : 'taken' };
  } catch (error) {
    return { kind: 'failed', error, outcomeKnown: false };
  }
}

/** What a failure that led to another one tells of its reason. */
export function becauseOf(error: unknown): string | undefined {
  return error instanceof FilesError ? error.because : undefined;
}
