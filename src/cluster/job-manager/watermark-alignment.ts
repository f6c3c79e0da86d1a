/**
 * The coordinator's part of watermark alignment: how far each source subtask of a group may read.
 *
 * Owns: what the members of all groups of one deployment have told. Talks to: the job master, which calls it from its
 * inbox only and sends the limits that it answers with.
 *
 * A member is one subtask of one source; the members of a group may be of several sources, each with a drift of its own.
 * Its limit is the least watermark of the group plus its drift.
 *
 * WA-1 A member that has told nothing yet counts as "minus infinity": nobody runs ahead while others begin. This is stricter
 *      than Flink, which leaves it out.
 * WA-2 A member that is idle, has no split, or has ended holds nobody back; when that is so of all, there is no limit.
 * WA-3 Whoever reports is answered when the answer is new; whoever waits is told when he may go on; all are told when their
 *      limit falls (somebody who is behind came back). Nothing else is sent, so that a group costs little more messages than
 *      it has reports.
 * WA-4 Limits stay within the timestamps: no sum leaves them.
 */

import { assert } from '../../base/assert.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../base/time.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { SlotReport } from '../../hosts/messages.ts';
import type { SubtaskId } from './execution-graph.ts';

/** What a subtask tells of its event time. */
type TimeReport = Pick<SlotReport & { readonly kind: 'watermark' }, 'watermark' | 'waiting'>;

/** What a subtask is to be told. */
export interface WatermarkLimit extends SubtaskId {
  readonly maxWatermark: number;
}

interface Member extends SubtaskId {
  readonly maxDriftMs: number;
  /** `undefined`: nobody waits for it. */
  watermark: number | undefined;
  waiting: boolean;
  /** What it was told last, or knows without being told. */
  limit: number;
}

/** See the head of the file. */
export class WatermarkAlignmentGroups {
  readonly #groups = new Map<string, Member[]>();

  constructor(graph: JobGraph) {
    for (const [vertex, { operators, parallelism }] of graph.vertices.entries()) {
      const alignment = operators[0]?.alignment;
      if (alignment === undefined) continue;
      const members = this.#groups.get(alignment.group) ?? [];
      this.#groups.set(alignment.group, members);
      const { maxDriftMs } = alignment;
      for (let subtask = 0; subtask < parallelism; subtask++) {
        const watermark = MIN_TIMESTAMP; // WA-1
        const limit = limitOf(watermark, maxDriftMs);
        members.push({ vertex, subtask, maxDriftMs, watermark, waiting: false, limit });
      }
    }
  }

  /** What a subtask has told; the answer is to be sent in this order. */
  report(id: SubtaskId, { watermark, waiting }: TimeReport): WatermarkLimit[] {
    const members = this.#groupOf(id);
    const reporter = members.find((member) => isSame(member, id))!;
    reporter.watermark = watermark;
    reporter.waiting = waiting;
    const least = leastOf(members);
    const limits: WatermarkLimit[] = [];
    for (const member of members) {
      const limit = limitOf(least, member.maxDriftMs);
      const isToBeTold = member === reporter ? limit !== member.limit : isNews(member, limit);
      if (!isToBeTold) continue;
      member.limit = limit;
      limits.push({ vertex: member.vertex, subtask: member.subtask, maxWatermark: limit });
    }
    return limits;
  }

  /** Subtasks that begin anew know no limit, and have told nothing (WA-1); the others are told at the next report. */
  renew(isRenewed: (id: SubtaskId) => boolean): void {
    for (const member of [...this.#groups.values()].flat().filter(isRenewed)) {
      member.watermark = MIN_TIMESTAMP;
      member.waiting = false;
      member.limit = limitOf(MIN_TIMESTAMP, member.maxDriftMs);
    }
  }

  #groupOf(id: SubtaskId): Member[] {
    for (const members of this.#groups.values())
      if (members.some((member) => isSame(member, id))) return members;
    assert(false, `subtask ${id.vertex}/${id.subtask} is in an alignment group`);
  }
}

function isSame(a: SubtaskId, b: SubtaskId): boolean {
  return a.vertex === b.vertex && a.subtask === b.subtask;
}

/** WA-3. */
function isNews(member: Member, limit: number): boolean {
  return limit < member.limit || (member.waiting && limit > member.limit);
}

/** WA-1, WA-2; `undefined` when nobody is waited for. */
function leastOf(members: readonly Member[]): number | undefined {
  let least: number | undefined;
  for (const { watermark } of members) {
    if (watermark !== undefined && (least === undefined || watermark < least)) least = watermark;
  }
  return least;
}

/** WA-4. */
function limitOf(least: number | undefined, maxDriftMs: number): number {
  if (least === undefined || least > MAX_TIMESTAMP - maxDriftMs) return MAX_TIMESTAMP;
  return least + maxDriftMs;
}
