// The arguments of `npm run bench:flink`.
import { parseArgs } from 'node:util';
import { ROUNDS } from '../workloads.ts';
import { type FlinkWorkload, flinkWorkloads } from './workloads.ts';

/** What the caller asked for. */
export interface FlinkOptions {
  readonly workloads: readonly FlinkWorkload[];
  readonly json: string | undefined;
  /** Measured runs of each side. */
  readonly rounds: number;
  /** Of both sides; Flink's task manager has two slots. */
  readonly parallelism: number;
}

/** Throws when an argument is unknown or says nothing that can be done. */
export function flinkOptions(words: readonly string[]): FlinkOptions {
  const { values } = parseArgs({
    args: [...words],
    options: {
      only: { type: 'string' },
      json: { type: 'string' },
      rounds: { type: 'string', default: String(ROUNDS) },
      parallelism: { type: 'string', default: '2' },
    },
  });
  const workloads = flinkWorkloads.filter(({ name }) => values.only === undefined || name === values.only);
  if (workloads.length === 0) {
    const names = flinkWorkloads.map(({ name }) => name).join(', ');
    throw new Error(`there is no workload "${values.only}"; there are: ${names}`);
  }
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds ${values.rounds} is not a whole number from 1 on`);
  const parallelism = Number(values.parallelism);
  if (parallelism !== 1 && parallelism !== 2)
    throw new Error(`--parallelism ${values.parallelism} is neither 1 nor 2: there are two task slots`);
  return { workloads, json: values.json, rounds, parallelism };
}
