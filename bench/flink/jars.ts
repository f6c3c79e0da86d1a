// The jars of Apache Flink: resolved by Maven into a cache of the user, and each held to its checksum.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { runTool } from './tools.ts';

const POM = fileURLToPath(new URL('./pom.xml', import.meta.url));
const PINS = fileURLToPath(new URL('./jars.sha256', import.meta.url));

/** Leaves exactly the pinned jars in a folder outside of the checkout, and names it; asks Maven only when they are not there. */
export function provideJars(): string {
  const text = readFileSync(PINS, 'utf8');
  const pins = parsePins(text);
  // Another set of jars is another folder.
  const mark = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const folder = join(
    process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    'millrace',
    `flink-${mark}`,
  );
  if (differences(folder, pins).length === 0) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  console.log('resolving the jars of Apache Flink with Maven');
  runTool('mvn', [
    ...['--batch-mode', '--quiet', '--file', POM, 'dependency:copy-dependencies'],
    ...['-DincludeScope=runtime', `-DoutputDirectory=${folder}`],
  ]);
  const wrong = differences(folder, pins);
  if (wrong.length > 0) throw new Error(`the jars are not those of jars.sha256: ${wrong.join('; ')}`);
  return folder;
}

/** The checksum of each file, from the lines that `sha256sum` writes. */
export function parsePins(text: string): ReadonlyMap<string, string> {
  const pins = new Map<string, string>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const [, sum, name] = /^([0-9a-f]{64}) {2}([\w.-]+)$/.exec(line) ?? [];
    if (sum === undefined || name === undefined) throw new Error(`not a line of sha256sum: ${line}`);
    pins.set(name, sum);
  }
  return pins;
}

/** What is missing, changed or too much in the folder. */
export function differences(folder: string, pins: ReadonlyMap<string, string>): string[] {
  const there = existsSync(folder) ? readdirSync(folder) : [];
  return [
    ...[...pins.keys()].filter((name) => !there.includes(name)).map((name) => `${name} is missing`),
    ...there.filter((name) => !pins.has(name)).map((name) => `${name} is not pinned`),
    ...there
      .filter((name) => pins.has(name) && sha256(join(folder, name)) !== pins.get(name))
      .map((name) => `${name} has another checksum`),
  ];
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
