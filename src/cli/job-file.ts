/**
 * Finds the file of a job, the copy of Millrace that it uses, and what to say when Node cannot load it.
 *
 * A job imports `millrace` from its own folder. If that is another copy than the one whose command line runs, two
 * engines would meet in one process; therefore that copy's command line takes over.
 */

import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MillraceError } from '../base/errors.ts';
import { packageFolder } from '../base/own-package.ts';
import { type SyntaxPlace, syntaxPlace } from './syntax-place.ts';

/** A job file that exists. */
export interface JobFile {
  /** As the user wrote it. */
  readonly name: string;
  readonly path: string;
  readonly url: URL;
}

const TYPESCRIPT = ['.ts', '.mts', '.cts'];
const JAVASCRIPT = ['.js', '.mjs', '.cjs'];
const NEEDS_BUNDLE = ['.tsx', '.jsx'];

/** The job file of this name; throws JOB_FILE_MISSING or JOB_NOT_LOADABLE. */
export function findJobFile(name: string, options: { workingDirectory: string; bundle: boolean }): JobFile {
  const path = resolve(options.workingDirectory, name);
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) throw missing(name, path);
  if (!status.isFile()) {
    throw new MillraceError('JOB_FILE_MISSING', `${name} is not a file`, {
      remedy: `Name the file of the job, for example ${join(name, 'job.ts')}.`,
    });
  }
  const extension = extname(path);
  if (NEEDS_BUNDLE.includes(extension) && !options.bundle) {
    throw new MillraceError('JOB_NOT_LOADABLE', `Node cannot load ${extension} files: ${name}`, {
      remedy: 'Run with --bundle, which compiles the job with esbuild first.',
    });
  }
  if (![...TYPESCRIPT, ...JAVASCRIPT, ...NEEDS_BUNDLE].includes(extension)) {
    throw new MillraceError('JOB_NOT_LOADABLE', `${name} is neither TypeScript nor JavaScript`, {
      remedy: 'Name the file of the job: job.ts or job.js.',
    });
  }
  const real = realpathSync(path);
  return { name, path: real, url: pathToFileURL(real) };
}

function missing(name: string, path: string): MillraceError {
  const known = [...TYPESCRIPT, ...JAVASCRIPT].map((extension) => `${path}${extension}`).find(existsSync);
  const remedy =
    known === undefined
      ? 'Check the path; it is taken from the folder in which the command runs.'
      : `Did you mean ${join(dirname(name), basename(known))}?`;
  return new MillraceError('JOB_FILE_MISSING', `there is no file ${name}`, { remedy });
}

/** Folder of the copy of Millrace that this code is part of, for example `…/node_modules/millrace`. */
export function ownPackageFolder(): string {
  return realpathSync(fileURLToPath(packageFolder));
}

/** Folder of the copy that the job imports; throws JOB_WITHOUT_MILLRACE. */
export function packageFolderOf(job: JobFile): string {
  try {
    return realpathSync(dirname(createRequire(job.url).resolve('millrace/package.json')));
  } catch (cause) {
    throw new MillraceError('JOB_WITHOUT_MILLRACE', `${job.name} cannot import millrace from its folder`, {
      remedy: `Install it there: cd ${dirname(job.path)} && npm install millrace`,
      cause,
    });
  }
}

/** The command line of the copy in this folder. */
export function commandLineOf(packageFolder: string): URL {
  const { bin } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
    bin?: Record<string, string>;
  };
  return pathToFileURL(join(packageFolder, bin?.['millrace'] ?? join('dist', 'cli', 'main.js')));
}

/** What an error of Node's loader means for the author of a job; other errors come back as they are. */
export function explainLoadError(error: unknown, job: JobFile): unknown {
  if (!(error instanceof Error) || error.name === 'MillraceError') return error;
  const { code } = error as NodeJS.ErrnoException;
  const place = placeOf(error) ?? (error.name === 'SyntaxError' ? syntaxPlace(job.path) : undefined);
  const at = place === undefined ? job.name : `${place.path}:${place.line}`;
  const bundle = `Write it without (erasable syntax only), or run with --bundle.`;
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') {
    return unloadable(`${at}: ${error.message}`, bundle, error);
  }
  if (error.name === 'SyntaxError' && place !== undefined && place.source.trimStart().startsWith('@')) {
    return unloadable(`${at}: Node does not know decorators: ${place.source.trim()}`, bundle, error);
  }
  if (code === 'ERR_INVALID_TYPESCRIPT_SYNTAX' || (error.name === 'SyntaxError' && place !== undefined)) {
    return unloadable(`${at}: ${error.message}: ${place?.source.trim() ?? ''}`, 'Correct this line.', error);
  }
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
    return unloadable(error.message, 'Run with --bundle, which compiles the job with esbuild first.', error);
  }
  if (code === 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING') {
    return unloadable(error.message, 'Move the job out of node_modules, or run with --bundle.', error);
  }
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'ERR_UNSUPPORTED_DIR_IMPORT') return notFound(error);
  return error;
}

function notFound(error: Error): MillraceError {
  const path = /Cannot find (?:module|package) '([^']+)'/.exec(error.message)?.[1];
  const known =
    path === undefined ? undefined : [...TYPESCRIPT, ...JAVASCRIPT].find((e) => existsSync(`${path}${e}`));
  const remedy =
    known !== undefined
      ? `Write the extension in the import: ${basename(path ?? '')}${known}. Or run with --bundle.`
      : path?.includes(sep) === true
        ? 'Correct the path of the import.'
        : `Install it: npm install ${path ?? ''}`;
  return unloadable(error.message, remedy, error);
}

// The loader writes `path:line`, the line itself and carets before the message.
function placeOf(error: Error): SyntaxPlace | undefined {
  const match = /^(?:file:\/\/)?([^\n]+):(\d+)\n([\s\S]*?)\n\s*\^/.exec(error.stack ?? '');
  if (match === null) return undefined;
  const source = (match[3] ?? '').split('\n').findLast((line) => line.trim() !== '') ?? '';
  return { path: match[1] ?? '', line: Number(match[2]), source };
}

function unloadable(message: string, remedy: string, cause: Error): MillraceError {
  return new MillraceError('JOB_NOT_LOADABLE', message, { remedy, cause });
}
