/** The export of what one run does, without a page that shows it. */

import type { Log } from '../base/env.ts';
import { ownVersion } from '../base/own-package.ts';
import { systemEnv } from '../base/system-env.ts';
import { LogRing } from '../rest/log-ring.ts';
import type { JobClient } from '../run.ts';
import { loggingOf } from '../run/load.ts';
import { storeSettings } from '../stores/settings.ts';
import { withStores } from '../stores/stores.ts';
import type { Variables } from '../telemetry/settings.ts';
import { exportTelemetry, type Telemetry } from './telemetry.ts';
import { type WatchedRun, watchRun } from './watched-run.ts';

/** Exports until it is closed; what keeps it from that is a warning in the log, and never harms the run. */
export async function exportRun(
  client: JobClient,
  environment: Variables,
  workingDirectory: string,
): Promise<{ close(): Promise<void> } | undefined> {
  const { configuration } = client;
  const { log: plainLog, ...plain } = systemEnv({ logging: loggingOf(configuration) });
  const log = plainLog.child({ job: client.jobName, jobId: client.jobId });
  let watched: WatchedRun | undefined;
  try {
    const env = withStores({ ...plain, log }, storeSettings(configuration, environment));
    watched = watchRun({ client, env, logs: new LogRing(), version: ownVersion(), workingDirectory });
    const { watch } = watched;
    const warn = (text: string): void => log.warn(text);
    const info = (text: string): void => log.info(text);
    const telemetry = await exportTelemetry({ watch, environment, workingDirectory, warn, info });
    return { close: () => close(watched!, telemetry, log) };
  } catch (error) {
    log.warn('telemetry of the run is not exported', { error });
    watched?.close();
    return undefined;
  }
}

async function close(watched: WatchedRun, telemetry: Telemetry | undefined, log: Log): Promise<void> {
  try {
    await telemetry?.close();
  } catch (error) {
    log.warn('the last telemetry of the run is not exported', { error });
  }
  watched.close();
}
