/**
 * What the storage of checkpoints is asked for: the least that a disk, S3 and HDFS have in common.
 *
 * There is no rename, no append and no sync in it: an object is there whole or not at all, and what was said to be there is
 * durable and seen by every later reading and listing. Locations are absolute paths of this machine, or URIs. Everything
 * that goes wrong is a {@link FilesError}; of the kind `unknown`, when the operation may still have, or get, its effect.
 */

/** Bytes that come from elsewhere, such as another thread, piece by piece: nobody has to have all of them at a time. */
export interface PiecedBytes {
  readonly length: number;
  /** From the beginning, at each call. A piece is good until the next one is asked for; rejects when the rest is gone. */
  pieces(): AsyncIterable<Uint8Array>;
}

/** Bytes that are here, or that come piece by piece. */
export type ObjectBytes = Uint8Array | PiecedBytes;

/** All of them at once. */
export async function wholeOf(bytes: ObjectBytes): Promise<Uint8Array> {
  if (bytes instanceof Uint8Array) return bytes;
  const whole = new Uint8Array(bytes.length);
  let end = 0;
  for await (const piece of bytes.pieces()) {
    whole.set(piece, end);
    end += piece.length;
  }
  return whole;
}

/** How a publication ended. `taken`: somebody else's bytes are there. */
export type PublicationOutcome =
  | { readonly kind: 'published' }
  | { readonly kind: 'taken' }
  | { readonly kind: 'failed'; readonly error: unknown; readonly outcomeKnown: boolean };

/** What to publish and where. */
export interface Publication {
  readonly directory: string;
  readonly name: string;
  /** Name of the temporary file, where one is needed; must be unique to this writer. */
  readonly temporary: string;
  readonly bytes: Uint8Array;
}

/** See the head of the file. A directory need not exist to be listed or removed. */
export interface ObjectStore {
  /**
   * Makes a directory exclusively, and durable; `exists` if somebody else made it, or may have. Of all who claim one name,
   * at most one succeeds, for as long as it is not removed.
   */
  claim(directory: string): Promise<void>;
  /**
   * Creates an object in a directory that is there; `exists` if the name is taken. Until it resolves nobody may rely on it:
   * on a disk a part of it may be seen.
   */
  create(path: string, bytes: ObjectBytes): Promise<void>;
  /** Makes bytes appear under a name that is not taken: whole or not at all, and never over other bytes. Does not throw. */
  publish(publication: Publication): Promise<PublicationOutcome>;
  /**
   * After a publication whose outcome is not known: what was not there when it resolves will never be. It may be there
   * because of this call. Throws when it is still not known.
   */
  settle(publication: Publication): Promise<void>;
  /** The bytes of an object; `undefined` when there is none. Every other failure is thrown: error is not absence. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** What is at a path. */
  look(path: string): Promise<'object' | 'directory' | undefined>;
  /** Names of the objects and directories in a directory, sorted by code unit; none when there is none. */
  list(directory: string): Promise<string[]>;
  /** What was seen in a directory survives from now on, although whoever made it may not have got so far. */
  retain(directory: string): Promise<void>;
  /** Removes an object, durably; fine when it is absent. */
  remove(path: string): Promise<void>;
  /** Removes a directory with all that is in it, the object `first` durably before all others; fine when it is absent. */
  removeAll(directory: string, first?: string): Promise<void>;
  /** Makes sure that directories can be claimed and objects created in a directory. */
  prepare(directory: string): Promise<void>;
}

/** Opens the stores that are not on this machine. */
export interface RemoteStores {
  /** The store of a URI. Throws CONFIG_INVALID for one that no store is for, or that lacks settings. */
  storeOf(uri: string): Promise<ObjectStore>;
}
