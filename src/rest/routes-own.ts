/** Millrace's own routes under `/x`: the live stream, and what Flink's interface has no place for. */

import { CONFIG_OPTIONS } from '../base/config-options.ts';
import type { ConfigOption } from '../base/config-values.ts';
import { ALERT_RULES } from './alert-rules.ts';
import { jobOf, listOf, numberOf, type RestContext, vertexOf } from './context.ts';
import { type ConfigAnswer, STREAM_TOPICS, type StreamTopic } from './contract.ts';
import { DrillBook } from './drills.ts';
import { FlameBook, type FlameSubject } from './flame-book.ts';
import { HotKeyBook } from './hot-keys.ts';
import { LatencyBook } from './latency-book.ts';
import { ProfileBook } from './profiles.ts';
import { TapBook } from './taps.ts';
import type { JobWatch } from './job-watch.ts';
import { changeState, liveState } from './live-state.ts';
import { stateOfKeys, stateOverview } from './state-browser.ts';
import { drainWorker } from './worker-drain.ts';
import { restoreJob } from './restore-job.ts';
import { accepted, type Answer, ok, Refusal, type Route, type RouteRequest } from './router.ts';
import { masked } from './routes-cluster.ts';

/** The rows of the table. */
export function ownRoutes(context: RestContext): Route[] {
  const { watch } = context;
  const drills = new DrillBook(watch);
  const taps = new TapBook(watch);
  const profiles = new ProfileBook(watch);
  const hotKeys = new HotKeyBook(watch);
  const latency = new LatencyBook(watch);
  const flames = new FlameBook(watch);
  const flamed = (request: RouteRequest, name: string): FlameSubject => {
    const named = vertexOf(context, request);
    const subtask = numberOf(request.query, name);
    if (subtask !== undefined && named.figures.subtasks[subtask] === undefined) {
      throw new Refusal(404, `NotFoundException: subtask ${subtask} not found`);
    }
    return { watch: named.watch, vertex: named.index, subtask };
  };
  const view = { method: 'GET', role: 'view' } as const;
  return [
    {
      ...view,
      path: '/x/stream',
      summary: 'The live stream of server-sent events.',
      query: ['topics', 'job'],
      handle: (request) => stream(context, request),
    },
    {
      ...view,
      path: '/x/overview',
      summary: 'What the stream sends as `overview`.',
      handle: () => ok(watch.overview()),
    },
    {
      ...view,
      path: '/x/alerts',
      summary: 'The alerts that are kept, oldest first.',
      handle: () => ok({ entries: watch.alerts.all() }),
    },
    {
      ...view,
      path: '/x/alerts/rules',
      summary: 'When there is an alert of each kind.',
      handle: () => ok({ entries: ALERT_RULES }),
    },
    {
      ...view,
      path: '/x/jobs/:jobid',
      summary: 'What the stream sends as `job` and `figures`.',
      handle: (request) => {
        const found = jobOf(context, request);
        return ok({ job: found.description, figures: found.figures() });
      },
    },
    {
      ...view,
      path: '/x/jobs/:jobid/config',
      summary: 'Every option with its value and where that comes from.',
      handle: (request) => ok(configuration(jobOf(context, request))),
    },
    {
      ...view,
      path: '/x/jobs/:jobid/checkpoints',
      summary: 'All checkpoints that are kept, oldest first.',
      handle: (request) => {
        const { jobId, checkpoints } = jobOf(context, request);
        return ok({ jobId, entries: checkpoints.summaries() });
      },
    },
    {
      ...view,
      path: '/x/jobs/:jobid/checkpoints/:checkpointid',
      summary: 'One checkpoint with all its subtasks.',
      handle: (request) => {
        const text = request.params['checkpointid'] ?? '';
        const found = /^\d{1,15}$/.test(text)
          ? jobOf(context, request).checkpoints.get(Number(text))
          : undefined;
        if (found === undefined) throw new Refusal(404, `NotFoundException: checkpoint ${text} is not known`);
        return ok(found);
      },
    },
    {
      ...view,
      path: '/x/jobs/:jobid/exceptions',
      summary: 'The failures that are kept, oldest first.',
      handle: (request) => {
        const found = jobOf(context, request);
        return ok({ jobId: found.jobId, entries: found.exceptions() });
      },
    },
    {
      ...view,
      path: '/x/jobs/:jobid/recoveries',
      summary: 'The recoveries that are kept, oldest first.',
      handle: (request) => {
        const found = jobOf(context, request);
        return ok({ jobId: found.jobId, entries: found.recoveries() });
      },
    },
    {
      ...view,
      path: '/x/jobs/:jobid/history',
      summary: 'Rates, shares and watermarks of the last 24 hours, the older the coarser.',
      query: ['sinceMs'],
      handle: (request) =>
        ok({ points: jobOf(context, request).history(numberOf(request.query, 'sinceMs') ?? 0) }),
    },
    {
      ...view,
      path: '/x/jobs/:jobid/state',
      summary: 'Keyed state by operator, as of the latest complete checkpoint.',
      handle: async (request) => ok(await stateOverview(jobOf(context, request), watch.cluster.env)),
    },
    {
      ...view,
      path: '/x/jobs/:jobid/state/:uid',
      summary: 'What some keys of an operator hold, or one key.',
      query: ['key', 'subtask', 'limit'],
      handle: async (request) => {
        const { query, params } = request;
        const key = query.get('key');
        const answer = await stateOfKeys(jobOf(context, request), watch.cluster.env, {
          uid: params['uid'] ?? '',
          key: key === null ? undefined : keyOf(key),
          hasKey: key !== null,
          subtask: numberOf(query, 'subtask'),
          limit: numberOf(query, 'limit'),
        });
        return ok(answer);
      },
    },
    {
      ...view,
      path: '/x/jobs/:jobid/state/:uid/live',
      summary: 'What a key of an operator holds now.',
      query: ['key'],
      handle: async (request) => {
        const key = request.query.get('key');
        if (key === null) throw new Refusal(400, '"key" is missing');
        const query = { uid: request.params['uid'] ?? '', key: keyOf(key) };
        return ok(await liveState(jobOf(context, request), watch.cluster.env, query));
      },
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/x/jobs/:jobid/state/:uid/live',
      summary: 'Writes or removes what a key of an operator holds, between two records.',
      handle: async (request) => {
        const change = { uid: request.params['uid'] ?? '', body: request.body };
        return ok(await changeState(jobOf(context, request), watch.cluster.env, change));
      },
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/x/jobs/:jobid/state/:uid/hot-keys',
      summary: 'Has the records of a keyed operator counted by key for a while.',
      handle: (request) => {
        const { params, body } = request;
        return accepted(hotKeys.begin(jobOf(context, request), params['uid'] ?? '', body));
      },
    },
    {
      ...view,
      path: '/x/jobs/:jobid/state/:uid/hot-keys',
      summary: 'The last count of its keys, or how far it is.',
      handle: (request) => ok(hotKeys.get(jobOf(context, request), request.params['uid'] ?? '')),
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/x/jobs/:jobid/taps',
      summary: 'Looks at what an operator hands on; the records come in the stream as `sample`.',
      handle: async (request) => ({
        kind: 'json',
        status: 201,
        body: await taps.begin(jobOf(context, request), request.body),
      }),
    },
    {
      ...view,
      path: '/x/jobs/:jobid/taps',
      summary: 'The taps of one job.',
      handle: (request) => ok({ entries: taps.ofJob(jobOf(context, request)) }),
    },
    {
      method: 'DELETE',
      role: 'operate',
      path: '/x/jobs/:jobid/taps/:tapid',
      summary: 'Ends a tap.',
      handle: (request) => {
        taps.end(jobOf(context, request), request.params['tapid'] ?? '');
        return ok({});
      },
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/x/jobs/:jobid/latency',
      summary: 'Has latency measured for a while, by markers from the sources.',
      handle: async (request) => accepted(await latency.renew(jobOf(context, request), request.body)),
    },
    {
      ...view,
      path: '/jobs/:jobid/vertices/:vertexid/flamegraph',
      summary: 'What a task computes, as a flame graph.',
      query: ['type', 'subtaskindex'],
      handle: (request) =>
        ok(
          flames.asFlink(flamed(request, 'subtaskindex'), {
            type: request.query.get('type') ?? 'FULL',
            mayTake: request.mayAct,
          }),
        ),
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/x/jobs/:jobid/vertices/:vertexid/flamegraph',
      summary: 'Has a flame graph taken of what a task computes.',
      query: ['subtask'],
      handle: (request) => accepted(flames.begin(flamed(request, 'subtask'), request.body)),
    },
    {
      ...view,
      path: '/x/jobs/:jobid/vertices/:vertexid/flamegraph',
      summary: 'The last flame graph of a task, or how far it is.',
      query: ['subtask'],
      handle: (request) => ok(flames.get(flamed(request, 'subtask'))),
    },
    {
      ...view,
      path: '/x/jobs/:jobid/vertices/:vertexid/flamegraph/file',
      summary: 'The CPU profile behind it, as tools of Node and of browsers read it.',
      query: ['subtask'],
      handle: (request) => flames.file(flamed(request, 'subtask')),
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/x/taskmanagers/:taskmanagerid/profiles',
      summary: "Takes a profile of a slot's thread: of what it computes, or of what it allocates.",
      handle: ({ params, body }) => accepted(profiles.begin(params['taskmanagerid'] ?? '', body)),
    },
    {
      ...view,
      path: '/x/taskmanagers/:taskmanagerid/profiles',
      summary: 'The profiles of a worker that are kept.',
      handle: ({ params }) => ok({ entries: profiles.ofWorker(params['taskmanagerid'] ?? '') }),
    },
    {
      ...view,
      path: '/x/taskmanagers/:taskmanagerid/profiles/:profileid',
      summary: 'How far a profile is.',
      handle: ({ params }) => ok(profiles.get(params['taskmanagerid'] ?? '', params['profileid'] ?? '')),
    },
    {
      ...view,
      path: '/x/taskmanagers/:taskmanagerid/profiles/:profileid/file',
      summary: 'A profile to download: .cpuprofile or .heapprofile.',
      handle: ({ params }) => profiles.file(params['taskmanagerid'] ?? '', params['profileid'] ?? ''),
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/x/taskmanagers/:taskmanagerid/drain',
      summary: 'Has what runs in a worker go on elsewhere, and nothing new run there; or takes it back.',
      handle: ({ params, body }) => accepted(drainWorker(watch, params['taskmanagerid'] ?? '', body)),
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/x/jobs/:jobid/stop',
      summary: 'Stops one job at a last checkpoint, from which it can be continued.',
      handle: (request) => {
        jobOf(context, request).job.source.stop();
        return accepted();
      },
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/x/jobs/:jobid/restore',
      summary:
        'Cancels a job, and has it go on from a checkpoint of its own; what came later is moved aside.',
      handle: async (request) => {
        await restoreJob(watch, jobOf(context, request), request.body);
        return accepted();
      },
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/x/jobs/:jobid/drills',
      summary: 'Does something to the job on purpose, to see how it goes on.',
      handle: async (request) => accepted(await drills.start(jobOf(context, request), request.body)),
    },
    {
      ...view,
      path: '/x/jobs/:jobid/drills',
      summary: 'The drills so far, oldest first.',
      handle: (request) => ok({ entries: drills.ofJob(jobOf(context, request)) }),
    },
    {
      ...view,
      path: '/x/jobs/:jobid/drills/:drillid',
      summary: 'How one drill went.',
      handle: (request) => {
        const drillId = request.params['drillid'];
        const found = drills.ofJob(jobOf(context, request)).find((drill) => drill.drillId === drillId);
        if (found === undefined)
          throw new Refusal(404, `NotFoundException: drill ${drillId ?? ''} is not known`);
        return ok(found);
      },
    },
  ];
}

/** A key as JSON says it; what is no JSON is the text itself. */
function keyOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function stream({ watch }: RestContext, { query }: RouteRequest): Answer {
  const topics = listOf(query, 'topics')?.map(checkedTopic) ?? STREAM_TOPICS;
  const wish = { topics: new Set(topics), jobId: query.get('job') ?? undefined };
  return { kind: 'events', start: (sink) => watch.open(sink, wish) };
}

function checkedTopic(name: string): StreamTopic {
  if ((STREAM_TOPICS as readonly string[]).includes(name)) return name as StreamTopic;
  throw new Refusal(400, `"${name}" is no topic; topics are ${STREAM_TOPICS.join(', ')}`);
}

function configuration({ job }: JobWatch): ConfigAnswer {
  const options: Readonly<Record<string, ConfigOption<unknown>>> = CONFIG_OPTIONS;
  return {
    entries: job.configuration.entries().map(({ key, value, origin }) => ({
      key,
      value: value === undefined ? null : masked(key, valueText(value)),
      defaultValue: options[key]?.default === undefined ? null : valueText(options[key].default),
      origin,
      description: options[key]?.description ?? '',
    })),
  };
}

/** Values are texts, numbers and booleans. */
function valueText(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}
