/**
 * The REST interface and the dashboard of whoever is served: routes, page and port, put together.
 *
 * The same for an embedded run and for a JobManager; what differs is the `ServedCluster`.
 */

import { ClusterWatch } from './cluster-watch.ts';
import type { RestContext } from './context.ts';
import { type HttpServerOptions, listen, type RestBind } from './http-server.ts';
import { LogRing } from './log-ring.ts';
import { openApi } from './openapi.ts';
import { PROMETHEUS_TYPE, prometheusText } from './prometheus.ts';
import { ok, type Route, Router } from './router.ts';
import { applicationRoutes } from './routes-applications.ts';
import { bundleRoutes } from './routes-bundles.ts';
import { checkpointRoutes } from './routes-checkpoints.ts';
import { clusterRoutes } from './routes-cluster.ts';
import { jobRoutes } from './routes-jobs.ts';
import { ownRoutes } from './routes-own.ts';
import { rescaleHistoryRoutes } from './routes-rescale-history.ts';
import { rescaleRoutes } from './routes-rescale.ts';
import { refusingRoutes } from './routes-refused.ts';
import { savepointRoutes } from './routes-savepoints.ts';
import { vertexRoutes } from './routes-vertices.ts';
import type { ServedCluster } from './served.ts';
import { staticFiles } from './static-files.ts';
import { TriggerStore } from './trigger-store.ts';

/** How it is served. */
export interface RestServerOptions {
  readonly cluster: ServedCluster;
  /** Lines of logs that came before; default: a ring of its own. */
  readonly logs?: LogRing;
  /** What watches the cluster already, and stays when the server ends; default: one of its own. */
  readonly watch?: ClusterWatch;
  /** Absolute: the files of the dashboard. */
  readonly pageFolder: string;
  /** 0 = any. */
  readonly port: number;
  /** Take the next free port when it is taken. */
  readonly orNextPort?: boolean;
  /** Where, and for whom; default: loopback, for everybody on this machine. */
  readonly bind?: RestBind;
  readonly elsewhere?: HttpServerOptions['elsewhere'];
  /** Routes of whoever serves, besides those that all have. */
  readonly moreRoutes?: (context: RestContext) => readonly Route[];
}

/** A server that listens. */
export interface RestServer {
  readonly port: number;
  readonly url: string;
  readonly watch: ClusterWatch;
  close(): Promise<void>;
}

/** Begins to serve; throws REST_UNAVAILABLE when no port can be had. */
export async function serveRest(options: RestServerOptions): Promise<RestServer> {
  const { cluster, pageFolder, port, orNextPort = false, bind, elsewhere } = options;
  const watch = options.watch ?? new ClusterWatch(cluster, options.logs ?? new LogRing());
  const closeWatch = (): void => {
    if (options.watch === undefined) watch.close();
  };
  try {
    const { env } = cluster;
    const context = { watch, triggers: new TriggerStore(env.clock, env.random) };
    const router = new Router([...routesOf(context), ...(options.moreRoutes?.(context) ?? [])]);
    const files = staticFiles(env.files, pageFolder);
    const server = await listen(
      {
        env,
        router,
        files,
        ...(bind === undefined ? {} : { bind }),
        ...(elsewhere === undefined ? {} : { elsewhere }),
      },
      port,
      { orNext: orNextPort },
    );
    return {
      port: server.port,
      url: server.url,
      watch,
      close: async () => {
        closeWatch();
        await server.close();
      },
    };
  } catch (error) {
    closeWatch();
    throw error;
  }
}

/** All routes that everybody serves. */
export function routesOf(context: RestContext): Route[] {
  const routes: Route[] = [
    ...clusterRoutes(context),
    ...jobRoutes(context),
    ...applicationRoutes(context),
    ...vertexRoutes(context),
    ...checkpointRoutes(context),
    ...savepointRoutes(context),
    ...rescaleRoutes(context),
    ...rescaleHistoryRoutes(context),
    ...ownRoutes(context),
    ...bundleRoutes(context),
    {
      method: 'GET',
      path: '/metrics',
      role: 'view',
      summary:
        'All metrics in the text format of Prometheus. A JobManager that stands by tells its own instead of sending to the leader.',
      isOwn: true,
      handle: () => ({
        kind: 'bytes',
        status: 200,
        type: PROMETHEUS_TYPE,
        bytes: prometheusText(context.watch),
      }),
    },
    {
      method: 'GET',
      path: '/openapi.json',
      role: 'view',
      summary: 'This document.',
      handle: () => ok(openApi(routes, context.watch.cluster.version)),
    },
  ];
  // What is refused is in no document.
  return [...routes, ...refusingRoutes(context)];
}
