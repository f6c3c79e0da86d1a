/**
 * Runs that a program begins (`executeAsync`, or a script by `node`): what they do is exported where the variables of
 * OpenTelemetry say where to. Nothing is loaded for it where they do not.
 */

import { followRuns } from '../run.ts';
import { isTelemetryWanted } from './telemetry.ts';

followRuns(async (client) => {
  if (!isTelemetryWanted(process.env)) return undefined;
  const { exportRun } = await import('./exported-run.ts');
  return exportRun(client, process.env, process.cwd());
});
