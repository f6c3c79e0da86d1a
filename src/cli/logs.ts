/** `millrace logs`: the last lines of a cluster or of one job, and with -f those that come. */

import type { LogLine } from '../rest/contract.ts';
import type { Request } from './arguments.ts';
import { EXIT } from './exit.ts';
import type { OperateHost } from './operate.ts';
import { restClientOf } from './rest-target.ts';

/** What was asked for. */
export type LogsRequest = Request & { readonly kind: 'logs' };

const LINES = 500;
const LEVELS: readonly LogLine['level'][] = ['debug', 'info', 'warn', 'error'];

/** Prints until there is no more, or with -f until the server or the terminal ends it. */
export async function printLogs(request: LogsRequest, host: OperateHost): Promise<number> {
  const { jobId, level = 'debug', follow, json } = request;
  const client = restClientOf(request.cluster);
  const print = (line: LogLine): void => {
    if (LEVELS.indexOf(line.level) < LEVELS.indexOf(level)) return;
    if (jobId !== undefined && line.jobId !== jobId) return;
    host.stdout.write(json ? `${JSON.stringify(line)}\n` : `${lineText(line)}\n`);
  };
  const job = jobId === undefined ? {} : { job: jobId };
  if (!follow) {
    for (const line of await client.logs({ level, limit: LINES, ...job })) print(line);
    return EXIT.done;
  }
  const wish = jobId === undefined ? {} : { jobId };
  for await (const message of client.events({ topics: ['logs'], ...wish })) {
    if (message.name === 'logs') message.data.entries.forEach(print);
    else if (message.name === 'log') print(message.data);
  }
  return EXIT.done;
}

function lineText({ at, level, message, jobId, vertex, subtask, workerId, fields }: LogLine): string {
  const task = vertex === null ? '' : ` ${vertex}${subtask === null ? '' : ` (${subtask})`}`;
  const where = `${workerId === null ? '' : ` ${workerId}`}${jobId === null ? '' : ` ${jobId}`}${task}`;
  const more = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`;
  return `${new Date(at).toISOString()} ${level.toUpperCase().padEnd(5)}${where}  ${message}${more}`;
}
