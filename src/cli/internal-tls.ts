/** With what processes of a cluster encrypt what they say to each other, from the configuration and for clients. */

import { resolve } from 'node:path';
import type { Configuration } from '../base/config.ts';
import { MillraceError } from '../base/errors.ts';
import { isLoopback } from '../base/network.ts';
import { checkTlsFiles, type TlsPaths } from '../base/tls-network.ts';
import { systemEnv } from '../base/system-env.ts';

/** `undefined`: in plain text. Throws CONFIG_INVALID for a key that is missing, and TLS_UNUSABLE for files that are no good. */
export async function internalTlsOf(
  configuration: Configuration,
  workingDirectory: string,
): Promise<TlsPaths | undefined> {
  if (!configuration.get('security.ssl.internal.enabled')) return undefined;
  const path = (key: `security.ssl.internal.${'certificate' | 'key' | 'ca'}`): string => {
    const found = configuration.get(key);
    if (found !== undefined) return resolve(workingDirectory, found);
    throw new MillraceError(
      'CONFIG_INVALID',
      `security.ssl.internal.enabled is true, and ${key} is missing`,
      {
        remedy: `Set ${key} to a file in PEM.`,
      },
    );
  };
  const paths = {
    certificate: path('security.ssl.internal.certificate'),
    key: path('security.ssl.internal.key'),
    ca: path('security.ssl.internal.ca'),
  };
  await checkTlsFiles(systemEnv({ logging: { level: 'error' } }), paths);
  return paths;
}

/** Others than this machine may reach a process only where what is said is encrypted. Throws CLUSTER_BIND_UNSAFE. */
export function checkBind(key: string, host: string, tls: TlsPaths | undefined): void {
  if (tls !== undefined || isLoopback(host)) return;
  const message = `${key} is ${host}, which others than this machine reach, and security.ssl.internal.enabled is false`;
  throw new MillraceError('CLUSTER_BIND_UNSAFE', message);
}
