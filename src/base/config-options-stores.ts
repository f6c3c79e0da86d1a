/** The options of stores of checkpoints that are not on this machine: S3 and HDFS. */

import { boolean, duration, int, oneOf, size, text } from './config-values.ts';

/** Part of the table of all options. */
export const STORE_OPTIONS = {
  's3.endpoint': text({
    default: undefined,
    description:
      'Address of the server of S3. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else Amazon in the region.',
  }),
  's3.region': text({
    default: undefined,
    description: 'Region of the buckets. Default: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1.',
  }),
  's3.access-key': text({
    default: undefined,
    description: 'Who asks S3. Default: AWS_ACCESS_KEY_ID, with AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.',
    aliases: ['s3.access.key'],
    secret: true,
  }),
  's3.secret-key': text({
    default: undefined,
    description: 'What proves it.',
    aliases: ['s3.secret.key'],
    secret: true,
  }),
  's3.session-token': text({
    default: undefined,
    description: 'Goes with an access key that was given for a while.',
    secret: true,
  }),
  's3.anonymous-credentials': boolean({
    default: false,
    description: 'Whether requests are not signed, for servers that ask nobody who he is.',
  }),
  's3.credentials-provider': oneOf(['auto', 'static', 'container', 'instance'], {
    default: 'auto',
    description:
      'Who gives credentials. static: the keys above; container: the address of the environment of a container; instance: the metadata of the machine; auto: the keys, else the container.',
  }),
  's3.path-style-access': oneOf(['auto', 'true', 'false'], {
    default: 'auto',
    description:
      'Whether the bucket stands in the path and not before the name of the server. auto: where s3.endpoint is set.',
    aliases: ['s3.path.style.access'],
  }),
  's3.upload.min.part.size': size({
    default: 5 * 1024 * 1024,
    min: 5 * 1024 * 1024,
    max: 5 * 1024 * 1024 * 1024,
    description: 'What is larger is uploaded in parts of this size, four at a time.',
  }),
  's3.retry.max-num-retries': int({
    default: 3,
    min: 0,
    max: 100,
    description: 'How often a request to S3 that failed is tried again, with a pause that grows.',
  }),
  's3.socket.timeout': duration({
    default: 30_000,
    min: 10,
    description: 'How long a try may take until all of its answer is there.',
  }),
  'fs.webhdfs.address': text({
    default: undefined,
    description:
      'Address of the HTTP server of the NameNode, for hdfs:// locations. Default: the host of the location, port 9870.',
  }),
  'fs.webhdfs.user': text({
    default: undefined,
    description: 'The user that HDFS is told (user.name). Default: HADOOP_USER_NAME, else USER.',
  }),
  'fs.webhdfs.delegation-token': text({
    default: undefined,
    description: 'Proves who asks HDFS, in place of a user.',
    secret: true,
  }),
  'fs.webhdfs.retries': int({
    default: 3,
    min: 0,
    max: 100,
    description: 'How often a request to HDFS that failed is tried again, with a pause that grows.',
  }),
  'fs.webhdfs.timeout': duration({
    default: 30_000,
    min: 10,
    description: 'How long a try may take until all of its answer is there.',
  }),
} as const;
