// The records of the benchmarks.

/** How many different users there are. */
export const USERS = 10_000;

/** A login of one of {@link USERS} users, who come in an order that no cache can follow. */
export interface Login {
  readonly user: string;
  readonly amount: number;
}

/** The record with this number. */
export function recordOf(number: number): Login {
  return { user: `user-${(number * 7_919) % USERS}`, amount: number };
}
