// Watches of services over HTTP: however a stream goes, `look` is called once, in time; and what an answer says of itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../base/env.ts';
import type { HttpFollower, HttpRequest } from '../base/http-client.ts';
import { reasonIn, Watches } from './http-service.ts';

const REQUEST: HttpRequest = {
  method: 'GET',
  url: new URL('http://service.test/'),
  headers: {},
  deadlineMs: 1,
};

/** Watches with a stream and a clock that the test moves. */
class Stage {
  readonly timers = new Map<object, { readonly afterMs: number; readonly run: () => void }>();
  followers: HttpFollower[] = [];
  streamsClosed = 0;
  looks = 0;
  readonly clock: Pick<Clock, 'timer'> = {
    timer: (afterMs, run) => {
      const timer = { cancel: () => void this.timers.delete(timer) };
      this.timers.set(timer, { afterMs, run });
      return timer;
    },
  };
  readonly watches = new Watches({
    clock: this.clock,
    http: {
      follow: (_request, follower) => {
        this.followers.push(follower);
        return { close: () => void this.streamsClosed++ };
      },
    },
    service: 'a service',
    watchMs: 30_000,
    retryWaitMs: 50,
  });

  async begin(request = Promise.resolve(REQUEST)): Promise<{ close(): void }> {
    const watch = this.watches.begin(
      request,
      (line) => (line === 'event' || line === 'over' ? line : 'nothing'),
      () => void this.looks++,
    );
    await new Promise((resolve) => setImmediate(resolve));
    return watch;
  }

  /** The pauses that are waited for. */
  pauses(): number[] {
    return [...this.timers.values()].map(({ afterMs }) => afterMs);
  }

  fire(): void {
    for (const [timer, { run }] of [...this.timers]) {
      this.timers.delete(timer);
      run();
    }
  }
}

test('the first event ends a watch, and what comes after it is nothing', async () => {
  const stage = new Stage();
  await stage.begin();
  const [follower] = stage.followers;
  follower!.line('a sign of life');
  assert.equal(stage.looks, 0);
  for (const line of ['event', 'event', 'over']) follower!.line(line);
  follower!.ended(undefined);
  assert.deepEqual([stage.looks, stage.streamsClosed, stage.pauses()], [1, 1, []]);
});

test('a stream that is over, of no use, or never began is looked after once, after a pause', async () => {
  const ways: readonly ((stage: Stage) => Promise<void>)[] = [
    async (stage) => {
      await stage.begin();
      stage.followers[0]!.ended({ status: 403, body: '' });
    },
    async (stage) => {
      await stage.begin();
      stage.followers[0]!.line('over');
      stage.followers[0]!.ended(undefined);
    },
    async (stage) => void (await stage.begin(Promise.reject(new Error('no token')))),
  ];
  for (const way of ways) {
    const stage = new Stage();
    await way(stage);
    assert.deepEqual([stage.looks, stage.pauses()], [0, [50]]);
    stage.fire();
    stage.fire();
    assert.deepEqual([stage.looks, stage.pauses()], [1, []]);
  }
});

test('a stream that says nothing is looked after when its time is over', async () => {
  const stage = new Stage();
  await stage.begin();
  assert.deepEqual(stage.pauses(), [30_000]);
  stage.fire();
  assert.deepEqual([stage.looks, stage.streamsClosed, stage.pauses()], [1, 1, []]);
});

test('who closes a watch hears nothing more, and all are closed together', async () => {
  const stage = new Stage();
  const first = await stage.begin();
  first.close();
  await stage.begin();
  // Closed before its request is made: nothing is asked.
  const made = Promise.withResolvers<HttpRequest>();
  await stage.begin(made.promise);
  stage.watches.close();
  made.resolve(REQUEST);
  await new Promise((resolve) => setImmediate(resolve));
  for (const follower of stage.followers) {
    follower.line('event');
    follower.ended(undefined);
  }
  assert.deepEqual([stage.followers.length, stage.streamsClosed, stage.looks, stage.pauses()], [2, 2, 0, []]);
});

test('the reason of an answer is what the service says, else how the answer begins', () => {
  assert.equal(reasonIn('{"error":"etcdserver: no leader","message":"m"}', 'error'), 'etcdserver: no leader');
  assert.equal(reasonIn('{"message":"forbidden"}', 'message'), 'forbidden');
  for (const body of ['{"message":7}', 'null', '<html>502</html>\n']) {
    assert.equal(reasonIn(body, 'message'), body.trim());
  }
  assert.equal(reasonIn('x'.repeat(1_000), 'message').length, 200);
});
