/** Where the REST interface of a JobManager listens and whom it answers, from the configuration and the cluster's files. */

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Configuration } from '../base/config.ts';
import { MillraceError } from '../base/errors.ts';
import { isLoopback } from '../base/network.ts';
import type { RestBind } from '../rest/http-server.ts';
import type { ClusterFiles } from './cluster-files.ts';

type FileKey = 'security.ssl.rest.certificate' | 'security.ssl.rest.key';

/** Throws REST_BIND_UNSAFE where others than this machine could read what is said, and CONFIG_INVALID for missing files. */
export function restBindOf(
  configuration: Configuration,
  files: ClusterFiles,
  workingDirectory: string,
): RestBind {
  const host = configuration.get('rest.bind-address');
  const isEncrypted = configuration.get('security.ssl.rest.enabled');
  if (!isEncrypted && !isLoopback(host)) {
    const message = `rest.bind-address is ${host}, which others than this machine reach, and security.ssl.rest.enabled is false`;
    throw new MillraceError('REST_BIND_UNSAFE', message);
  }
  const read = (key: FileKey): string => {
    const path = configuration.get(key);
    if (path === undefined) {
      throw new MillraceError('CONFIG_INVALID', `security.ssl.rest.enabled is true, and ${key} is missing`, {
        remedy: `Set ${key} to a file in PEM.`,
      });
    }
    try {
      return readFileSync(resolve(workingDirectory, path), 'utf8');
    } catch (cause) {
      throw new MillraceError('CONFIG_INVALID', `${key}: ${path} cannot be read`, {
        cause,
        remedy: 'Name a file in PEM that the user of this process may read.',
      });
    }
  };
  const isAny = host === '0.0.0.0' || host === '::';
  return {
    host,
    name: configuration.get('rest.address') ?? (isAny ? hostname() : host),
    tokens: files.tokens(),
    ...(isEncrypted
      ? {
          tls: {
            certificate: read('security.ssl.rest.certificate'),
            key: read('security.ssl.rest.key'),
          },
        }
      : {}),
  };
}

/** Where the certificate of the REST interface lies, for clients of this machine; `undefined` without TLS. */
export function restCertificatePath(
  configuration: Configuration,
  workingDirectory: string,
): string | undefined {
  const path = configuration.get('security.ssl.rest.certificate');
  if (!configuration.get('security.ssl.rest.enabled') || path === undefined) return undefined;
  return resolve(workingDirectory, path);
}
