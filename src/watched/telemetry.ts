/** Telemetry of this process: off, and not even loaded, unless the variables of OpenTelemetry ask for it. */

import { hostname } from 'node:os';
import type { MillraceError } from '../base/errors.ts';
import type { ClusterWatch } from '../rest/cluster-watch.ts';
import { telemetrySettings, type Variables } from '../telemetry/settings.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

export type { Telemetry } from '../telemetry/telemetry.ts';

/** What is exported, and of what. */
export interface TelemetryRequest {
  readonly watch: ClusterWatch;
  readonly environment: Variables;
  readonly workingDirectory: string;
  readonly warn: (text: string, error?: MillraceError) => void;
  readonly info: (text: string) => void;
}

/** Somebody has said where telemetry goes. */
export function isTelemetryWanted(environment: Variables): boolean {
  return telemetrySettings(environment) !== undefined;
}

/** Begins to export, where that is wanted. */
export async function exportTelemetry(request: TelemetryRequest): Promise<Telemetry | undefined> {
  const { watch, environment, workingDirectory, warn, info } = request;
  const settings = telemetrySettings(environment);
  if (settings === undefined) return undefined;
  const { startTelemetry } = await import('../telemetry/telemetry.ts');
  return startTelemetry({
    ...{ watch, settings, workingDirectory, warn, info },
    env: watch.cluster.env,
    attributes: {
      'host.name': hostname(),
      'process.pid': process.pid,
      'process.runtime.name': 'nodejs',
      'process.runtime.version': process.versions.node,
    },
  });
}
