// What JobManagers keep of jobs is what it was: golden texts of each format are written and found again, and one that was cut, has
// another bit or another format is refused with the name of the entry.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { sha256Hex } from '../../src/base/hash.ts';
import { seededRandom } from '../../src/base/random.ts';
import { encodeCheckedJson } from '../../src/checkpoint/checked-json.ts';
import { BlobFolder } from '../../src/cluster/blobs.ts';
import { JobStore } from '../../src/cluster/job-manager/job-store.ts';
import { LEADER_KEY, readLeader } from '../../src/ha/leader.ts';
import { decodeRecord, encodeRecord, RECORD_FORMAT } from '../../src/ha/record.ts';
import { RegisterStore } from '../../src/ha/register.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts';
import { memoryFiles } from '../../src/testing/simulated-files.ts';
import { silent } from '../checkpoint/lives.ts';
import {
  BUNDLE,
  EntriesStore,
  FOUND,
  HeldBlobs,
  LEADER,
  leaderStore,
  recordTexts,
  REGISTER,
  SUBMISSION_FILE,
  TextRegister,
} from './records.ts';

const golden = JSON.parse(
  readFileSync(new URL(`records/format-${RECORD_FORMAT}.json`, import.meta.url), 'utf8'),
) as Record<string, string>;
const { [REGISTER]: register, [SUBMISSION_FILE]: submission, ...entries } = golden;

function blobs(): HeldBlobs {
  const held = new HeldBlobs();
  for (const bytes of [BUNDLE, Buffer.from(submission!, 'hex')]) held.blobs.set(sha256Hex(bytes), bytes);
  return held;
}

function kept(texts: Readonly<Record<string, string>>): EntriesStore {
  const store = new EntriesStore();
  for (const [key, text] of Object.entries(texts)) store.texts.set(key, text);
  return store;
}

describe(`format ${RECORD_FORMAT} of what JobManagers have in common`, () => {
  it('is written as it was: who changes a record counts the format up, and keeps its texts', async () => {
    assert.deepEqual(await recordTexts(), golden);
    assert.deepEqual(Object.keys(entries).sort(), [
      'checkpoints/job-1',
      'jobs/job-1',
      'leader',
      'results/job-0',
    ]);
  });

  it('is found by the next leader, entry by entry and in one document', async () => {
    const document = new TextRegister();
    document.text = register!;
    for (const store of [kept(entries), new RegisterStore(document, new ManualClock(), 100)]) {
      assert.deepEqual(await readLeader(store), LEADER);
      const found = await new JobStore(leaderStore(store), blobs).find();
      // JSON says nothing of fields that are undefined.
      assert.deepEqual(JSON.stringify(found), JSON.stringify(FOUND));
      assert.deepEqual(found.running[0]!.submission, FOUND.running[0]!.submission);
    }
  });

  it('is refused with its name when it was cut or has another bit', () => {
    let cases = 0;
    for (const [key, text] of [...Object.entries(entries), [REGISTER, register!] as const]) {
      const refused = (damaged: Buffer): void => {
        assert.throws(() => decodeRecord(damaged.toString(), `the entry ${key}`), {
          code: 'HA_UNAVAILABLE',
          message: new RegExp(`the entry ${key} is damaged: .*(?:cut|changed)`),
        });
        cases++;
      };
      const whole = Buffer.from(text);
      for (let length = 0; length < whole.length; length++) refused(whole.subarray(0, length));
      for (let bit = 0; bit < whole.length * 8; bit++) {
        const damaged = Buffer.from(whole);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        refused(damaged);
      }
    }
    console.log(`cases: damaged records of JobManagers ${cases} (minimum 20000)`);
    assert.ok(cases >= 20_000);
  });

  it('is refused by the key of its file where it lies in a folder', async () => {
    const disk = new SimulatedDisk();
    const env = { files: memoryFiles(disk), random: seededRandom(1), log: silent };
    const folder = new BlobFolder(env, '/ha/run');
    const whole = Buffer.from(submission!, 'hex');
    const { key } = await folder.put(whole, SUBMISSION_FILE);
    assert.deepEqual(Buffer.from(await folder.get({ key })), whole);
    const path = `/ha/run/${key}/${SUBMISSION_FILE}`;
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const cut = whole.subarray(0, bit >> 3);
      for (const bytes of [damaged, cut]) {
        disk.remove(path);
        disk.append(disk.create(path), bytes, path);
        await assert.rejects(folder.get({ key }), { code: 'BLOB_MISSING', message: new RegExp(key) });
      }
    }
  });

  it('of another format is refused by its number, and without a format too', () => {
    for (const document of [{ format: RECORD_FORMAT + 1, epoch: 1 }, { epoch: 1 }]) {
      const text = Buffer.from(encodeCheckedJson(document)).toString();
      assert.throws(() => decodeRecord(text, 'the entry leader'), {
        code: 'HA_UNAVAILABLE',
        message: /the entry leader has the format (?:2|undefined), and this version of Millrace reads 1/,
      });
    }
    // What was written before formats were counted.
    assert.throws(() => decodeRecord('{"epoch":1}', 'the entry leader'), { code: 'HA_UNAVAILABLE' });
  });

  it('that comes damaged once is read again, and one that stays so is told by its name', async () => {
    const text = encodeRecord(LEADER);
    const flipped = text.replace('"epoch":1', '"epoch":3');
    for (const { looks, ends } of [
      { looks: 3, ends: true },
      { looks: Number.POSITIVE_INFINITY, ends: false },
    ]) {
      const store = kept({ [LEADER_KEY]: text });
      let left = looks;
      const clock = new ManualClock();
      const read = store.read.bind(store);
      store.read = async (key) => {
        const found = (await read(key))!;
        return left-- > 0 ? { ...found, value: flipped } : found;
      };
      let outcome: unknown;
      leaderStore(store, clock)
        .read(LEADER_KEY)
        .then(
          (record) => {
            outcome = record;
          },
          (error: unknown) => {
            outcome = error;
          },
        );
      for (let step = 0; step < 1_000 && outcome === undefined; step++) {
        for (let turn = 0; turn < 8; turn++) await Promise.resolve();
        clock.advance(100);
      }
      if (ends) assert.deepEqual(outcome, LEADER);
      else assert.match(String(outcome), /the entry leader is damaged: its checksum is wrong/);
    }
  });
});
