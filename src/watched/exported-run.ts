/** The export of what one run does, without a page that shows it. */

import { fileURLToPath } from 'node:url';
import type { Env } from '../base/env.ts';
import { packageFolder } from '../base/own-package.ts';
import { systemEnv } from '../base/system-env.ts';
import { LogRing } from '../rest/log-ring.ts';
import type { JobClient } from '../run.ts';
import { loggingOf } from '../run/load.ts';
import { storeSettings } from '../stores/settings.ts';
import { withStores } from '../stores/stores.ts';
import type { Variables } from '../telemetry/settings.ts';
import { exportTelemetry } from './telemetry.ts';
import { watchRun } from './watched-run.ts';

/** Exports until it is closed; what keeps it from that is a warning in the log, and never harms the run. */
export async function exportRun(
  client: JobClient,
  environment: Variables,
  workingDirectory: string,
): Promise<{ close(): Promise<void> } | undefined> {
  const { configuration } = client;
  const plain = systemEnv({ logging: loggingOf(configuration) });
  const env = withStores(plain, storeSettings(configuration, environment));
  const log = env.log.child({ job: client.jobName, jobId: client.jobId });
  try {
    const version = await ownVersion(env);
    const watched = watchRun({ client, env, logs: new LogRing(), version, workingDirectory });
    const telemetry = await exportTelemetry({
      ...{ watch: watched.watch, environment, workingDirectory },
      warn: (text) => log.warn(text),
      info: (text) => log.info(text),
    });
    return {
      close: async () => {
        await telemetry?.close();
        watched.close();
      },
    };
  } catch (error) {
    log.warn('telemetry of the run is not exported', { error });
    return undefined;
  }
}

async function ownVersion({ files }: Env): Promise<string> {
  const bytes = await files.read(fileURLToPath(new URL('package.json', packageFolder)));
  return (JSON.parse(new TextDecoder().decode(bytes)) as { version: string }).version;
}
