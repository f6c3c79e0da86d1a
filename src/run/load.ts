/**
 * From a module, or a definition, to a job that is ready to run: in the thread that starts it and in every worker.
 *
 * A worker gets a {@link LoadRecipe}, which is plain data, and must come to the same plan.
 */

import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { useCompileCache, writeCompileCache } from '../base/compile-cache.ts';
import { CONFIG_ORIGINS, Configuration, type ConfigOrigin } from '../base/config.ts';
import type { Clock } from '../base/env.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { type LogFormat, logFormatHere, type LogLevel } from '../base/log.ts';
import type { CompiledJob, JobGraph } from '../graph/job-graph.ts';
import { type PlannedJob, planJob } from '../graph/plan.ts';
import type { StreamGraph } from '../graph/stream-graph.ts';
import { definitionOf, describeJob, describeModule } from '../streams/describe.ts';
import type { JobDefinition } from '../streams/job.ts';
import type { StoreSettings } from '../stores/settings.ts';
import type { JobExecutionResult } from '../streams/job-runner.ts';

/** What a job is made from. */
export interface JobInputs {
  readonly args: readonly string[];
  /** What is said outside of the job. */
  readonly configuration: Configuration;
  /** In the thread that runs the job: what `env.execute()` of a script gives back. */
  readonly ended?: Promise<JobExecutionResult> | undefined;
  readonly clock?: Pick<Clock, 'timer'> | undefined;
}

/** A job that is ready to run. */
export interface LoadedJob extends PlannedJob {
  /** Builds it again for another slot of this thread, with functions of its own where that is possible. */
  readonly build: () => CompiledJob;
}

/** How another thread builds the same job. Plain data. */
export interface LoadRecipe {
  readonly module: string;
  /** `module` is a bundle that has its source map within. */
  readonly isBundle?: boolean;
  /** The program itself called `env.execute()`: it has to do so at its top level, where a worker meets the call too. */
  readonly isScript: boolean;
  readonly args: readonly string[];
  /** The program's arguments, as the starting thread has them. */
  readonly argv: readonly string[];
  readonly layers: readonly ConfigurationLayer[];
  /** What must come out. */
  readonly graph: JobGraph;
  readonly logging: LoggingSettings;
  /** How checkpoints are reached that are not on the disk of this machine: of the process, not of the job. */
  readonly stores: StoreSettings | undefined;
}

/** How a process or a thread logs. */
export interface LoggingSettings {
  readonly level: LogLevel;
  /** A thread cannot see where its lines go: whoever starts it has to decide what `auto` is. */
  readonly format: LogFormat;
}

/** What the configuration says of the log. */
export function loggingOf(configuration: Configuration): LoggingSettings {
  return {
    level: configuration.get('log.level') as LogLevel,
    format: configuration.get('log.format') as LogFormat,
  };
}

/** The recipe for a thread of this process. */
export function recipeForThread(recipe: LoadRecipe): LoadRecipe {
  const { level, format } = recipe.logging;
  return { ...recipe, logging: { level, format: logFormatHere(format) } };
}

/** One layer of the configuration, as plain data. */
export interface ConfigurationLayer {
  readonly origin: Exclude<ConfigOrigin, 'default'>;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Plans the job of a definition. */
export function loadDefinition(definition: JobDefinition, inputs: JobInputs): LoadedJob {
  return loaded(() => describeJob(definition, inputs), inputs, 'job');
}

/** Plans a job that a script described. */
export function loadGraph(graph: StreamGraph, inputs: JobInputs, name: string): LoadedJob {
  return loaded(() => graph, inputs, name);
}

/** Imports a module and plans its job. */
export async function loadModule(module: URL, inputs: JobInputs): Promise<LoadedJob> {
  useCompileCache();
  let imported: unknown;
  const graph = await describeModule(async () => {
    imported = await import(module.href);
    return imported;
  }, inputs);
  const name = nameOfModule(module);
  // A script is evaluated once per thread: its module never ends to load, and its graph is all there is.
  if (imported === undefined) return loadGraph(graph, inputs, name);
  const definition = definitionOf(imported);
  return loaded(() => describeJob(definition, inputs), inputs, name, graph);
}

/**
 * What this thread loads from now on is known by its source map: errors name the lines that the user wrote. Not before, because
 * reading the maps of Millrace's own files takes a third of the time in which a thread starts.
 */
export function useSourceMaps(): void {
  process.setSourceMapsEnabled(true);
}

/** Builds a job in another thread. */
export async function loadRecipe(recipe: LoadRecipe): Promise<CompiledJob> {
  if (recipe.isBundle === true) useSourceMaps();
  const module = new URL(recipe.module);
  const inputs = { args: recipe.args, configuration: fromLayers(recipe.layers) };
  try {
    const { compiled } = await loadModule(module, inputs);
    // A script that runs itself was compiled before anybody could keep that.
    writeCompileCache();
    return compiled;
  } catch (cause) {
    if (!recipe.isScript || !isMillraceError(cause, 'JOB_MODULE_INVALID')) throw cause;
    const message = `env.execute() was called elsewhere than at the top level of ${basename(fileURLToPath(module))}, where no worker thread comes by`;
    throw new MillraceError('JOB_NOT_A_MODULE', message, { cause });
  }
}

/** The layers of a configuration, for other threads and processes: without what is secret. */
export function layersOf(configuration: Configuration): ConfigurationLayer[] {
  return CONFIG_ORIGINS.filter((origin) => origin !== 'default').map((origin) => ({
    origin,
    values: Object.fromEntries(
      configuration
        .entries()
        .filter((entry) => entry.origin === origin && !Configuration.isSecret(entry.key))
        .map(({ key, value }) => [key, value]),
    ),
  }));
}

/** What a job is called when nobody says: the name of its file. */
export function nameOfModule(module: URL): string {
  const path = module.protocol === 'file:' ? fileURLToPath(module) : module.pathname;
  return basename(path, extname(path));
}

/** The configuration of layers that {@link layersOf} took apart. */
export function fromLayers(layers: readonly ConfigurationLayer[]): Configuration {
  return layers.reduce(
    (configuration, { origin, values }) => configuration.withLayer(origin, values),
    Configuration.defaults,
  );
}

function loaded(
  describe: () => StreamGraph,
  { configuration }: JobInputs,
  name: string,
  first: StreamGraph = describe(),
): LoadedJob {
  return {
    ...planJob(first, configuration, name),
    build: () => planJob(describe(), configuration, name).compiled,
  };
}
