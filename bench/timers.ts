// What a timer costs in memory: `node bench/timers.ts [count]`, 10 million when nothing is said. Registers timers in the
// state of one subtask, as the job of `timers` does, and says how many bytes each takes, there and in a checkpoint, and
// how many a second are registered and fired without a job around them.
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MemoryStateBackend } from '../src/state/memory/backend.ts';

const TIMES = 200_000_033;
const KEYS = 10_007;
const MAX_PARALLELISM = 128;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const count = Number(process.argv[2] ?? 10_000_000);
if (!Number.isSafeInteger(count) || count < 1) throw new Error('usage: timers.ts [number of timers]');

function usedBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function perSecond(work: () => void): string {
  const from = performance.now();
  work();
  return `${(count / (performance.now() - from) / 1_000).toFixed(2)} M/s`;
}

const backend = new MemoryStateBackend({
  keyGroupRange: { start: 0, end: MAX_PARALLELISM - 1 },
  maxParallelism: MAX_PARALLELISM,
  freezeValues: false,
  operatorUid: 'timers',
  now: () => 0,
});
// The keys are not what is measured: each has a timer before it begins.
for (let key = 0; key < KEYS; key++) {
  backend.setCurrentKey(key);
  backend.timers.register('event', key);
}
const before = usedBytes();
const registered = perSecond(() => {
  for (let at = 0; at < count; at++) {
    backend.setCurrentKey((at * 7_919) % KEYS);
    backend.timers.register('event', TIMES + ((at * 7_368_787) % TIMES));
  }
});
const bytes = (usedBytes() - before) / count;
const frozen = backend.freeze();
let written = 0;
for (const keyGroup of frozen.keyGroups()) written += frozen.encode(keyGroup).length;
frozen.release();
let fired = 0;
const polled = perSecond(() => {
  while (backend.timers.poll('event', Number.MAX_SAFE_INTEGER) !== undefined) fired++;
});
if (fired !== count + KEYS) throw new Error(`${fired} timers fired of ${count + KEYS}`);
console.log(
  `${count} timers of ${KEYS} keys: ${bytes.toFixed(0)} bytes each, ${(written / fired).toFixed(1)} in a checkpoint; ` +
    `registered ${registered}, fired ${polled}`,
);
