// High availability on a real ZooKeeper: as every service, over sessions that expire and connections that break.
import assert from 'node:assert/strict';
import { before, it, type TestContext } from 'node:test';
import { zooKeeperServices } from '../../src/ha/zookeeper/zookeeper-services.ts';
import type { Connection, ConnectionListener, Network } from '../../src/base/network.ts';
import { checkAll, type Client, contend } from './conformance.ts';
import { env, network, type Server, startZooKeeper, until } from './services.ts';

/** A network whose connections can be silenced: nothing leaves any more, and nobody is told. */
class MutableNetwork implements Network {
  #isMute = false;
  readonly #open = new Set<Connection>();
  readonly #listeners = new Map<Connection, ConnectionListener>();
  readonly listen: Network['listen'] = () => Promise.reject(new Error('nobody listens here'));

  async dial(...words: Parameters<Network['dial']>): Promise<Connection> {
    if (this.#isMute) throw new Error('cut off');
    const connection = await network.dial(...words);
    this.#open.add(connection);
    const listen = connection.listen.bind(connection);
    connection.listen = (listener) => {
      this.#listeners.set(connection, listener);
      listen(listener);
    };
    const write = connection.write.bind(connection);
    connection.write = (bytes) => (this.#isMute ? true : write(bytes));
    return connection;
  }

  mute(): void {
    this.#isMute = true;
  }

  /** Breaks what is open; it may be opened again. */
  breakAll(): void {
    for (const connection of this.#open) {
      connection.close();
      this.#listeners.get(connection)?.closed(undefined);
    }
    this.#open.clear();
  }
}

let server: Server;
before(async (context) => {
  server = await startZooKeeper(context as TestContext);
});

interface Options {
  readonly quorum: string;
  readonly root: string;
  readonly toleratesSuspension?: boolean;
}

function connect({
  quorum,
  root,
  toleratesSuspension = false,
}: Options): Client & { readonly net: MutableNetwork } {
  const net = new MutableNetwork();
  const services = zooKeeperServices(env, net, {
    quorum,
    root,
    toleratesSuspension,
    sessionTimeoutMs: 1_500,
    connectionTimeoutMs: 2_000,
    retryWaitMs: 50,
  });
  return { ...services, die: () => net.mute(), net };
}

it('does what a map would do, whoever asks; counts, guards, watches and seats', {
  timeout: 240_000,
}, async () => {
  const { address: quorum } = server;
  const cases = await checkAll((name) => connect({ quorum, root: `/millrace/${name}` }), until);
  console.log(`cases: zookeeper ${cases} (minimum 300)`);
  assert.ok(cases >= 300);
});

it('a connection that breaks takes the seat, or not, and the session goes on', {
  timeout: 120_000,
}, async () => {
  const { address: quorum } = server;
  for (const toleratesSuspension of [false, true]) {
    const root = `/millrace/suspended-${toleratesSuspension}`;
    const client = connect({ quorum, root, toleratesSuspension });
    const { stand, contender } = contend(client);
    await until(() => stand.isSeated);
    client.net.breakAll();
    const written = await client.store
      .change({ key: 'a', value: '1', expected: undefined })
      .catch(() => client.store.change({ key: 'a', value: '1', expected: undefined }));
    assert.notEqual(written.kind, 'guarded');
    assert.equal(stand.lost === undefined, toleratesSuspension);
    await contender.close();
    client.close();
  }
});

it('a service that stands still is no answer, and ends a term', { timeout: 120_000 }, async () => {
  const client = connect({ quorum: server.address, root: '/millrace/halted', toleratesSuspension: true });
  const { stand } = contend(client);
  await until(() => stand.isSeated);
  server.halt();
  await until(() => stand.lost !== undefined);
  await assert.rejects(client.store.read('a'), { code: 'HA_UNAVAILABLE' });
  server.resume();
  // Another session.
  let found: unknown = 'nothing yet';
  while (found === 'nothing yet') found = await client.store.read('a').catch(() => 'nothing yet');
  assert.equal(found, undefined);
  client.close();
});
