/**
 * What the JobManagers of a cluster share: small entries that change by compare-and-set, and a seat that one of them has.
 *
 * ```text
 *   election.ts ──▶ Seat           who may try to lead: a hint about who is alive, which may be wrong for a while
 *        │
 *        └────────▶ MetadataStore  who leads, with which epoch, and what it knows: never wrong
 * ```
 *
 * Nothing that has to be right depends on the seat, on a clock or on a connection: a leader writes only under the guard of
 * the entry that made it leader (MS-2), so that the first write of the next one takes all power from it.
 *
 * MS-1 A change happens at one moment, whole or not at all, and only if the entry has the expected revision then.
 * MS-2 With a guard it happens only if the guarded entry has its revision at that same moment.
 * MS-3 A revision is never used for two values of an entry; where a service counts anew for an entry that was removed and made
 *      again, it is not the entry of a guard, because that one is never removed.
 * MS-4 What a change said is durable. A change that throws may have happened or not, now or a little later: who wants to know
 *      reads (I-H4).
 * MS-5 A watcher is called at least once after each change of its entry, and may be called for nothing; it reads.
 * MS-6 Every call ends: with an answer or with HA_UNAVAILABLE.
 */

/** The value of an entry, and what to expect when changing it. */
export interface StoredEntry {
  readonly value: string;
  readonly revision: string;
}

/** An entry that must not have changed (MS-2). */
export interface Guard {
  readonly key: string;
  readonly revision: string;
}

/** What to make of an entry. Keys are names with slashes between; values are small texts. */
export interface Change {
  readonly key: string;
  /** `undefined` removes the entry. */
  readonly value: string | undefined;
  /** `undefined` = there is none. */
  readonly expected: string | undefined;
  readonly guard?: Guard | undefined;
}

/** How a change ended; `guarded`: the guard has another revision, and nothing happened. */
export type ChangeOutcome =
  | { readonly kind: 'changed'; readonly revision: string }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'guarded' };

/** Something that goes on until it is closed. */
export interface Closeable {
  close(): void;
}

/** See the head of the file. */
export interface MetadataStore {
  read(key: string): Promise<StoredEntry | undefined>;
  /** The keys that begin with `prefix`, sorted. */
  list(prefix: string): Promise<string[]>;
  change(change: Change): Promise<ChangeOutcome>;
  watch(key: string, changed: () => void): Closeable;
}

/** A candidate for the seat. */
export interface Candidacy {
  /** For whoever looks at the service. */
  readonly candidate: string;
  /** It has the seat; once. */
  readonly seated: () => void;
  /** It does not have it any more, or cannot be a candidate; once, and nothing follows. */
  readonly unseated: (why: string) => void;
}

/** Where one candidate at a time sits, for as long as it shows signs of life. */
export interface Seat {
  contend(candidacy: Candidacy): Contender;
}

/** A candidate that waits for the seat or has it. */
export interface Contender {
  /** Gives up the seat, or the wait for it; `unseated` is not called. Never rejected. */
  close(): Promise<void>;
}

/** Both, on one service. */
export interface HighAvailabilityServices {
  readonly store: MetadataStore;
  readonly seat: Seat;
  /** Ends all that it has open. */
  close(): void;
}

/** Bytes of a value: the least that a service takes, with room to spare. */
export const VALUE_BYTES_MAX = 64 * 1024;

/** The names of a key, each without anything that a service could take for something else. */
export function isKey(key: string): boolean {
  return /^[\w.-]+(?:\/[\w.-]+)*$/.test(key) && key.split('/').every((name) => !/^\.+$/.test(name));
}
