// The leading JobManager is killed on a real ZooKeeper, on a real etcd and on Kubernetes'
// interface, while jobs run.
import { it } from 'node:test';
import { killsWhileKeysAreCounted, killsWhileLoginsRun, onService } from '../recovery/leader-kills.ts';
import { FakeApiServer } from './fake-api-server.ts';
import { startEtcd, startZooKeeper, zooKeeperSettings } from './services.ts';

it('a leader that is killed is followed by another one, which goes on with its jobs: on ZooKeeper', {
  timeout: 900_000,
}, async (test) => {
  const turns = await onService(test, zooKeeperSettings(await startZooKeeper(test)));
  await killsWhileLoginsRun(test, turns, 3);
  await killsWhileKeysAreCounted(test, turns, 2);
});

it('a leader that is killed is followed by another one, which goes on with its jobs: on etcd', {
  timeout: 600_000,
}, async (test) => {
  const { address } = await startEtcd(test);
  const service = [
    '-Dhigh-availability.type=etcd',
    `-Dhigh-availability.etcd.endpoints=http://${address}`,
    '-Dhigh-availability.etcd.lease-duration=2s',
    '-Dhigh-availability.etcd.client.retry-wait=100ms',
  ];
  const turns = await onService(test, service);
  await killsWhileLoginsRun(test, turns, 2);
});

it('a leader that is killed is followed by another one, which goes on with its jobs: on Kubernetes', {
  timeout: 600_000,
}, async (test) => {
  const server = await FakeApiServer.start(test);
  const service = [
    '-Dhigh-availability.type=kubernetes',
    `-Dhigh-availability.kubernetes.api-server=${server.url.origin}`,
    `-Dhigh-availability.kubernetes.service-account=${server.serviceAccount}`,
    '-Dkubernetes.cluster-id=killed',
    '-Dhigh-availability.kubernetes.leader-election.lease-duration=2s',
    '-Dhigh-availability.kubernetes.leader-election.renew-deadline=1500ms',
    '-Dhigh-availability.kubernetes.leader-election.retry-period=300ms',
  ];
  const turns = await onService(test, service);
  await killsWhileLoginsRun(test, turns, 2);
});
