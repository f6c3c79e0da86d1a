// From keys to services: what is missing or unsafe is refused before anything is opened.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Configuration } from '../base/config.ts';
import type { HttpClient } from '../base/http-client.ts';
import type { Network } from '../base/network.ts';
import { Kernel } from '../testing/kernel.ts';
import { highAvailabilityOf } from './high-availability.ts';

const nobody = (): never => {
  throw new Error('nothing is opened yet');
};
const network: Network = { listen: nobody, dial: nobody };
const noHttp: HttpClient = { send: nobody, follow: nobody };

function servicesOf(
  values: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
  http = noHttp,
): ReturnType<typeof highAvailabilityOf> {
  const keyOf = (key: string): string => (key.startsWith('kubernetes.c') ? key : `high-availability.${key}`);
  const keys = Object.entries(values).map(([key, value]) => [keyOf(key), value]);
  const configuration = Configuration.defaults.withLayer('command line', Object.fromEntries(keys));
  const env = new Kernel({ seed: 1 }).env('node');
  return highAvailabilityOf(configuration, { env, network, http, environment, workingDirectory: '/work' });
}

const etcd = { type: 'etcd', storageDir: '/ha' };

test('etcd is found by its endpoints', () => {
  const services = servicesOf({ ...etcd, 'etcd.endpoints': 'https://a:2379, http://b:1', 'cluster-id': 'x' });
  assert.equal(services?.description, 'the leader that etcd at a:2379,b:1 names');
  assert.equal(services?.storageDirectory, '/ha/x/blobs');
});

test('keys of etcd begin with the root and the cluster, however many slashes the root has', async () => {
  for (const [root, prefix] of [
    ['/millrace', '/millrace/x/entries/a'],
    ['//a//b/', '/a/b/x/entries/a'],
    ['/', '/x/entries/a'],
  ] as const) {
    const asked: string[] = [];
    const answering: HttpClient = {
      send: ({ body = '' }) => {
        const { key } = JSON.parse(body) as { key: string };
        asked.push(Buffer.from(key, 'base64').toString());
        return Promise.resolve({ status: 200, body: '{"header":{"revision":"1"}}' });
      },
      follow: nobody,
    };
    const words = { ...etcd, 'etcd.endpoints': 'http://a:1', 'cluster-id': '/x', 'etcd.path.root': root };
    await servicesOf(words, {}, answering)?.services.store.read('a');
    assert.deepEqual(asked, [prefix]);
  }
});

test('what JobManagers share may be in a store elsewhere, but not who leads', () => {
  const shared = { storageDir: 's3://bucket/ha', 'cluster-id': 'x' };
  const services = servicesOf({ ...etcd, ...shared, 'etcd.endpoints': 'http://a:1' });
  assert.equal(services?.storageDirectory, 's3://bucket/ha/x/blobs');
  const message = /keeps who leads in s3:\/\/bucket\/ha\/x/;
  assert.throws(() => servicesOf({ type: 'filesystem', ...shared }), { code: 'CONFIG_INVALID', message });
});

test('endpoints that are none are refused, and passwords in plain text', () => {
  const cases: [Record<string, string>, RegExp][] = [
    [{}, /needs high-availability.etcd.endpoints/],
    [{ 'etcd.endpoints': 'a:2379' }, /has "a:2379"/],
    [{ 'etcd.endpoints': 'http://a:1,http://b:2/x' }, /has "http:\/\/b:2\/x"/],
    [{ 'etcd.endpoints': 'http://u:p@a:1' }, /^high-availability\.etcd\.endpoints holds a user: [^:@]*$/],
    [{ 'etcd.endpoints': 'http://a:1', 'etcd.user': 'u' }, /in plain text/],
  ];
  for (const [words, message] of cases) {
    assert.throws(() => servicesOf({ ...etcd, ...words }), { code: 'CONFIG_INVALID', message });
  }
  assert.ok(servicesOf({ ...etcd, 'etcd.endpoints': 'http://127.0.0.1:1', 'etcd.user': 'u' }));
});

const kubernetes = { type: 'kubernetes', storageDir: '/ha' };

test('Kubernetes is found by the variables of a pod, and the cluster by either id', () => {
  const pod = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
  const services = servicesOf({ ...kubernetes, 'cluster-id': '/one' }, pod);
  assert.equal(services?.description, 'the leader that ConfigMap one-millrace-metadata names');
  const named = servicesOf({ ...kubernetes, 'kubernetes.cluster-id': 'two', 'cluster-id': '/one' }, pod);
  assert.equal(named?.storageDirectory, '/ha/two/blobs');
});

test('an API server that would see the token in plain text is refused, and names that Kubernetes refuses', () => {
  const cases: [Record<string, string>, RegExp][] = [
    [{}, /does not run in Kubernetes/],
    [{ 'kubernetes.api-server': 'http://10.0.0.1:1' }, /cannot be http/],
    [{ 'kubernetes.api-server': 'https://a', 'cluster-id': 'Big' }, /cannot begin with "Big"/],
    [
      { 'kubernetes.api-server': 'https://a', 'kubernetes.leader-election.retry-period': '15 s' },
      /do not fit/,
    ],
  ];
  for (const [words, message] of cases) {
    assert.throws(() => servicesOf({ ...kubernetes, ...words }), { code: 'CONFIG_INVALID', message });
  }
});
