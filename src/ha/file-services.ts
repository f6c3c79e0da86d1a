/** High availability in a folder of one machine: `high-availability.type: filesystem`. */

import { join } from 'node:path';
import type { Env } from '../base/env.ts';
import { FileRegister } from './file-register.ts';
import type { HighAvailabilityServices } from './metadata-store.ts';
import { RegisterStore } from './register.ts';
import { RenewedSeat, type RenewalTimes } from './renewed-seat.ts';

/** Where, and how often. */
export interface FileServicesOptions {
  /** Of one cluster. */
  readonly folder: string;
  readonly times: RenewalTimes;
  /** How often watchers look, ms. */
  readonly pollMs: number;
}

/** The entries and the seat are two registers: a seat that is renewed all the time changes no entry. */
export function fileServices(
  env: Env,
  { folder, times, pollMs }: FileServicesOptions,
): HighAvailabilityServices {
  const { clock, random } = env;
  return {
    store: new RegisterStore(new FileRegister(env, join(folder, 'metadata')), clock, pollMs),
    seat: new RenewedSeat({ register: new FileRegister(env, join(folder, 'seat')), clock, random, times }),
    close: () => {},
  };
}
