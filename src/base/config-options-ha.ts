/** The options of high availability: how JobManagers take turns, and the services that they do it by. */

import { boolean, duration, int, oneOf, text } from './config-values.ts';

/** Part of the table of all options. */
export const HA_OPTIONS = {
  'high-availability.type': oneOf(['NONE', 'filesystem', 'zookeeper', 'etcd', 'kubernetes'], {
    default: 'NONE',
    description:
      'How several JobManagers take turns, and where they keep what the next leader has to know. NONE: there is one JobManager.',
    aliases: ['high-availability', 'high-availability.mode'],
  }),
  'high-availability.storageDir': text({
    default: undefined,
    description:
      'Folder that every JobManager reaches, or s3:// and the like: bundles of jobs, and with filesystem, on a disk, also who leads. Needed for high availability.',
  }),
  'high-availability.cluster-id': text({
    default: '/default',
    description: 'Separates clusters that share a service or a folder of high availability.',
  }),
  'high-availability.jobmanager.port': int({
    default: 0,
    min: 0,
    max: 65_535,
    description:
      'Port of a JobManager that takes turns with others, in the place of jobmanager.rpc.port; 0: any free port.',
  }),
  'high-availability.zookeeper.quorum': text({
    default: undefined,
    description: 'Where ZooKeeper is: host:port,host:port.',
  }),
  'high-availability.zookeeper.path.root': text({
    default: '/millrace',
    description: 'The node of ZooKeeper below which all clusters are.',
  }),
  'high-availability.zookeeper.client.session-timeout': duration({
    default: 60_000,
    min: 100,
    description: 'ZooKeeper takes a JobManager for lost that gave no sign of life for so long.',
  }),
  'high-availability.zookeeper.client.connection-timeout': duration({
    default: 15_000,
    min: 10,
    description: 'How long a connection to ZooKeeper may take to be there.',
  }),
  'high-availability.zookeeper.client.retry-wait': duration({
    default: 5_000,
    min: 10,
    description: 'Pause before the next try to connect to ZooKeeper.',
  }),
  'high-availability.zookeeper.client.tolerate-suspended-connections': boolean({
    default: false,
    description:
      'Whether a leader goes on while its connection to ZooKeeper is broken and its session is not over; else it ends its term at once.',
  }),
  'high-availability.filesystem.lease-duration': duration({
    default: 15_000,
    min: 100,
    description: 'A leader that gave no sign of life for so long is followed by another one.',
  }),
  'high-availability.filesystem.renew-deadline': duration({
    default: 10_000,
    min: 50,
    description: 'A leader that could not give a sign of life for so long ends its term by itself.',
  }),
  'high-availability.filesystem.retry-period': duration({
    default: 2_000,
    min: 10,
    description: 'How often a leader gives a sign of life, and others look for it.',
  }),
  'high-availability.etcd.endpoints': text({
    default: undefined,
    description: 'Where etcd is: https://host:port,https://host:port.',
  }),
  'high-availability.etcd.path.root': text({
    default: '/millrace',
    description: 'What the keys of all clusters in etcd begin with.',
  }),
  'high-availability.etcd.lease-duration': duration({
    default: 15_000,
    min: 1_000,
    description:
      'A JobManager is taken for lost by etcd that gave no sign of life for so long, in whole seconds; its own least may be longer.',
  }),
  'high-availability.etcd.client.request-timeout': duration({
    default: 5_000,
    min: 10,
    description: 'How long an answer of etcd may take.',
  }),
  'high-availability.etcd.client.retry-wait': duration({
    default: 1_000,
    min: 10,
    description: 'Pause before etcd is asked again.',
  }),
  'high-availability.etcd.user': text({
    default: undefined,
    description: 'User of etcd, where it wants one.',
  }),
  'high-availability.etcd.password': text({
    default: undefined,
    description: 'Password of that user.',
    secret: true,
  }),
  'high-availability.etcd.ssl.ca': text({
    default: undefined,
    description: "File in PEM: whose certificates of etcd are believed. Default: Node's.",
  }),
  'high-availability.etcd.ssl.certificate': text({
    default: undefined,
    description: 'File in PEM: the certificate by which etcd knows this process, where it wants one.',
  }),
  'high-availability.etcd.ssl.key': text({
    default: undefined,
    description: 'File in PEM: the key of that certificate.',
  }),
  'high-availability.kubernetes.leader-election.lease-duration': duration({
    default: 15_000,
    min: 1_000,
    description: 'A leader whose Lease was not renewed for so long is followed by another one.',
  }),
  'high-availability.kubernetes.leader-election.renew-deadline': duration({
    default: 15_000,
    min: 50,
    description: 'A leader that could not renew its Lease for so long ends its term by itself.',
  }),
  'high-availability.kubernetes.leader-election.retry-period': duration({
    default: 5_000,
    min: 10,
    description: 'How often a leader renews its Lease, and others look at it.',
  }),
  'high-availability.kubernetes.api-server': text({
    default: undefined,
    description:
      'The API server, as https://host:port. Default: that of the cluster in which the process runs.',
  }),
  'high-availability.kubernetes.service-account': text({
    default: '/var/run/secrets/kubernetes.io/serviceaccount',
    description: 'Folder with the token, the issuer (ca.crt) and the namespace of the service account.',
  }),
  'kubernetes.cluster-id': text({
    default: undefined,
    description:
      'With high-availability.type: kubernetes, what the names of its Lease and its ConfigMap begin with. Default: high-availability.cluster-id.',
  }),
  'kubernetes.namespace': text({
    default: undefined,
    description: 'Namespace of the Lease and the ConfigMap. Default: that of the service account.',
  }),
} as const;
