/**
 * `--bundle`: compiles a job with esbuild into one file that Node can load, for enum, decorators and tsx.
 *
 * Millrace itself and other packages stay outside: they are imported from where the job finds them.
 */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { assert } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { type JobFile, ownPackageFolder } from './job-file.ts';

/** The part of esbuild that is used. */
interface Bundler {
  build(options: Record<string, unknown>): Promise<{
    readonly outputFiles?: readonly { readonly contents: Uint8Array }[];
  }>;
}

interface BuildFailure {
  readonly errors?: readonly {
    readonly text: string;
    readonly location: { readonly file: string; readonly line: number; readonly lineText: string } | null;
  }[];
}

/** Compiles the job into `<working directory>/.millrace/bundles/` and returns the compiled file. */
export async function bundleJob(job: JobFile, workingDirectory: string): Promise<JobFile> {
  // Equal names in different folders must not overwrite each other; the job keeps its name, and so its id.
  const mark = createHash('sha256').update(job.path).digest('hex').slice(0, 8);
  const folder = join(workingDirectory, '.millrace', 'bundles', mark);
  mkdirSync(folder, { recursive: true });
  const name = basename(job.path, extname(job.path));
  await build(job, workingDirectory, {
    outfile: join(folder, `${name}.bundle.mjs`),
    plugins: [packagesOf(job)],
  });
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, entryOf(name));
  return { name: job.name, path, url: pathToFileURL(path) };
}

/**
 * Compiles the job with all that it imports, Millrace alone left out, into one file that runs wherever a cluster has put
 * it: `<folder>/node_modules/millrace` is what it finds there (see {@link linkMillrace}).
 */
export async function bundleForCluster(
  job: JobFile,
  workingDirectory: string,
): Promise<{ readonly name: string; readonly bytes: Uint8Array }> {
  const built = await build(job, workingDirectory, {
    write: false,
    external: ['millrace', 'millrace/*'],
    // Packages that still call `require` find it.
    banner: { js: REQUIRE },
  });
  const [output] = built.outputFiles ?? [];
  assert(output !== undefined, 'esbuild has written one file');
  return { name: `${basename(job.path, extname(job.path))}.mjs`, bytes: output.contents };
}

const REQUIRE =
  "import { createRequire as millraceCreateRequire } from 'node:module'; const require = millraceCreateRequire(import.meta.url);";

/** Makes `millrace` known to bundles in this folder: the copy that runs here. */
export function linkMillrace(folder: string): void {
  const modules = join(folder, 'node_modules');
  const link = join(modules, 'millrace');
  mkdirSync(modules, { recursive: true });
  if (existsSync(link) && realpathSync(link) === ownPackageFolder()) return;
  rmSync(link, { force: true });
  symlinkSync(ownPackageFolder(), link, 'junction');
}

async function build(
  job: JobFile,
  workingDirectory: string,
  options: Record<string, unknown>,
): ReturnType<Bundler['build']> {
  const esbuild = await loadBundler(job);
  try {
    return await esbuild.build({
      absWorkingDir: workingDirectory,
      entryPoints: [job.path],
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node22',
      sourcemap: 'inline',
      logLevel: 'silent',
      keepNames: true,
      // The bundle lies elsewhere; what stands beside the job must still be found.
      define: { 'import.meta.url': JSON.stringify(job.url.href) },
      ...options,
    });
  } catch (cause) {
    throw bundlingFailed(cause as BuildFailure, job);
  }
}

// Each thread reads the source map only if it was told to before it loads the bundle.
function entryOf(name: string): string {
  return [
    'process.setSourceMapsEnabled(true);',
    `const bundle = await import(${JSON.stringify(`./${name}.bundle.mjs`)});`,
    'export default bundle.default;',
    '',
  ].join('\n');
}

async function loadBundler(job: JobFile): Promise<Bundler> {
  for (const from of [job.url.href, import.meta.url]) {
    try {
      const path = createRequire(from).resolve('esbuild');
      const { default: esbuild } = (await import(pathToFileURL(path).href)) as { default: Bundler };
      return esbuild;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new MillraceError('BUNDLER_MISSING', '--bundle needs esbuild, which is not installed', {
    remedy: `Install it beside the job: cd ${dirname(job.path)} && npm install --save-dev esbuild`,
  });
}

// Packages are not copied into the bundle but imported by their absolute address, as seen from the file that names them.
function packagesOf(job: JobFile): object {
  return {
    name: 'packages',
    setup(build: { onResolve(filter: object, resolve: (args: ResolveArguments) => unknown): void }): void {
      build.onResolve({ filter: /^[^./]/ }, async ({ path, importer, kind }) => {
        if (kind === 'entry-point' || path.startsWith('node:')) return undefined;
        const parent = importer === '' ? job.url.href : pathToFileURL(importer).href;
        const url = resolvedFrom(path, parent);
        return url === undefined ? undefined : { path: url, external: true };
      });
    },
  };
}

interface ResolveArguments {
  readonly path: string;
  readonly importer: string;
  readonly kind: string;
}

// `import.meta.resolve` takes no parent without a flag; `require` finds the same file for packages with one entry.
function resolvedFrom(specifier: string, parent: string): string | undefined {
  try {
    const found = createRequire(parent).resolve(specifier);
    return found.startsWith('/') || /^[A-Za-z]:/.test(found) ? pathToFileURL(found).href : undefined;
  } catch {
    return undefined; // esbuild reports what it cannot resolve, with the line.
  }
}

function bundlingFailed(failure: BuildFailure, job: JobFile): MillraceError {
  const [first] = failure.errors ?? [];
  if (first === undefined)
    return new MillraceError('BUNDLER_FAILED', `${job.name} could not be bundled`, { cause: failure });
  const { location } = first;
  const at = location === null ? job.name : `${location.file}:${location.line}`;
  const source = location === null ? '' : `: ${location.lineText.trim()}`;
  return new MillraceError('BUNDLER_FAILED', `${at}: ${first.text}${source}`, {
    remedy: 'Correct this line.',
  });
}
