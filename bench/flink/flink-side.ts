// The Flink side: compiles the Java files, starts one JVM and has it run jobs, one at a time.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { provideJars } from './jars.ts';
import { runTool } from './tools.ts';

/** What a run came to, on either side. */
export interface SideRun {
  readonly elapsedMs: number;
  readonly checkpoints: number;
  readonly records: number;
  readonly checksum: number;
}

const SOURCES = fileURLToPath(new URL('./java/', import.meta.url));
const CACHE = fileURLToPath(new URL('./.cache/', import.meta.url));
const CLASSES = join(CACHE, 'classes');
// What Flink's own start scripts open to it on Java 17, as far as these jobs need it.
const JVM_OPTIONS = [
  ...['-Xmx4g', '--add-opens=java.base/java.lang=ALL-UNNAMED', '--add-opens=java.base/java.util=ALL-UNNAMED'],
];

/** One JVM with a MiniCluster; see FlinkSide.java for what stands on its input and output. */
export class FlinkSide {
  readonly #jvm: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  readonly #lines: Interface;

  private constructor(jars: string) {
    const classes = ['-cp', `${CLASSES}:${join(jars, '*')}`];
    this.#jvm = spawn('java', [...JVM_OPTIONS, ...classes, 'millrace.bench.FlinkSide'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface({ input: this.#jvm.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  /** Resolves jars and compiles if need be; resolves when the cluster is up. */
  static async start(): Promise<FlinkSide> {
    runTool('java', ['--version']);
    const jars = provideJars();
    rmSync(CLASSES, { recursive: true, force: true });
    mkdirSync(CLASSES, { recursive: true });
    const files = readdirSync(SOURCES).map((name) => join(SOURCES, name));
    runTool('javac', ['--release', '17', '-proc:none', '-cp', join(jars, '*'), '-d', CLASSES, ...files]);
    const side = new FlinkSide(jars);
    await side.#answer();
    return side;
  }

  /** Runs a job; its time goes from its first subtask that runs to the end of input in the last one. */
  async run(job: string, args: Readonly<Record<string, string | number>>): Promise<SideRun> {
    const words = Object.entries(args).map(([name, value]) => `${name}=${value}`);
    this.#jvm.stdin.write(`${[job, ...words].join('\t')}\n`);
    return JSON.parse(await this.#answer()) as SideRun;
  }

  /** The JVM ends with its input. */
  close(): void {
    this.#jvm.stdin.end();
  }

  async #answer(): Promise<string> {
    const { done, value } = await this.#answers.next();
    if (done === true) throw new Error('the JVM of the Flink side has ended; its standard error says why');
    return value;
  }
}
