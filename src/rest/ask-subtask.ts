/** Asks a subtask of a job that runs, by the slot that it is in. */

import { isMillraceError } from '../base/errors.ts';
import type { Inspection } from '../cluster/job-manager/inspections.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal } from './router.ts';

/** Its answer; 409 where it does not run, or refuses. */
export async function askSubtask(
  { job: { source } }: JobWatch,
  inspection: Extract<Inspection, { readonly subtask: number }>,
): Promise<unknown> {
  const { vertex, subtask } = inspection;
  const slot = source
    .executions()
    .find((each) => each.vertex === vertex && each.subtask === subtask && each.state === 'RUNNING')?.slot;
  if (slot === undefined) {
    const { name } = source.compiled.graph.vertices[vertex]!;
    throw new Refusal(409, `Subtask ${subtask} of "${name}" does not run: the job is ${source.state}.`);
  }
  try {
    return await source.inspect(slot, inspection);
  } catch (error) {
    throw new Refusal(409, isMillraceError(error) ? `${error.code}: ${error.message}` : String(error));
  }
}
