/**
 * The layers of configuration that come from outside the job: command line, environment, file.
 *
 * Names and values are checked by `Configuration` itself; here it is only decided where they stand.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Configuration } from '../base/config.ts';
import { MillraceError } from '../base/errors.ts';
import { didYouMean, editDistance, nearest } from '../base/suggest.ts';

/** Where configuration comes from. */
export interface ConfigurationSources {
  readonly commandLine: Readonly<Record<string, unknown>>;
  /** What the command line prefers when nobody, the job included, says anything else. */
  readonly byDefault?: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
}

/** Names of configuration files, in the folder that is looked at. */
const PROGRAM_FILES = [
  'millrace.config.ts',
  'millrace.config.mts',
  'millrace.config.js',
  'millrace.config.mjs',
];
/** `MILLRACE_*` variables that are no configuration keys. */
const OTHER_VARIABLES = ['MILLRACE_CONF_DIR', 'MILLRACE_PROPERTIES', 'MILLRACE_DEBUG'];
/** A variable so near to a key's is a misspelling; others belong to the job. */
const TYPO_DISTANCE_MAX = 2;

/** All layers from outside the job, over the defaults. */
export async function readConfiguration(sources: ConfigurationSources): Promise<Configuration> {
  const { commandLine, environment, workingDirectory } = sources;
  // Under what the job sets, which is added later to the same layer.
  let configuration = Configuration.defaults.withLayer('job', sources.byDefault ?? {});
  const file = configurationFile(workingDirectory, environment['MILLRACE_CONF_DIR']);
  if (file !== undefined) {
    configuration = configuration.withLayer('file', await readFile(file, workingDirectory));
  }
  configuration = configuration
    .withLayer('environment', await propertiesOf(environment['MILLRACE_PROPERTIES']))
    .withLayer('environment', variablesOf(environment));
  return configuration.withLayer('command line', commandLine);
}

/** The configuration file that counts; two in one place are an error. */
export function configurationFile(workingDirectory: string, folder: string | undefined): string | undefined {
  const isNamed = folder !== undefined && folder !== '';
  const candidates = isNamed
    ? [...PROGRAM_FILES, 'config.yaml'].map((name) => join(folder, name))
    : [...PROGRAM_FILES, join('conf', 'config.yaml')].map((name) => join(workingDirectory, name));
  const found = candidates.filter((path) => existsSync(path));
  if (found.length > 1) {
    const names = found.map((path) => relative(workingDirectory, path)).join(' and ');
    throw new MillraceError('CONFIG_FILE_INVALID', `there are two configuration files: ${names}`, {
      remedy: 'Keep one of them.',
    });
  }
  if (isNamed && found.length === 0) {
    throw new MillraceError('CONFIG_FILE_INVALID', `MILLRACE_CONF_DIR names ${folder}, where there is none`, {
      remedy: 'Put a config.yaml or a millrace.config.ts there, or unset MILLRACE_CONF_DIR.',
    });
  }
  return found[0];
}

/** The layer of `MILLRACE_<KEY>` variables, such as `MILLRACE_PARALLELISM_DEFAULT`. */
export function variablesOf(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const keyOf = new Map(
    Configuration.defaults
      .entries()
      .map(({ key }) => [`MILLRACE_${key.toUpperCase().replaceAll(/[.-]/g, '_')}`, key]),
  );
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('MILLRACE_') || value === undefined || OTHER_VARIABLES.includes(name)) continue;
    const key = keyOf.get(name);
    if (key !== undefined) values[key] = value;
    else refuseMisspelling(name, [...keyOf.keys(), ...OTHER_VARIABLES]);
  }
  return values;
}

// `MILLRACE_*` reaches every worker, so that jobs may have variables of their own.
function refuseMisspelling(name: string, known: readonly string[]): void {
  const near = nearest(name, known);
  if (near === undefined || editDistance(near, name) > TYPO_DISTANCE_MAX) return;
  throw new MillraceError(
    'CONFIG_UNKNOWN_KEY',
    `there is no environment variable ${name}.${didYouMean(name, known)}`,
  );
}

async function propertiesOf(text: string | undefined): Promise<object> {
  return text === undefined ? {} : yamlObject(text, 'MILLRACE_PROPERTIES');
}

async function readFile(path: string, workingDirectory: string): Promise<object> {
  const name = relative(workingDirectory, path);
  if (path.endsWith('.yaml')) return yamlObject(readFileSync(path, 'utf8'), name);
  let module: { default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  } catch (cause) {
    throw new MillraceError('CONFIG_FILE_INVALID', `${name} cannot be loaded`, { cause });
  }
  return asObject(module.default, `the default export of ${name}`);
}

async function yamlObject(text: string, what: string): Promise<object> {
  // Few commands read YAML, and the library takes longer to load than all else that they need.
  const { parse } = await import('yaml');
  try {
    return asObject(parse(text) ?? {}, what);
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause;
    throw new MillraceError('CONFIG_FILE_INVALID', `${what} is not valid YAML`, { cause });
  }
}

function asObject(value: unknown, what: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new MillraceError('CONFIG_FILE_INVALID', `${what} has to be keys with values`, {
    remedy: 'Write it like this: parallelism.default: 4',
  });
}
