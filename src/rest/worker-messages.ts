/** Workers, slots and processes as they are shown: pure functions. */

import { DEFAULT_SLOT_SHARING_GROUP } from '../graph/job-graph.ts';
import type { ProcessFigures, Slot, Worker } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import type { ServedProcess, ServedWorker } from './served.ts';

/** A worker with what runs in its slots. */
export function workerOf(worker: ServedWorker, watches: readonly JobWatch[]): Worker {
  return {
    workerId: worker.workerId,
    address: worker.address,
    processId: worker.process.processId,
    startedAt: worker.startedAt,
    heartbeatAt: worker.heartbeatAt,
    isDraining: worker.isDraining,
    process: processFigures(worker.process),
    slots: Array.from({ length: worker.slots }, (_, slot) => slotOfWorker(worker.workerId, slot, watches)),
  };
}

/** Figures of a process, without what only Flink's shapes need. */
export function processFigures(process: ServedProcess): ProcessFigures {
  const { residentBytes, cpuShare, uptimeMs, thread } = process;
  return { residentBytes, cpuShare, uptimeMs, thread };
}

const FREE: Omit<Slot, 'slot'> = {
  jobId: null,
  slotSharingGroup: null,
  state: 'free',
  tasks: [],
  thread: null,
};

function slotOfWorker(workerId: string, slot: number, watches: readonly JobWatch[]): Slot {
  for (const { job } of watches) {
    if (job.source.endedAt !== undefined) continue;
    const executions = job.source.executions().filter((execution) => {
      const place = job.placeOf(execution.slot);
      return place.workerId === workerId && place.slot === slot;
    });
    const [first] = executions;
    if (first === undefined) continue;
    const isLost = executions.some(({ state }) => state === 'FAILED');
    const isUp = executions.every(({ state }) => state === 'RUNNING' || state === 'FINISHED');
    return {
      slot,
      jobId: job.source.jobId,
      slotSharingGroup:
        job.source.compiled.graph.vertices[first.vertex]?.slotSharingGroup ?? DEFAULT_SLOT_SHARING_GROUP,
      state: isLost ? 'lost' : isUp ? 'busy' : 'starting',
      tasks: executions.map(({ vertex, subtask }) => ({ vertex, subtask })),
      thread: job.source.threads().get(first.slot)?.figures ?? null,
    };
  }
  return { slot, ...FREE };
}
