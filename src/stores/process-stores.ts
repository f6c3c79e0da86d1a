/** The stores of a process that has no configuration: what its environment says. */

import process from 'node:process';
import { Configuration } from '../base/config.ts';
import type { Env } from '../base/env.ts';
import { storeSettings } from './settings.ts';
import { withStores } from './stores.ts';

/** What this process reaches, with the stores of its environment. */
export function withStoresOfEnvironment(env: Env): Env {
  return withStores(env, storeSettings(Configuration.defaults, process.env));
}
