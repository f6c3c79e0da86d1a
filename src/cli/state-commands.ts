/** `millrace state read|diff|convert` and `millrace savepoint dispose`: savepoints on the disk, without a job. */

import { locationOf } from '../base/locations.ts';
import {
  changedSavepoint,
  diffSavepoints,
  disposeSavepoint,
  openSavepoint,
  type Savepoint,
} from '../savepoints/index.ts';
import { configuredEnv } from './configured-env.ts';
import type { Request } from './arguments.ts';
import { EXIT } from './exit.ts';
import { contentsText, diffText, jsonOf, valueText } from './state-text.ts';
import type { Screen } from './terminal.ts';

/** The process in which a command runs. */
export interface StateHost {
  readonly stdout: Screen;
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A request about savepoints on the disk. */
export type StateRequest = Request & {
  readonly kind: 'state-read' | 'state-diff' | 'state-convert' | 'savepoint-dispose';
};

/** Carries one out; what goes wrong is thrown. */
export async function runStateCommand(request: StateRequest, host: StateHost): Promise<number> {
  const at = (path: string): string => locationOf(path, host.workingDirectory);
  const options = { env: await configuredEnv(host) };
  switch (request.kind) {
    case 'state-read':
      return read(request, await openSavepoint(at(request.path), options), host);
    case 'state-diff':
      return diff(
        request,
        await openSavepoint(at(request.left), options),
        await openSavepoint(at(request.right), options),
        host,
      );
    case 'state-convert':
      return convert(request, await openSavepoint(at(request.path), options), at(request.folder), host);
    case 'savepoint-dispose':
      await disposeSavepoint(at(request.path), options);
      host.stdout.write(
        request.json ? line({ disposed: at(request.path) }) : `Savepoint '${request.path}' disposed.\n`,
      );
      return EXIT.done;
  }
}

async function read(
  request: StateRequest & { kind: 'state-read' },
  savepoint: Savepoint,
  { stdout }: StateHost,
): Promise<number> {
  const { uid, json } = request;
  if (uid !== undefined) return readOperator({ ...request, uid }, savepoint, stdout);
  const operators = await savepoint.contents();
  const { path, jobId, jobName, checkpointId, isSavepoint, timestamp } = savepoint;
  if (json) {
    stdout.write(line({ path, jobId, jobName, checkpointId, isSavepoint, timestamp, operators }));
    return EXIT.done;
  }
  const what = isSavepoint ? 'savepoint' : `checkpoint ${checkpointId}`;
  const when = new Date(timestamp).toISOString();
  stdout.write(`${what} of job "${jobName}" (${jobId}), ${when}\n\n`);
  for (const contents of operators) stdout.write(contentsText(contents));
  return EXIT.done;
}

/** One line for each entry, as they are read: nothing is collected. */
async function readOperator(
  request: StateRequest & { kind: 'state-read'; uid: string },
  savepoint: Savepoint,
  stdout: Screen,
): Promise<number> {
  const { uid, state, key: wanted, limit, json } = request;
  let written = 0;
  const isFull = (): boolean => limit !== undefined && written >= limit;
  for await (const { state: name, kind, key, namespace, value } of savepoint.entries(uid)) {
    if (state !== undefined && state !== name) continue;
    if (wanted !== undefined && String(key) !== wanted && JSON.stringify(jsonOf(key)) !== wanted) continue;
    if (isFull()) break;
    written++;
    const where = namespace === undefined ? '' : ` ${valueText(namespace)}`;
    stdout.write(
      json
        ? line({ state: name, kind, key: jsonOf(key), namespace: jsonOf(namespace), value: jsonOf(value) })
        : `${name}  ${valueText(key)}${where}  ${valueText(value)}\n`,
    );
  }
  if (wanted !== undefined || isFull()) return EXIT.done;
  for await (const { section, redistribution, value } of savepoint.operatorItems(uid)) {
    if (state !== undefined && state !== section) continue;
    if (isFull()) break;
    written++;
    stdout.write(
      json
        ? line({ section, redistribution, value: jsonOf(value) })
        : `${section}  ${value instanceof Uint8Array ? `${value.length} bytes` : valueText(value)}\n`,
    );
  }
  return EXIT.done;
}

/** As `diff` does: 0 when both are the same, 1 when they differ. */
async function diff(
  { json }: StateRequest & { kind: 'state-diff' },
  left: Savepoint,
  right: Savepoint,
  { stdout }: StateHost,
): Promise<number> {
  const operators = await diffSavepoints(left, right);
  if (json) stdout.write(line({ left: left.path, right: right.path, operators: jsonOf(operators) }));
  else if (operators.length === 0) stdout.write('no difference\n');
  else for (const each of operators) stdout.write(diffText(each));
  return operators.length === 0 ? EXIT.done : EXIT.failed;
}

async function convert(
  { renamed, removed, json }: StateRequest & { kind: 'state-convert' },
  savepoint: Savepoint,
  folder: string,
  { stdout }: StateHost,
): Promise<number> {
  const writer = changedSavepoint(savepoint);
  for (const [from, to] of Object.entries(renamed)) writer.changeOperatorIdentifier(from, to);
  for (const uid of removed) writer.removeOperator(uid);
  const { path } = await writer.write(folder);
  stdout.write(json ? line({ path }) : `Savepoint written. Path: ${path}\n`);
  return EXIT.done;
}

function line(json: object): string {
  return `${JSON.stringify(json)}\n`;
}
