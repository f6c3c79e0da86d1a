// The leading JobManager is killed on a real ZooKeeper, on a real etcd and on Kubernetes'
// interface, while jobs run.
import { join } from 'node:path';
import { it } from 'node:test';
import { TestCluster } from '../e2e/clusters.ts';
import { heartbeats, killsWhileKeysAreCounted, killsWhileLoginsRun } from '../recovery/leader-kills.ts';
import { FakeApiServer } from './fake-api-server.ts';
import { startEtcd, startZooKeeper } from './services.ts';

it('a leader that is killed is followed by another one, which goes on with its jobs: on ZooKeeper', {
  timeout: 900_000,
}, async (test) => {
  const { address } = await startZooKeeper(test);
  const service = [
    '-Dhigh-availability.type=zookeeper',
    `-Dhigh-availability.zookeeper.quorum=${address}`,
    '-Dhigh-availability.zookeeper.client.session-timeout=2s',
    '-Dhigh-availability.zookeeper.client.retry-wait=100ms',
  ];
  const cluster = await TestCluster.start(test, { jobManagers: 2, settings: [...heartbeats, ...service] });
  const settings = [`-Dhigh-availability.storageDir=${join(cluster.state, 'ha')}`];
  await killsWhileLoginsRun(test, { cluster, settings }, 3);
  await killsWhileKeysAreCounted(test, { cluster, settings }, 2);
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
  const cluster = await TestCluster.start(test, { jobManagers: 2, settings: [...heartbeats, ...service] });
  const settings = [`-Dhigh-availability.storageDir=${join(cluster.state, 'ha')}`];
  await killsWhileLoginsRun(test, { cluster, settings }, 2);
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
  const cluster = await TestCluster.start(test, { jobManagers: 2, settings: [...heartbeats, ...service] });
  const settings = [`-Dhigh-availability.storageDir=${join(cluster.state, 'ha')}`];
  await killsWhileLoginsRun(test, { cluster, settings }, 2);
});
