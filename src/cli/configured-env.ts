/** The seams of a command that reads or writes savepoints: stores are reached as the configuration here says. */

import type { Env } from '../base/env.ts';
import { systemEnv } from '../base/system-env.ts';
import { storeSettings } from '../stores/settings.ts';
import { withStores } from '../stores/stores.ts';
import { readConfiguration } from './configuration.ts';

/** Where a command runs. */
export interface ConfiguredHost {
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Made of the configuration file and the variables of the environment; `commandLine` goes before both. */
export async function configuredEnv(
  { workingDirectory, environment }: ConfiguredHost,
  commandLine: Readonly<Record<string, unknown>> = {},
): Promise<Env> {
  const configuration = await readConfiguration({ commandLine, environment, workingDirectory });
  return withStores(systemEnv({ logging: { level: 'warn' } }), storeSettings(configuration, environment));
}
