/**
 * Latency markers while somebody watches: jobs whose configuration asks for none get some for as long as a pane renews
 * its wish.
 *
 * Owns: who watches which job until when. Talks to: the slots that run sources, by the job's master.
 *
 * LB-1 A wish ends by itself after LEASE_MS; then the job is back at what its configuration says. A job that measures
 *      more often by itself is left alone.
 * LB-2 A restart of the job makes new tasks: they are told again.
 */

import { isTerminal } from '../cluster/job-manager/job-states.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { badRequest, field } from './context.ts';
import type { LatencyWatch } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal } from './router.ts';

/** LB-1. */
export const LEASE_MS = 30_000;
const INTERVAL_MS_MIN = 50;
const INTERVAL_MS_MAX = 60_000;
const INTERVAL_MS_DEFAULT = 500;

interface Live {
  readonly watch: JobWatch;
  readonly stop: () => void;
  intervalMs: number;
  endsAt: number;
}

/** See the head of the file. */
export class LatencyBook {
  readonly #watch: ClusterWatch;
  readonly #live = new Map<string, Live>();

  constructor(watch: ClusterWatch) {
    this.#watch = watch;
    watch.onTick(() => this.#look());
  }

  /** Begins, or goes on for another while. */
  async renew(watch: JobWatch, body: unknown): Promise<LatencyWatch> {
    const asked = field(body, 'intervalMs') ?? INTERVAL_MS_DEFAULT;
    const isFit = typeof asked === 'number' && asked >= INTERVAL_MS_MIN && asked <= INTERVAL_MS_MAX;
    if (!isFit) throw badRequest(`"intervalMs" is not between ${INTERVAL_MS_MIN} and ${INTERVAL_MS_MAX}`);
    const { source } = watch.job;
    if (isTerminal(source.state)) throw new Refusal(409, `The job is ${source.state}.`);
    const configured = configuredOf(watch);
    const intervalMs = configured > 0 ? Math.min(configured, asked) : asked;
    const endsAt = this.#watch.cluster.env.clock.now() + LEASE_MS;
    const known = this.#live.get(watch.jobId);
    const isNew = known?.intervalMs !== intervalMs || known.watch !== watch;
    const live = known?.watch === watch ? known : this.#begin(watch);
    live.intervalMs = intervalMs;
    live.endsAt = endsAt;
    if (isNew) await this.#tell(live);
    return { jobId: watch.jobId, intervalMs, endsAt };
  }

  #begin(watch: JobWatch): Live {
    this.#live.get(watch.jobId)?.stop();
    const { source } = watch.job;
    const live: Live = {
      watch,
      intervalMs: 0,
      endsAt: 0,
      stop: source.observe({
        // LB-2
        onExecution: ({ state }) => {
          const isUp = state === 'RUNNING' && source.executions().every((each) => each.state === state);
          if (isUp) void this.#tell(live);
        },
      }),
    };
    this.#live.set(watch.jobId, live);
    return live;
  }

  /** A slot that is gone measures nothing, and a new one is told when it runs. */
  async #tell({ watch, intervalMs }: Live): Promise<void> {
    watch.latencyIntervalMs = intervalMs;
    const { source } = watch.job;
    const { vertices } = source.compiled.graph;
    const slots = new Set(
      source
        .executions()
        .filter(({ vertex, state }) => vertices[vertex]!.source && state === 'RUNNING')
        .map(({ slot }) => slot),
    );
    const inspection = { kind: 'latency-markers', intervalMs } as const;
    await Promise.allSettled([...slots].map((slot) => source.inspect(slot, inspection)));
  }

  /** LB-1. */
  #look(): void {
    const now = this.#watch.cluster.env.clock.now();
    for (const live of this.#live.values()) {
      const isOver = now >= live.endsAt;
      if (!isOver && !isTerminal(live.watch.job.source.state)) continue;
      this.#live.delete(live.watch.jobId);
      live.stop();
      live.intervalMs = configuredOf(live.watch);
      void this.#tell(live);
    }
  }
}

function configuredOf({ job }: JobWatch): number {
  return job.configuration.get('metrics.latency.interval');
}
