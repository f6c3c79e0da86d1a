/**
 * The REST interface that a command means, with what proves that it may: `--target http://…`, or as the cluster's files say.
 *
 * RT-1 The token of a cluster's files goes to the interface that these files name, and to nobody else; for another one
 *      `--token-file` names a file.
 * RT-2 A JobManager that stands by sends a client to the leader; the token goes with it (`RestClient`).
 */

import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { MillraceError } from '../base/errors.ts';
import { RestClient } from '../rest/rest-client.ts';
import type { ClusterOptions } from './arguments.ts';
import { ClusterFiles, isRunning, type ProcessRecord } from './cluster-files.ts';

/** A client of it. Throws CLUSTER_UNREACHABLE when nothing says where it is. */
export function restClientOf({ target, state, tokenFile }: ClusterOptions): RestClient {
  if (target !== undefined && !isRestUrl(target)) {
    throw new MillraceError('CLUSTER_UNREACHABLE', `"${target}" is no REST interface`, {
      remedy: 'Give its address with http, for example --target http://localhost:8081.',
    });
  }
  const files = new ClusterFiles(state);
  const records = files.records().filter((each) => each.rest !== undefined && isRunning(each));
  const record = target === undefined ? records[0] : records.find(({ rest }) => isSame(rest!, target));
  if (record === undefined && target === undefined) {
    throw new MillraceError(
      'CLUSTER_UNREACHABLE',
      `no JobManager with a REST interface is recorded in ${files.directory}`,
      {
        remedy:
          'Start a cluster with `millrace cluster start`; of a run with --ui give the address: --target http://localhost:8081.',
      },
    );
  }
  // Also of those that take turns with it: it may send a client to one of them (RT-2).
  const certificates = record === undefined ? [] : records.flatMap((each) => each.restCertificate ?? []);
  for (const path of new Set(certificates)) trustCertificate(readFileSync(path, 'utf8'));
  const token = tokenOf(files, record, tokenFile);
  return new RestClient(target ?? record!.rest!, token === undefined ? {} : { token });
}

/** True for `http://…` and `https://…`. */
export function isRestUrl(target: string | undefined): boolean {
  return target?.startsWith('http://') === true || target?.startsWith('https://') === true;
}

/** Servers with this certificate (PEM), or one that it has signed, are believed by this process. */
function trustCertificate(certificate: string): void {
  setDefaultCACertificates([...getCACertificates('default'), certificate]);
}

/** RT-1. */
function tokenOf(
  files: ClusterFiles,
  record: ProcessRecord | undefined,
  tokenFile: string | undefined,
): string | undefined {
  if (tokenFile === undefined) return record === undefined ? undefined : files.token();
  try {
    return readFileSync(tokenFile, 'utf8').trim();
  } catch (cause) {
    throw new MillraceError('CONFIG_INVALID', `--token-file ${tokenFile} cannot be read`, {
      cause,
      remedy: 'Name a file that holds the token and nothing else.',
    });
  }
}

/** Both are the same server: names of loopback are one. */
function isSame(recorded: string, target: string): boolean {
  const place = (text: string): string => {
    const { protocol, hostname, port } = new URL(text);
    const host = ['127.0.0.1', '[::1]'].includes(hostname) ? 'localhost' : hostname;
    return `${protocol}//${host}:${port}`;
  };
  return URL.canParse(target) && place(recorded) === place(target);
}
