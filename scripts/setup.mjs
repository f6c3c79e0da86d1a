// Makes a checkout ready to run: installs what the lock file asks for and builds `dist/`, only when needed.
//
// Dependency-free and plain JavaScript, because it runs first, on whatever Node (20 or newer) the machine has.
// Silent when nothing is to do; otherwise one line says what is done and why. Exits with npm's or tsc's code.
//
//   node scripts/setup.mjs            install if the lock file and the stamp in node_modules differ
//   node scripts/setup.mjs --build    the same, then build dist/ and in it dist/dashboard, each if its sources changed
//   … --force                         build even if dist/ is up to date
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const installStamp = join(modules, '.millrace-setup');
const dist = join(root, 'dist');
const buildStamp = join(dist, '.stamp');
const page = join(dist, 'dashboard');
const pageStamp = join(page, '.stamp');
const pageSources = 'packages/dashboard';
const lockFolder = join(root, '.setup-lock');
const lockWaitMsMax = 10 * 60_000;

/**
 * What others import or start: the faces of the package, the command, and what threads and processes begin with. All other
 * modules go into as few files as these allow, because each thread loads them anew, and a module of its own costs more time
 * and memory than what is in it. tsc makes their types, each module its own.
 */
const entries = [
  'index',
  'rest/index',
  'savepoints/index',
  'testing/index',
  'cli/main',
  'cli/command-line',
  'base/compile-cache',
  'run/worker',
  'run/cluster-process',
  'hosts/worker-encoder',
];
const bundled = [
  ...entries.map((entry) => `src/${entry}.ts`),
  '--bundle',
  '--splitting',
  '--chunk-names=parts/[name]-[hash]',
  '--outbase=src',
  '--format=esm',
  '--platform=node',
  '--target=node22',
  '--packages=external',
  '--sourcemap',
  '--log-level=warning',
];

/** Installs the dependencies when the lock file changed or an install is missing or broken; returns an exit code. */
export async function install() {
  if (installReason() === undefined) return 0;
  return underLock(async () => {
    const reason = installReason();
    if (reason === undefined) return 0;
    say(`installing dependencies (npm ci), because ${reason}`);
    // npm empties node_modules first, the stamp with it: an install that is cut off is seen by its absence.
    rmSync(installStamp, { force: true });
    // Development tools are always needed here, whatever NODE_ENV or `omit` says; errors still show.
    const code = await run(
      'npm',
      ['ci', '--include=dev', '--loglevel=error', '--no-audit', '--no-fund'],
      'ignore',
    );
    if (code !== 0) {
      say(
        `npm ci failed with exit code ${code}; its message is above. Run the command again when it is mended.`,
      );
      return code;
    }
    const missing = missingPackage();
    if (missing !== undefined) {
      say(
        `npm ci ended well, but ${missing} is missing. Does your npm configuration set ignore-scripts? ` +
          'Then run: npm rebuild node --ignore-scripts=false',
      );
      return 1;
    }
    writeFileSync(installStamp, installKey());
    return 0;
  });
}

/** Builds `dist/` from `src/`, and `dist/dashboard` from its workspace, each when a source changed; returns an exit code. */
export async function build({ force = false } = {}) {
  if (!force && buildReason() === undefined && pageReason() === undefined) return 0;
  return underLock(async () => {
    const code = await buildSources(force ? 'it was asked for' : buildReason());
    return code === 0 ? buildPage(force ? 'it was asked for' : pageReason()) : code;
  });
}

/** @param {string | undefined} reason */
async function buildSources(reason) {
  if (reason === undefined) return 0;
  say(`building dist/ (tsc, esbuild), because ${reason}`);
  const key = buildKey();
  const fresh = join(root, `dist.new-${process.pid}`);
  const tsc = join(modules, 'typescript', 'bin', 'tsc');
  const esbuild = join(modules, 'esbuild', 'bin', 'esbuild');
  const code =
    (await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], 'inherit')) ||
    (await run(process.execPath, [esbuild, ...bundled, `--outdir=${fresh}`], 'inherit'));
  if (code !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    say('the sources do not compile; what is above says why. The old dist/ is unchanged.');
    return code;
  }
  writeFileSync(join(fresh, '.stamp'), key);
  // npm does this for an installed package; here `npx millrace` runs the build itself.
  if (existsSync(join(fresh, 'cli', 'main.js'))) chmodSync(join(fresh, 'cli', 'main.js'), 0o755);
  // The page of the last build goes along: it has a stamp of its own.
  if (existsSync(pageStamp)) cpSync(page, join(fresh, 'dashboard'), { recursive: true });
  replace(dist, fresh);
  return 0;
}

/** @param {string | undefined} reason */
async function buildPage(reason) {
  if (reason === undefined || !existsSync(join(root, pageSources))) return 0;
  say(`building dist/dashboard (vite), because ${reason}`);
  const key = pageKey();
  const fresh = join(root, `dist.new-${process.pid}`);
  const vite = join(modules, 'vite', 'bin', 'vite.js');
  const options = ['--outDir', fresh, '--logLevel', 'warn'];
  // Vite asks for a newer Node than the one that this may run on; the development version is installed by now.
  const own = join(modules, 'node', 'bin', 'node');
  const node = existsSync(own) ? own : process.execPath;
  const code = await run(node, [vite, 'build', join(root, pageSources), ...options], 'inherit');
  if (code !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    say('the dashboard cannot be built; vite says why above. The old dist/dashboard is unchanged.');
    return code;
  }
  writeFileSync(join(fresh, '.stamp'), key);
  replace(page, fresh);
  return 0;
}

// In one move, so that a process that starts meanwhile never sees half a build.
function replace(folder, fresh) {
  const old = join(root, `dist.old-${process.pid}`);
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(fresh, folder);
  rmSync(old, { recursive: true, force: true });
}

function installReason() {
  if (!existsSync(modules)) return 'node_modules is missing';
  if (!existsSync(installStamp)) return 'node_modules bears no stamp of a finished install';
  if (readFileSync(installStamp, 'utf8') !== installKey())
    return 'package-lock.json changed since the last install';
  const missing = missingPackage();
  return missing === undefined ? undefined : `${missing} is missing`;
}

// The platform belongs to the key: node_modules holds binaries, and checkouts get copied between machines.
function installKey() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return `${lock} ${process.platform}-${process.arch}\n`;
}

function missingPackage() {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const needed = Object.keys({ ...dependencies, ...devDependencies }).map((name) => `${name}/package.json`);
  needed.push('node/bin/node');
  const missing = needed.find((file) => !existsSync(join(modules, file)));
  return missing === undefined ? undefined : `node_modules/${missing}`;
}

function buildReason() {
  if (!existsSync(join(dist, 'index.js'))) return 'dist/ is missing';
  if (!existsSync(buildStamp)) return 'dist/ bears no stamp of a finished build';
  return readFileSync(buildStamp, 'utf8') === buildKey()
    ? undefined
    : 'the sources changed since the last build';
}

function pageReason() {
  if (!existsSync(join(root, pageSources))) return undefined;
  if (!existsSync(join(page, 'index.html'))) return 'dist/dashboard is missing';
  if (!existsSync(pageStamp)) return 'dist/dashboard bears no stamp of a finished build';
  return readFileSync(pageStamp, 'utf8') === pageKey()
    ? undefined
    : 'its sources changed since the last build';
}

function buildKey() {
  // This file says what is built into which file.
  const own = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/setup.mjs'];
  return keyOf([...own, ...sourceFiles('src')]);
}

// Of `src/` it needs types only, which leave nothing in what is built.
function pageKey() {
  const own = ['index.html', 'vite.config.ts', 'tsconfig.json'].map((name) => `${pageSources}/${name}`);
  const files = [...sourceFiles(`${pageSources}/src`, /./), ...sourceFiles(`${pageSources}/public`, /./)];
  return keyOf(['package-lock.json', 'tsconfig.json', ...own, ...files]);
}

// Contents, not times: a checkout or a rebase touches times without changing anything.
/** @param {string[]} files */
function keyOf(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  return `${hash.digest('hex')}\n`;
}

function sourceFiles(folder, name = /\.ts$/) {
  /** @type {string[]} */
  const found = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) found.push(...sourceFiles(path, name));
    else if (name.test(entry.name) && !entry.name.endsWith('.test.ts')) found.push(path);
  }
  return found.sort();
}

// Two commands started at once must not write node_modules or dist together: one works, the other waits for it.
async function underLock(work) {
  const deadline = Date.now() + lockWaitMsMax;
  let said = false;
  while (!tryLock()) {
    if (Date.now() > deadline) {
      say(
        `another setup has held .setup-lock for over ${lockWaitMsMax / 60_000} minutes; remove that folder if it is not running`,
      );
      return 1;
    }
    if (!said) say('waiting, because another setup is at work in this checkout');
    said = true;
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    rmSync(lockFolder, { recursive: true, force: true });
  }
}

function tryLock() {
  const mine = `${lockFolder}.${process.pid}`;
  // The folder appears together with its owner's number (a rename), so that a lock without an owner cannot exist.
  mkdirSync(mine, { recursive: true });
  writeFileSync(join(mine, 'owners'), `${process.pid}`);
  try {
    renameSync(mine, lockFolder);
    return true;
  } catch {
    rmSync(mine, { recursive: true, force: true });
    removeLockOfDeadOwner();
    return false;
  }
}

function removeLockOfDeadOwner() {
  let owners;
  try {
    owners = readFileSync(join(lockFolder, 'owners'), 'utf8').split(' ').map(Number);
  } catch {
    return; // It was released between the two calls.
  }
  if (owners.some(isAlive)) return;
  const dead = `${lockFolder}.dead-${process.pid}`;
  try {
    renameSync(lockFolder, dead);
  } catch {
    return; // Another waiter removed it first.
  }
  rmSync(dead, { recursive: true, force: true });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

// Without node_modules/.bin on the path: npm must not run on the very Node binary that `npm ci` is replacing.
function run(command, args, stdout) {
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => !entry.includes(`node_modules${process.platform === 'win32' ? '\\' : '/'}.bin`))
    .join(delimiter);
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', stdout, 'inherit'],
    shell: process.platform === 'win32',
  });
  // The child owns the lock too: when only this process is killed, npm goes on, and the next one has to wait for it.
  if (child.pid !== undefined) writeFileSync(join(lockFolder, 'owners'), `${process.pid} ${child.pid}`);
  return new Promise((resolve) => {
    child.once('error', (error) => {
      say(`${command} could not be started: ${error.message}`);
      resolve(1);
    });
    child.once('close', (code) => resolve(code ?? 1));
  });
}

function say(line) {
  process.stderr.write(`setup: ${line}\n`);
}

async function main(args) {
  const unknown = args.find((arg) => arg !== '--build' && arg !== '--force');
  if (unknown !== undefined) {
    say(`unknown option ${unknown}; known are --build and --force`);
    return 2;
  }
  const code = await install();
  return code === 0 && args.includes('--build') ? build({ force: args.includes('--force') }) : code;
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  process.exitCode = await main(process.argv.slice(2));
}
