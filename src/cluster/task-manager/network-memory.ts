/**
 * How much memory the channels between the processes of a job may have.
 *
 * A process has one budget for the rings of all its channels to others, and each channel an equal part of it: few channels
 * may have large windows, which cost fewer wake-ups and messages, many have small ones. All processes come to the same
 * largest window, because it follows from the plan and from where its slots are.
 */

import type { ChannelRoute } from '../../hosts/channels.ts';

/** For the rings of the process that has the most channels: Flink's least network memory. */
export const NETWORK_BYTES = 64 * 1024 * 1024;
/** A window is at least so large, also where the budget is exceeded by it: a frame of a good size is a quarter of it. */
export const WINDOW_BYTES_MIN = 16 * 1024;
/** The largest window, of a consumer that reads it at once: others have less (exchange/channel-window.ts). */
export const WINDOW_BYTES_MAX = 1024 * 1024;
/** A consumer's ring has two windows (exchange/ring-inlet.ts), a producer's one; at worst all are consumers. */
const WINDOWS_PER_CHANNEL = 2;

/** Bytes of the largest window, a power of two. */
export function windowBytesOf(
  channels: readonly Pick<ChannelRoute, 'fromSlot' | 'toSlot'>[],
  processOfSlot: readonly number[],
): number {
  const remote = new Map<number, number>();
  const count = (process: number): void => void remote.set(process, (remote.get(process) ?? 0) + 1);
  for (const { fromSlot, toSlot } of channels) {
    const [from, to] = [processOfSlot[fromSlot]!, processOfSlot[toSlot]!];
    if (from === to) continue;
    count(from);
    count(to);
  }
  const most = Math.max(1, ...remote.values());
  const share = NETWORK_BYTES / WINDOWS_PER_CHANNEL / most;
  const power = 2 ** Math.floor(Math.log2(share));
  return Math.min(WINDOW_BYTES_MAX, Math.max(WINDOW_BYTES_MIN, power));
}
