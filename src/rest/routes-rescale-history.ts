/** Flink's routes about what became of rescales (2.3): the last ones, counted, summed up, and one by one. */

import type { Configuration } from '../base/config.ts';
import {
  type RescaleReason,
  type RescaleRecord,
  RESCALES_KEPT_MAX,
} from '../cluster/job-manager/rescale-history.ts';
import {
  DEFAULT_SLOT_SHARING_GROUP,
  type JobGraph,
  type JobVertex,
  slotSharingGroups,
} from '../graph/job-graph.ts';
import type { VertexParallelism } from '../graph/rescale.ts';
import { jobOf, type RestContext } from './context.ts';
import { groupId, statsSummary } from './flink-shapes.ts';
import { ok, Refusal, type Route, type RouteRequest } from './router.ts';
import type { JobSource } from './served.ts';

const RESCALES = '/jobs/:jobid/rescales';

/** The rows of the table. */
export function rescaleHistoryRoutes(context: RestContext): Route[] {
  const view = { method: 'GET', role: 'view' } as const;
  const sourceOf = (request: RouteRequest): JobSource => jobOf(context, request).job.source;
  return [
    {
      ...view,
      path: `${RESCALES}/config`,
      summary: 'How a job comes to other numbers of subtasks.',
      handle: (request) => ok(configOf(jobOf(context, request).job.configuration)),
    },
    {
      ...view,
      path: `${RESCALES}/overview`,
      summary: 'How many rescales there were, and the last of each outcome.',
      handle: (request) => ok(overviewOf(sourceOf(request))),
    },
    {
      ...view,
      path: `${RESCALES}/history`,
      summary: 'The last rescales, the newest first.',
      handle: (request) => {
        const source = sourceOf(request);
        return ok(
          source
            .rescales()
            .map((record, index) => details(source, record, index))
            .reverse(),
        );
      },
    },
    {
      ...view,
      path: `${RESCALES}/details/:rescaleuuid`,
      summary: 'One rescale.',
      handle: (request) => {
        const source = sourceOf(request);
        const records = source.rescales();
        const id = request.params['rescaleuuid'] ?? '';
        const index = records.findIndex((record) => record.id === id);
        if (index < 0) throw new Refusal(404, `NotFoundException: there is no rescale ${id} of this job`);
        return ok(details(source, records[index]!, index));
      },
    },
    {
      ...view,
      path: `${RESCALES}/summary`,
      summary: 'How long rescales took.',
      handle: (request) => ok(summaryOf(sourceOf(request).rescales())),
    },
  ];
}

type TerminalState = 'COMPLETED' | 'FAILED' | 'IGNORED';

const TERMINAL_STATES: Readonly<Record<RescaleReason, TerminalState>> = {
  SUCCEEDED: 'COMPLETED',
  EXCEPTION_OCCURRED: 'FAILED',
  NO_RESOURCES_OR_PARALLELISMS_CHANGE: 'IGNORED',
  JOB_FINISHED: 'IGNORED',
  JOB_FAILED: 'IGNORED',
  JOB_CANCELED: 'IGNORED',
};

function terminalStateOf({ reason }: RescaleRecord): TerminalState | undefined {
  return reason === undefined ? undefined : TERMINAL_STATES[reason];
}

function configOf(configuration: Configuration): unknown {
  const adaptive = 'jobmanager.adaptive-scheduler';
  return {
    rescaleHistoryMax: RESCALES_KEPT_MAX,
    schedulerExecutionMode: null,
    submissionResourceWaitTimeoutInMillis: configuration.get(`${adaptive}.submission.resource-wait-timeout`),
    submissionResourceStabilizationTimeoutInMillis: configuration.get(
      `${adaptive}.submission.resource-stabilization-timeout`,
    ),
    slotIdleTimeoutInMillis: null,
    executingCooldownTimeoutInMillis: configuration.get(`${adaptive}.executing.cooldown-after-rescaling`),
    executingResourceStabilizationTimeoutInMillis: configuration.get(
      `${adaptive}.executing.resource-stabilization-timeout`,
    ),
    maximumDelayForTriggeringRescaleInMillis: null,
    rescaleOnFailedCheckpointCount: null,
  };
}

function countsOf(records: readonly RescaleRecord[]): Record<string, number> {
  const count = (state: TerminalState | undefined): number =>
    records.filter((record) => terminalStateOf(record) === state).length;
  return {
    ignored: count('IGNORED'),
    inProgress: count(undefined),
    completed: count('COMPLETED'),
    failed: count('FAILED'),
  };
}

function overviewOf(source: JobSource): unknown {
  const records = source.rescales();
  const last = (state: TerminalState): unknown => {
    const index = records.findLastIndex((record) => terminalStateOf(record) === state);
    return index < 0 ? null : details(source, records[index]!, index);
  };
  return {
    rescalesCounts: countsOf(records),
    latest: { completed: last('COMPLETED'), failed: last('FAILED'), ignored: last('IGNORED') },
  };
}

function summaryOf(records: readonly RescaleRecord[]): unknown {
  const durations = (states: readonly TerminalState[]): unknown =>
    statsSummary(
      records.flatMap((record) => {
        const state = terminalStateOf(record);
        const isCounted = state !== undefined && states.includes(state);
        return isCounted ? [record.endedAt! - record.startedAt] : [];
      }),
    );
  return {
    rescalesCounts: countsOf(records),
    rescalesDurationStatsInMillis: durations(['COMPLETED', 'IGNORED', 'FAILED']),
    completedRescalesDurationStatsInMillis: durations(['COMPLETED']),
    ignoredRescalesDurationStatsInMillis: durations(['IGNORED']),
    failedRescalesDurationStatsInMillis: durations(['FAILED']),
  };
}

function details({ compiled: { graph } }: JobSource, record: RescaleRecord, index: number): unknown {
  const last = record.steps.at(-1);
  return {
    rescaleUuid: record.id,
    resourceRequirementsUuid: record.id,
    rescaleAttemptId: index + 1,
    vertices: Object.fromEntries(
      graph.vertices.map((vertex, each) => [vertex.id, vertexDetails(graph, vertex, { record, each })]),
    ),
    slots: slotDetails(graph, record),
    schedulerStates: record.steps.map(({ step, enteredAt, leftAt }) => ({
      state: step,
      enterTimestampInMillis: enteredAt,
      leaveTimestampInMillis: leftAt ?? null,
      durationInMillis: leftAt === undefined ? null : leftAt - enteredAt,
      stringifiedException:
        step === last?.step ? (record.error?.stack ?? record.error?.message ?? null) : null,
    })),
    startTimestampInMillis: record.startedAt,
    endTimestampInMillis: record.endedAt ?? null,
    terminalState: terminalStateOf(record) ?? null,
    triggerCause: record.cause,
    terminatedReason: record.reason ?? null,
  };
}

function vertexDetails(
  graph: JobGraph,
  vertex: JobVertex,
  { record, each }: { readonly record: RescaleRecord; readonly each: number },
): unknown {
  const { requirements, former, parallelism, reason } = record;
  return {
    jobVertexId: vertex.id,
    jobVertexName: vertex.name,
    slotSharingGroupId: groupId(graph, vertex),
    slotSharingGroupName: vertex.slotSharingGroup ?? DEFAULT_SLOT_SHARING_GROUP,
    desiredParallelism: requirements[each]?.upperBound ?? null,
    sufficientParallelism: requirements[each]?.lowerBound ?? null,
    preRescaleParallelism: former[each] ?? null,
    postRescaleParallelism: reason === 'SUCCEEDED' ? (parallelism[each] ?? null) : null,
  };
}

/** Slots are not divided by what they offer: there is no profile. */
function slotDetails(graph: JobGraph, { former, parallelism, requirements, reason }: RescaleRecord): unknown {
  const slotsWith = (numbers: VertexParallelism): ReadonlyMap<string, number> =>
    new Map(slotSharingGroups(withParallelism(graph, numbers)).map(({ name, slots }) => [name, slots]));
  const before = slotsWith(former);
  const after = slotsWith(parallelism);
  const desired = slotsWith(requirements.map(({ upperBound }) => upperBound));
  const least = slotsWith(requirements.map(({ lowerBound }) => lowerBound));
  return Object.fromEntries(
    slotSharingGroups(graph).map(({ name }) => {
      const first = graph.vertices.find(
        ({ slotSharingGroup = DEFAULT_SLOT_SHARING_GROUP }) => slotSharingGroup === name,
      )!;
      return [
        first.id,
        {
          slotSharingGroupId: first.id,
          slotSharingGroupName: name,
          requestResourceProfile: {},
          acquiredResourceProfile: {},
          desiredSlots: desired.get(name) ?? null,
          minimalRequiredSlots: least.get(name) ?? null,
          preRescaleSlots: before.get(name) ?? null,
          postRescaleSlots: reason === 'SUCCEEDED' ? (after.get(name) ?? null) : null,
        },
      ];
    }),
  );
}

/** For counting only: bounds need not be numbers that a job could run with. */
function withParallelism(graph: JobGraph, numbers: VertexParallelism): JobGraph {
  const vertices = graph.vertices.map((vertex, index) => ({
    ...vertex,
    parallelism: numbers[index] ?? vertex.parallelism,
  }));
  return { ...graph, vertices };
}
