// What every store of objects has to do: the disk, S3 and HDFS, in memory and as real servers.
import assert from 'node:assert/strict';
import { type FilesErrorKind, FilesError } from '../../src/base/env.ts';
import type { ObjectStore, Publication } from '../../src/base/object-store.ts';

/** A store, and a directory in it that nobody else uses. */
export interface StoreUnderTest {
  readonly store: ObjectStore;
  /** The same place, as another process sees it. */
  readonly other: ObjectStore;
  readonly directory: string;
}

/** One sentence about stores, and its proof. */
export interface StoreRule {
  readonly says: string;
  readonly check: (under: StoreUnderTest) => Promise<void>;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

function publicationOf(directory: string, ...values: number[]): Publication {
  return {
    directory,
    name: '_metadata',
    temporary: `_metadata.${values.join('-')}.tmp`,
    bytes: bytes(...values),
  };
}

async function failsAs(kind: FilesErrorKind, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof FilesError, String(error));
    assert.equal(error.kind, kind, error.message);
    return true;
  });
}

export const STORE_RULES: readonly StoreRule[] = [
  {
    says: 'a directory is claimed once, by whoever asks first, and of many at the same moment by one',
    check: async ({ store, other, directory }) => {
      await store.prepare(`${directory}/attempts`);
      await store.claim(`${directory}/attempts/1`);
      await failsAs('exists', store.claim(`${directory}/attempts/1`));
      await failsAs('exists', other.claim(`${directory}/attempts/1`));
      const asked = Array.from({ length: 8 }, (_, index) =>
        (index % 2 === 0 ? store : other).claim(`${directory}/attempts/2`),
      );
      const ended = await Promise.allSettled(asked);
      assert.equal(ended.filter(({ status }) => status === 'fulfilled').length, 1);
      assert.deepEqual(await other.list(`${directory}/attempts`), ['1', '2']);
    },
  },
  {
    says: 'what was created is read and listed at once by others, and its name is taken',
    check: async ({ store, other, directory }) => {
      await store.prepare(directory);
      await store.claim(`${directory}/chk-1`);
      assert.deepEqual(await other.list(`${directory}/chk-1`), []);
      await store.create(`${directory}/chk-1/a.state`, bytes(1, 2, 3));
      assert.deepEqual([...(await other.read(`${directory}/chk-1/a.state`))!], [1, 2, 3]);
      assert.deepEqual(await other.list(`${directory}/chk-1`), ['a.state']);
      await failsAs('exists', other.create(`${directory}/chk-1/a.state`, bytes(4)));
      assert.deepEqual([...(await store.read(`${directory}/chk-1/a.state`))!], [1, 2, 3]);
      await store.create(`${directory}/chk-1/empty.state`, bytes());
      assert.equal((await other.read(`${directory}/chk-1/empty.state`))?.length, 0);
    },
  },
  {
    says: 'a publication never overwrites, the same bytes again are published, other bytes are told apart',
    check: async ({ store, other, directory }) => {
      await store.prepare(directory);
      await store.claim(`${directory}/chk-1`);
      const [one, two] = [publicationOf(`${directory}/chk-1`, 1), publicationOf(`${directory}/chk-1`, 2)];
      assert.deepEqual(await store.publish(one), { kind: 'published' });
      assert.deepEqual(await other.publish(two), { kind: 'taken' });
      assert.deepEqual(await other.publish({ ...one, temporary: 'again.tmp' }), { kind: 'published' });
      await store.settle(two);
      assert.deepEqual([...(await other.read(`${directory}/chk-1/_metadata`))!], [1]);
    },
  },
  {
    says: 'of publications at the same moment one wins, whole',
    check: async ({ store, other, directory }) => {
      await store.prepare(directory);
      await store.claim(`${directory}/chk-1`);
      const asked = Array.from({ length: 6 }, (_, index) =>
        (index % 2 === 0 ? store : other).publish(publicationOf(`${directory}/chk-1`, index, index, index)),
      );
      const outcomes = await Promise.all(asked);
      const won = outcomes.flatMap(({ kind }, index) => (kind === 'published' ? [index] : []));
      assert.equal(won.length, 1, JSON.stringify(outcomes));
      assert.ok(
        outcomes.every(({ kind }) => kind === 'published' || kind === 'taken'),
        JSON.stringify(outcomes),
      );
      assert.deepEqual([...(await store.read(`${directory}/chk-1/_metadata`))!], [won[0], won[0], won[0]]);
    },
  },
  {
    says: 'what is not there is absent and no error: an object, a directory, what was removed',
    check: async ({ store, directory }) => {
      assert.equal(await store.read(`${directory}/none/_metadata`), undefined);
      assert.equal(await store.look(`${directory}/none`), undefined);
      assert.deepEqual(await store.list(`${directory}/none`), []);
      await store.removeAll(`${directory}/none`, '_metadata');
      await store.prepare(directory);
      await store.claim(`${directory}/chk-1`);
      await store.remove(`${directory}/chk-1/none.state`);
      await store.retain(`${directory}/chk-1`);
    },
  },
  {
    says: 'a directory is removed with all in it, of however many objects, and nothing beside it',
    check: async ({ store, other, directory }) => {
      await store.prepare(directory);
      for (const name of ['chk-1', 'chk-10']) {
        await store.claim(`${directory}/${name}`);
        await store.create(`${directory}/${name}/_metadata`, bytes(1));
      }
      for (let index = 0; index < 5; index++)
        await store.create(`${directory}/chk-1/${index}.state`, bytes(index));
      assert.equal(await other.look(`${directory}/chk-1`), 'directory');
      assert.equal(await other.look(`${directory}/chk-1/_metadata`), 'object');
      assert.equal((await other.list(`${directory}/chk-1`)).length, 6);
      await other.removeAll(`${directory}/chk-1`, '_metadata');
      assert.equal(await store.look(`${directory}/chk-1`), undefined);
      assert.deepEqual(await store.list(directory), ['chk-10']);
      assert.deepEqual(await store.list(`${directory}/chk-10`), ['_metadata']);
      await other.removeAll(`${directory}/chk-1`, '_metadata');
    },
  },
  {
    says: 'names keep their characters, and bytes of any length come back as they were',
    check: async ({ store, other, directory }) => {
      const odd = `${directory}/a b+c&d (ü)`;
      await store.prepare(odd);
      await store.claim(`${odd}/chk-1`);
      const large = new Uint8Array(6 * 1024 * 1024 + 17).map((_, index) => index * 31 + (index >> 8));
      await store.create(`${odd}/chk-1/v-0-1-1.state`, large);
      assert.equal(Buffer.compare((await other.read(`${odd}/chk-1/v-0-1-1.state`))!, large), 0);
      await failsAs('exists', other.create(`${odd}/chk-1/v-0-1-1.state`, large));
      assert.deepEqual(await other.list(odd), ['chk-1']);
      assert.deepEqual(await other.list(`${odd}/chk-1`), ['v-0-1-1.state']);
      await other.removeAll(odd);
      assert.equal(await store.look(odd), undefined);
    },
  },
];
