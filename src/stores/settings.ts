/**
 * What the configuration and the environment of a process say about stores: plain data, handed to its threads.
 *
 * ST-1 Keys of the configuration win over the variables that other clients of S3 read.
 * ST-2 Credentials are of a process: they are in no plan, no submission and no message to another process.
 */

import type { Configuration } from '../base/config.ts';
import { MillraceError } from '../base/errors.ts';

/** Where and as whom S3 is asked. */
export interface S3Settings {
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly accessKey: string | undefined;
  readonly secretKey: string | undefined;
  readonly sessionToken: string | undefined;
  /** Requests are not signed. */
  readonly isAnonymous: boolean;
  /** Who gives credentials, where they are no settings. */
  readonly provider: 'auto' | 'static' | 'container' | 'instance';
  /** What the environment says of the machine's own. */
  readonly container: GivenCredentials | undefined;
  readonly instance: GivenCredentials;
  /** `undefined`: where an endpoint is named. */
  readonly isPathStyle: boolean | undefined;
  readonly partBytes: number;
  readonly retriesMax: number;
  readonly timeoutMs: number;
}

/** Credentials that are asked for over HTTP, and hold for a while. */
export interface GivenCredentials {
  readonly kind: 'container' | 'instance';
  readonly url: string;
  /** What a container shows; that of a file is read each time. */
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
}

/** As whom HDFS is asked. */
export interface WebHdfsSettings {
  /** `host:port` of the NameNode's HTTP server, for `hdfs://`. */
  readonly address: string | undefined;
  readonly user: string | undefined;
  readonly delegationToken: string | undefined;
  readonly retriesMax: number;
  readonly timeoutMs: number;
}

/** What all stores are made with. */
export interface StoreSettings {
  readonly s3: S3Settings;
  readonly webHdfs: WebHdfsSettings;
}

/** The settings of this process. */
export function storeSettings(
  configuration: Configuration,
  environment: Readonly<Record<string, string | undefined>>,
): StoreSettings {
  const style = configuration.get('s3.path-style-access');
  const set = (name: string): string | undefined =>
    environment[name] === '' ? undefined : environment[name];
  // A key and its secret belong together: never one of the configuration and one of the environment.
  const ownKey = configuration.get('s3.access-key');
  const ownSecret = configuration.get('s3.secret-key');
  const isOwn = ownKey !== undefined || ownSecret !== undefined;
  return {
    s3: {
      endpoint: configuration.get('s3.endpoint') ?? set('AWS_ENDPOINT_URL_S3') ?? set('AWS_ENDPOINT_URL'),
      region: configuration.get('s3.region') ?? set('AWS_REGION') ?? set('AWS_DEFAULT_REGION') ?? 'us-east-1',
      accessKey: isOwn ? ownKey : set('AWS_ACCESS_KEY_ID'),
      secretKey: isOwn ? ownSecret : set('AWS_SECRET_ACCESS_KEY'),
      sessionToken: configuration.get('s3.session-token') ?? (isOwn ? undefined : set('AWS_SESSION_TOKEN')),
      isAnonymous: configuration.get('s3.anonymous-credentials'),
      provider: configuration.get('s3.credentials-provider') as S3Settings['provider'],
      container: containerOf(set),
      instance: {
        kind: 'instance',
        url: set('AWS_EC2_METADATA_SERVICE_ENDPOINT') ?? 'http://169.254.169.254',
      },
      isPathStyle: style === 'auto' ? undefined : style === 'true',
      partBytes: configuration.get('s3.upload.min.part.size'),
      retriesMax: configuration.get('s3.retry.max-num-retries'),
      timeoutMs: configuration.get('s3.socket.timeout'),
    },
    webHdfs: {
      address: configuration.get('fs.webhdfs.address'),
      user: configuration.get('fs.webhdfs.user') ?? set('HADOOP_USER_NAME') ?? set('USER'),
      delegationToken: configuration.get('fs.webhdfs.delegation-token'),
      retriesMax: configuration.get('fs.webhdfs.retries'),
      timeoutMs: configuration.get('fs.webhdfs.timeout'),
    },
  };
}

/** As the platform tells a container: a path of its own address, or a whole one. */
function containerOf(set: (name: string) => string | undefined): GivenCredentials | undefined {
  const relative = set('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI');
  const url =
    relative === undefined
      ? set('AWS_CONTAINER_CREDENTIALS_FULL_URI')
      : (URL.parse(relative, `http://${CONTAINER_HOST}`)?.href ?? relative);
  if (url === undefined) return undefined;
  return {
    kind: 'container',
    url,
    token: set('AWS_CONTAINER_AUTHORIZATION_TOKEN'),
    tokenFile: set('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'),
  };
}

const CONTAINER_HOST = '169.254.170.2';
/** In plain text credentials come from this machine, or from what stands beside it on the link. */
const PLAIN_HOSTS = new Set([CONTAINER_HOST, '169.254.170.23', '[fd00:ec2::23]', 'localhost', '[::1]']);

/** Who asks S3, and what proves it. */
export interface S3Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken: string | undefined;
}

/** What a store of S3 works with: nothing is missing. */
export interface S3Access {
  readonly endpoint: string;
  readonly region: string;
  /** `undefined`: requests are not signed. */
  readonly credentials: S3Credentials | GivenCredentials | undefined;
  readonly isPathStyle: boolean;
  readonly partBytes: number;
  readonly retriesMax: number;
  readonly timeoutMs: number;
}

/** Throws CONFIG_INVALID with the keys that are missing or wrong, and never with what they hold. */
export function s3Access(settings: S3Settings): S3Access {
  const { region } = settings;
  return {
    endpoint: endpointOf(settings.endpoint ?? `https://s3.${region}.amazonaws.com`),
    region,
    credentials: settings.isAnonymous ? undefined : credentialsOf(settings),
    isPathStyle: settings.isPathStyle ?? settings.endpoint !== undefined,
    partBytes: settings.partBytes,
    retriesMax: settings.retriesMax,
    timeoutMs: settings.timeoutMs,
  };
}

function credentialsOf(settings: S3Settings): S3Credentials | GivenCredentials {
  const { accessKey, secretKey, sessionToken, provider, container, instance } = settings;
  const isUnset = accessKey === undefined && secretKey === undefined;
  if (provider === 'instance') return checkedGiver(instance);
  if (container !== undefined && (provider === 'container' || (provider === 'auto' && isUnset)))
    return checkedGiver(container);
  if (provider === 'container') {
    throw new MillraceError(
      'CONFIG_INVALID',
      's3.credentials-provider is container, and the environment names no address of its credentials',
      {
        remedy:
          'Start the process where AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI is set.',
      },
    );
  }
  if (accessKey === undefined || secretKey === undefined) {
    const missing = [
      accessKey === undefined ? 's3.access-key' : [],
      secretKey === undefined ? 's3.secret-key' : [],
    ];
    throw new MillraceError(
      'CONFIG_INVALID',
      `S3 is to be used without credentials: ${missing.flat().join(' and ')} missing`,
      {
        remedy:
          'Set s3.access-key and s3.secret-key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or s3.credentials-provider.',
      },
    );
  }
  return { accessKey, secretKey, sessionToken };
}

/** Credentials are not asked for in plain text elsewhere than where the platform gives them. */
function checkedGiver(given: GivenCredentials): GivenCredentials {
  const url = URL.parse(given.url);
  const isLoopback = url !== null && /^127(?:\.\d+){3}$/.test(url.hostname);
  const isNear = url !== null && (given.kind === 'instance' || isLoopback || PLAIN_HOSTS.has(url.hostname));
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isNear)) return given;
  throw new MillraceError(
    'CONFIG_INVALID',
    `the address for credentials of S3 in the environment (${given.kind}) is not one that they are asked for at`,
    { remedy: 'Use https, or the address that the platform of the container gives.' },
  );
}

function endpointOf(text: string): string {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`);
  const isPlain =
    url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (isPlain && (url.protocol === 'http:' || url.protocol === 'https:')) return url.href;
  throw new MillraceError(
    'CONFIG_INVALID',
    's3.endpoint is not the address of a server, without a user in it',
    {
      remedy: 'Write it like this: s3.endpoint: https://storage.example.org:9000',
    },
  );
}
