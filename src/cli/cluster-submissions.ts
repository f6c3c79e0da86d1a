/** How a JobManager takes jobs over HTTP: what was uploaded is kept beside its other bundles, and planned by a process. */

import { join } from 'node:path';
import type { Configuration } from '../base/config.ts';
import type { Env } from '../base/env.ts';
import { BLOB_BYTES_MAX, BlobFolder } from '../cluster/blobs.ts';
import { BundlePlanner } from '../cluster/job-manager/bundle-planner.ts';
import type { BundleReference, Submission } from '../cluster/messages.ts';
import type { ProcessSpawner } from '../cluster/processes.ts';
import type { PlannedHow, ServedSubmissions } from '../rest/served.ts';
import type { SubmittedLoad } from '../run/cluster-job.ts';
import { layersOf } from '../run/load.ts';

/** What it is made of. */
export interface SubmissionParts {
  readonly env: Env;
  readonly spawner: ProcessSpawner;
  /** Where bundles find Millrace. */
  readonly blobDirectory: string;
  readonly configuration: Configuration;
  readonly workingDirectory: string;
  readonly submit: (submission: Submission, bundle: Uint8Array) => Promise<string>;
}

/** See the head of the file. */
export function clusterSubmissions(parts: SubmissionParts): ServedSubmissions {
  const { env, spawner, blobDirectory, configuration, workingDirectory, submit } = parts;
  const uploads = new BlobFolder(env, join(blobDirectory, 'uploads'));
  const planner = new BundlePlanner(spawner, env.clock);
  const loadOf = (
    { name }: BundleReference,
    { args, settings }: Pick<PlannedHow, 'args' | 'settings'>,
  ): SubmittedLoad => ({
    args,
    // What a program sees that reads its own words: as `node <bundle> …` would show them.
    argv: [process.execPath, name, ...args],
    layers: layersOf(configuration.withLayer('command line', settings)),
  });
  return {
    bundleBytesMax: BLOB_BYTES_MAX,
    workingDirectory,
    keep: (bytes, name) => uploads.put(bytes, name.replace(/\.js$/, '.mjs')),
    drop: (bundle) => uploads.remove(bundle),
    plan: async (bundle, how) =>
      planner.plan({
        bundlePath: await uploads.pathOf(bundle),
        load: loadOf(bundle, how),
        workingDirectory,
        jobId: how.jobId,
      }),
    loadOf,
    bytesOf: (bundle) => uploads.get(bundle),
    submit,
  };
}
