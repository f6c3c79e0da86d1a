/**
 * Jobs by HTTP: bundles in the shape of Flink's jars, and `/v1/x/jobs`, which takes a job that its client has planned.
 *
 * Owns: the list of what was uploaded. Partners: whoever takes jobs (`ServedSubmissions`).
 *
 * RB-1 All of it needs the role `submit`, except for looking at the list: a bundle is code.
 * RB-2 Uploads are bounded in size, in number and in their names; nothing of a name becomes a path.
 * RB-3 A bundle runs as what it was when it was uploaded: it is kept by its content.
 */

import { isMillraceError } from '../base/errors.ts';
import type { BundleReference, Submission } from '../cluster/messages.ts';
import { badRequest, field, numberOf, type RestContext } from './context.ts';
import { plan } from './flink-shapes.ts';
import { accepted, ok, Refusal, type Route, type RouteRequest, type Upload } from './router.ts';
import { textField } from './routes-jobs.ts';
import type { PlannedHow, ServedSubmissions } from './served.ts';

/** RB-2. */
export const UPLOADS_MAX = 100;
const NAME = /^\w[\w. -]{0,99}\.m?js$/;
const ARGUMENTS_MAX = 1_000;
const TEXT_LENGTH_MAX = 10_000;
/** Around the files of a form. */
const FORM_BYTES_MAX = 64 << 10;
/** What Java archives begin with. */
const ZIP_MARK = [0x50, 0x4b];

interface Uploaded {
  readonly id: string;
  readonly name: string;
  readonly uploadedAt: number;
  readonly bundle: BundleReference;
}

/** The rows of the table; none where no jobs are taken. */
export function bundleRoutes(context: RestContext): Route[] {
  const { submissions } = context.watch.cluster;
  if (submissions === undefined) return [];
  const shelf = new Shelf(context, submissions);
  const submit = { method: 'POST', role: 'submit' } as const;
  const uploadBytesMax = submissions.bundleBytesMax + FORM_BYTES_MAX;
  return [
    {
      method: 'GET',
      role: 'view',
      path: '/jars',
      summary: 'The bundles that were uploaded.',
      handle: () => ok(shelf.listing()),
    },
    {
      ...submit,
      path: '/jars/upload',
      summary: 'Uploads a bundle: a form with the file of an ES module in "jarfile".',
      uploadBytesMax,
      handle: async ({ body }) => ok(await shelf.upload(body as Upload)),
    },
    {
      method: 'DELETE',
      role: 'submit',
      path: '/jars/:jarid',
      summary: 'Removes a bundle; what runs of it goes on.',
      handle: async (request) => {
        await shelf.remove(request);
        return ok({});
      },
    },
    {
      ...submit,
      path: '/jars/:jarid/plan',
      summary: 'The plan of the job in a bundle.',
      query: QUERY,
      handle: async (request) => {
        const { jobId, graph } = await shelf.plan(request);
        return ok({ plan: plan(jobId, graph) });
      },
    },
    {
      ...submit,
      path: '/jars/:jarid/run',
      summary: 'Runs the job in a bundle.',
      query: [...QUERY, 'savepointPath', 'allowNonRestoredState', 'claimMode'],
      handle: async (request) => {
        const jobid = await shelf.run(request);
        return ok({ jobid, applicationId: jobid });
      },
    },
    {
      ...submit,
      path: '/jars/:jarid/run-application',
      summary: 'Runs the job in a bundle; an application is a job.',
      query: [...QUERY, 'savepointPath', 'allowNonRestoredState', 'claimMode'],
      handle: async (request) => accepted({ applicationid: await shelf.run(request) }),
    },
    {
      ...submit,
      path: '/x/jobs',
      summary: 'Runs a job that its client has planned: a form with "submission" (JSON) and "bundle".',
      uploadBytesMax,
      handle: async ({ body }) => {
        const form = body as Upload;
        const submission = submissionOf(partOf(form, 'submission'));
        const bundle = checkedBundle(partOf(form, 'bundle'), submissions.bundleBytesMax);
        return accepted({ jobId: await heeded(() => submissions.submit(submission, bundle)) });
      },
    },
  ];
}

const QUERY = ['programArg', 'entry-class', 'parallelism'];

/** See the head of the file. */
class Shelf {
  readonly #context: RestContext;
  readonly #submissions: ServedSubmissions;
  readonly #uploaded = new Map<string, Uploaded>();

  constructor(context: RestContext, submissions: ServedSubmissions) {
    this.#context = context;
    this.#submissions = submissions;
  }

  listing(): object {
    const files = [...this.#uploaded.values()].toReversed().map(({ id, name, uploadedAt }) => ({
      id,
      name,
      uploaded: uploadedAt,
      entry: [{ name: 'default', description: 'the default export of the bundle' }],
    }));
    return { address: '', files };
  }

  async upload(form: Upload): Promise<object> {
    const part = form.get('jarfile') ?? [...form.values()][0];
    if (part === undefined) throw badRequest('the form has no file "jarfile"');
    const { name } = part;
    if (!NAME.test(name)) throw badRequest(`"${name.slice(0, 100)}" is no plain name of a .js or .mjs file`);
    const bytes = checkedBundle(part.bytes, this.#submissions.bundleBytesMax);
    if (this.#uploaded.size >= UPLOADS_MAX) {
      throw new Refusal(429, `${UPLOADS_MAX} bundles are kept already; remove one with DELETE /jars/:jarid.`);
    }
    const { random, clock } = this.#context.watch.cluster.env;
    const id = `${random.id()}_${name}`;
    const bundle = await this.#submissions.keep(bytes, name);
    this.#uploaded.set(id, { id, name, uploadedAt: clock.now(), bundle });
    return { filename: `/jars/${id}`, status: 'success' };
  }

  async remove(request: RouteRequest): Promise<void> {
    const { id, bundle } = this.#named(request);
    this.#uploaded.delete(id);
    const isUsed = [...this.#uploaded.values()].some((other) => other.bundle.key === bundle.key);
    if (!isUsed) await this.#submissions.drop(bundle);
  }

  plan(request: RouteRequest): ReturnType<ServedSubmissions['plan']> {
    const { bundle } = this.#named(request);
    return heeded(() => this.#submissions.plan(bundle, howOf(request)));
  }

  run(request: RouteRequest): Promise<string> {
    const { bundle, name } = this.#named(request);
    const how = howOf(request);
    const restored = restoredOf(request);
    return heeded(async () => {
      const { jobId, jobName, fingerprint } = await this.#submissions.plan(bundle, how);
      const submission: Submission = {
        jobId,
        jobName,
        fingerprint,
        bundleName: name,
        load: this.#submissions.loadOf(bundle, how),
        workingDirectory: this.#submissions.workingDirectory,
        fresh: false,
        discardLaterOutput: false,
        ...restored,
      };
      return this.#submissions.submit(submission, await this.#submissions.bytesOf(bundle));
    });
  }

  #named({ params }: RouteRequest): Uploaded {
    const id = params['jarid'] ?? '';
    const found = this.#uploaded.get(id);
    if (found === undefined) throw new Refusal(404, `NotFoundException: there is no bundle ${id}`);
    return found;
  }
}

/** What of a request says how the job is built: the body wins over the query. */
function howOf({ body, query }: RouteRequest): PlannedHow {
  const entry = textField(body, 'entryClass') ?? query.get('entry-class') ?? 'default';
  if (entry !== '' && entry !== 'default') {
    throw badRequest(`a bundle has one job, its default export, and no "${entry.slice(0, 100)}"`);
  }
  const args = argumentsOf(field(body, 'programArgsList') ?? query.getAll('programArg').flatMap(listed));
  const parallelism = field(body, 'parallelism') ?? numberOf(query, 'parallelism') ?? undefined;
  if (parallelism !== undefined && !isParallelism(parallelism)) {
    throw badRequest('"parallelism" is no number of subtasks');
  }
  const settings = settingsOf(field(body, 'flinkConfiguration') ?? {});
  const jobId = textField(body, 'jobId') ?? undefined;
  return {
    args,
    settings: parallelism === undefined ? settings : { ...settings, 'parallelism.default': `${parallelism}` },
    jobId: jobId === undefined ? undefined : checkedId(jobId),
  };
}

function isParallelism(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 32_768;
}

function listed(text: string): string[] {
  return text.split(',');
}

function argumentsOf(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.length <= ARGUMENTS_MAX && value.every(isShortText)) return value;
  throw badRequest(`the arguments are no list of at most ${ARGUMENTS_MAX} texts`);
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= TEXT_LENGTH_MAX;
}

function settingsOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest('"flinkConfiguration" is no object');
  }
  const entries = Object.entries(value);
  if (entries.length > ARGUMENTS_MAX || !entries.every(([, each]) => isShortText(String(each)))) {
    throw badRequest('"flinkConfiguration" is too large');
  }
  return Object.fromEntries(entries.map(([key, each]) => [key, String(each)]));
}

/** What the job continues from. */
function restoredOf({
  body,
  query,
}: RouteRequest): Pick<Submission, 'restore' | 'claimMode' | 'allowNonRestoredState'> {
  const restore = textField(body, 'savepointPath') ?? query.get('savepointPath') ?? undefined;
  const claimMode = textField(body, 'claimMode') ?? textField(body, 'restoreMode') ?? query.get('claimMode');
  if (claimMode !== null && claimMode !== 'CLAIM' && claimMode !== 'NO_CLAIM') {
    throw badRequest(`"${claimMode.slice(0, 100)}" is no claim mode, CLAIM and NO_CLAIM are`);
  }
  const allowed = field(body, 'allowNonRestoredState') ?? query.get('allowNonRestoredState') === 'true';
  if (typeof allowed !== 'boolean') throw badRequest('"allowNonRestoredState" is neither true nor false');
  return {
    restore: restore === '' ? undefined : restore,
    allowNonRestoredState: allowed,
    ...(claimMode === null ? {} : { claimMode }),
  };
}

function partOf(form: Upload, name: string): Uint8Array {
  const part = form.get(name);
  if (part === undefined) throw badRequest(`the form has no part "${name}"`);
  return part.bytes;
}

function checkedBundle(bytes: Uint8Array, max: number): Uint8Array {
  if (ZIP_MARK.every((byte, index) => bytes[index] === byte)) {
    throw badRequest(
      'a Java archive cannot run here: upload an ES module, the job with all that it imports but `millrace`',
    );
  }
  if (bytes.length === 0) throw badRequest('the bundle is empty');
  if (bytes.length > max) throw new Refusal(413, `The bundle is larger than ${max} bytes.`);
  return bytes;
}

/** What a client says of a job; each field is looked at, because it comes from outside. */
function submissionOf(bytes: Uint8Array): Submission {
  let given: unknown;
  try {
    given = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw badRequest('"submission" is not JSON');
  }
  const text = (name: string): string => {
    const value = textField(given, name);
    if (value === undefined || value === '' || value.length > TEXT_LENGTH_MAX) {
      throw badRequest(`"${name}" is missing, empty or too long`);
    }
    return value;
  };
  const is = (name: string): boolean => {
    const value = field(given, name) ?? false;
    if (typeof value !== 'boolean') throw badRequest(`"${name}" is neither true nor false`);
    return value;
  };
  const load = field(given, 'load');
  if (typeof load !== 'object' || load === null) throw badRequest('"load" is missing');
  const claimMode = textField(given, 'claimMode');
  if (claimMode !== undefined && claimMode !== 'CLAIM' && claimMode !== 'NO_CLAIM') {
    throw badRequest('"claimMode" is neither CLAIM nor NO_CLAIM');
  }
  return {
    jobId: checkedId(text('jobId')),
    jobName: text('jobName'),
    bundleName: text('bundleName'),
    fingerprint: text('fingerprint'),
    load,
    workingDirectory: text('workingDirectory'),
    restore: field(given, 'restore') === undefined ? undefined : text('restore'),
    ...(claimMode === undefined ? {} : { claimMode }),
    fresh: is('fresh'),
    allowNonRestoredState: is('allowNonRestoredState'),
    discardLaterOutput: is('discardLaterOutput'),
  };
}

function checkedId(id: string): string {
  if (/^\w[\w.-]{0,127}$/.test(id)) return id;
  throw badRequest(
    'the id of a job is at most 128 letters, digits, "-", "_" and ".", and begins with none of the last',
  );
}

/** What refuses a job, as an answer that says its code and what to do. */
async function heeded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    const status = error.code === 'JOB_ALREADY_SUBMITTED' ? 409 : 400;
    throw new Refusal(
      status,
      `${error.code}: ${error.message}${error.remedy === '' ? '' : ` ${error.remedy}`}`,
    );
  }
}
