/**
 * A row of links made into one piece of code.
 *
 * `ChainLink.deliverTo`, `record` and `ChainOutput.emit` are shared by all operators of a process, so the engine learns
 * nothing about any of them. Made code is the same steps for one row: the engine sees the functions of the user, one
 * after the other, and makes one loop of them, up to the sink, the port or the plain link behind.
 *
 * ```
 * source ─► made: map, filter, process, sink            a function that takes a record; also without any, to a port
 * batch  ─► made: keyed process, map, port              a function that takes a run of records
 * port   ─► made: the same, record by record            a function that takes what a producer in the thread hands over
 * ```
 *
 * The text is put together of constants and of the numbers of the steps; functions are arguments.
 *
 * M1 It is used only where the plain path would do just this: no poison policy, no freezing, and each link the only
 *    receiver of the one before.
 * M2 What is emitted behind work that waits, waits too (O1 of chain-output.ts): a step whose function may leave work
 *    behind asks `frames.pushed` before its one result goes on; any other number of results goes the plain way.
 * M3 Counts are kept where a record can be lost or made, and all others follow from them; an error is counted by the step
 *    that threw.
 * M4 An error gets the place of the step that was under way; one that has a place already keeps it.
 */

import type { Key } from '../base/key-groups.ts';
import { makeCode } from '../base/made-code.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import type { TakeHanded } from '../exchange/hand-over.ts';
import type { OperatorCode, Output, Pull, RecordRun } from '../operators/operator.ts';
import { handOn } from '../operators/results.ts';

/** Takes a record into a link. */
export type Deliver = (value: unknown, timestamp: number) => void;

/** Takes a record into a row; the timestamp may be left out where there is none. */
export type MadeDeliver = (value: unknown, timestamp?: number) => void;

/** Takes records of a batch into a link. */
export type DeliverRun = (run: RecordRun) => void;

/** One link of the row. */
export interface FusedStep {
  readonly code: OperatorCode;
  /** The plain way of what does not fit. */
  readonly output: Output;
  /** Takes what the call gave back to be pulled. */
  readonly push: (pull: Pull, timestamp: number) => void;
  /** Gives an error its place. */
  readonly locate: (error: unknown) => Error;
}

/** What a row is made of. */
export interface FusedParts {
  readonly steps: readonly FusedStep[];
  /** Behind the last step, unless that is a sink. */
  readonly next: Deliver | undefined;
  /** `next` is a link, of which anything may come, and no port. */
  readonly endsInLink: boolean;
  /** A record has a key, which is selected before the first step, whether or not that asks for it. */
  readonly isKeyed: boolean;
  readonly frames: { readonly pushed: boolean };
  /** Of a source, which emits many records in one call: the plain way of what comes behind work that waits (M2). */
  readonly waiting: Deliver | undefined;
  readonly counts: RowCounts;
  /** Appears in stack traces. */
  readonly job: string;
  readonly uid: string;
}

/** The function that takes a record, made; `undefined` where code generation is forbidden. */
export function fuse(parts: FusedParts): MadeDeliver | undefined {
  const guard = parts.waiting === undefined ? '' : 'if (frames.pushed) return waiting(v0, timestamp);\n';
  return made(
    parts,
    `return function deliver(v0, timestamp = none) {
${guard}counts[0]++;
let at = 0;
try {
${stepsOf(parts, 'return')}} catch (error) {
  throw failed(at, error);
}
};`,
  );
}

/** The function that takes records of a batch, made; `undefined` where code generation is forbidden. */
export function fuseRun(parts: FusedParts): DeliverRun | undefined {
  return made(
    parts,
    `return function deliverRun(run) {
const { values, timestamps } = run;
const before = run.position;
let at = 0;
try {
${mayLeaveWork(parts) || parts.isKeyed ? LOOP_OF_RECORDS : LOOP_OF_STRETCHES}
${stepsOf(parts, 'continue')}}
} catch (error) {
  throw failed(at, error);
} finally {
  counts[0] += run.position - before;
}
};`,
  );
}

/** What the function needs besides that takes what a producer hands over. */
export interface TakeParts {
  /** Of a keyed row: makes the key of the record current. */
  readonly select: (value: unknown, key: Key | undefined) => void;
  /** Behind each record. */
  readonly taken: () => void;
  /** The record, and all others, are lost with this task: its error must not be that of the producer. */
  readonly fail: (error: unknown) => void;
  /** Stands for the task in profiles; a name that holds no input. */
  readonly name: string;
}

/** The function that takes what a producer in the same thread hands over, made; `undefined` where code generation is forbidden. */
export function fuseTake(parts: FusedParts, take: TakeParts): TakeHanded | undefined {
  return made(
    parts,
    `return function ${take.name}(v0, timestamp, key) {
counts[0]++;
let at = 0;
try {
${parts.isKeyed ? 'select(v0, key);\n' : ''}row: {
${stepsOf(parts, 'break row')}}
} catch (error) {
  return fail(failed(at, error));
}
taken();
};`,
    { select: take.select, taken: take.taken, fail: take.fail },
  );
}

/** From a source straight into its port, made; `undefined` where code generation is forbidden. */
export function fusePort({
  emit,
  counts,
  job,
  uid,
}: Pick<FusedParts, 'counts' | 'job' | 'uid'> & { readonly emit: Deliver }): MadeDeliver | undefined {
  return makeCode(
    [job, uid],
    { emit, counts: counts.numbers, none: MIN_TIMESTAMP },
    `return function deliver(value, timestamp = none) {
counts[0]++;
emit(value, timestamp);
};`,
  );
}

/** What selects the key of a record may throw, which is an error of the first step. */
const LOOP_OF_RECORDS = `for (let index = run.next(); index >= 0; at = 0, index = run.next()) {
const v0 = values[index], timestamp = timestamps[index];`;

const LOOP_OF_STRETCHES = `for (let end = run.stretch(); end >= 0; end = run.stretch())
for (let index = run.position; index < end; index++) {
run.position = index + 1;
at = 0;
const v0 = values[index], timestamp = timestamps[index];`;

/** Whether a record may leave work behind that comes before the next one. */
export function mayLeaveWork({ steps, endsInLink }: Pick<FusedParts, 'steps' | 'endsInLink'>): boolean {
  return endsInLink || steps.some(({ code }) => code.kind === 'process');
}

/** `away` ends the work on a record. */
function stepsOf({ steps, next }: FusedParts, away: 'return' | 'continue' | 'break row'): string {
  let text = '';
  for (const [index, { code }] of steps.entries()) {
    const [value, result] = [`v${index}`, `v${index + 1}`];
    if (index > 0) text += `at = ${index};\n`;
    switch (code.kind) {
      case 'map':
        text += `const ${result} = f${index}(${value});\n`;
        break;
      case 'filter':
        text += `if (!f${index}(${value})) { counts[${lostAt(index)}]++; ${away}; }\nconst ${result} = ${value};\n`;
        break;
      case 'reduce':
        text += `const b${index} = s${index}.value();
const ${result} = b${index} === undefined ? ${value} : f${index}(b${index}, ${value});
s${index}.update(${result});\n`;
        break;
      case 'process':
        text += `c${index}.moveTo(timestamp);
const r${index} = f${index}.process(${value}, c${index});
if (!Array.isArray(r${index}) || r${index}.length !== 1 || frames.pushed) {
  const pull = handOn(r${index}, timestamp, o${index});
  if (pull !== undefined) p${index}(pull, timestamp);
  counts[${lostAt(index)}]++;
  ${away};
}
const ${result} = r${index}[0];\n`;
        break;
      case 'sink':
        text += `f${index}.write(${value}, timestamp);\n`;
    }
  }
  if (next !== undefined) text += `at = ${steps.length};\nnext(v${steps.length}, timestamp);\n`;
  return text;
}

function made<T>(
  { steps, next, frames, waiting, counts, job, uid }: FusedParts,
  text: string,
  more: Readonly<Record<string, unknown>> = {},
): T | undefined {
  const failed = (at: number, error: unknown): Error => {
    if (at < steps.length) counts.failed(at);
    return steps[Math.min(at, steps.length - 1)]!.locate(error);
  };
  const values: Record<string, unknown> = {
    frames,
    waiting,
    next,
    failed,
    handOn,
    counts: counts.numbers,
    none: MIN_TIMESTAMP,
    ...more,
  };
  for (const [index, { code, output, push }] of steps.entries()) {
    if (code.kind === 'sink') values[`f${index}`] = code.writer();
    else if (code.kind === 'process') {
      values[`f${index}`] = code.function;
      values[`c${index}`] = code.context();
      values[`o${index}`] = output;
      values[`p${index}`] = push;
    } else {
      values[`f${index}`] = code.call;
      if (code.kind === 'reduce') values[`s${index}`] = code.reduction();
    }
  }
  return makeCode<T>([job, uid], values, text);
}

/** Where the made code counts the records of a step that did not simply go on. */
function lostAt(step: number): number {
  return step + 1;
}

/** How many records each step of a row took and emitted; M3. */
export class RowCounts {
  /** Records that the row took; then for each step those that did not go on the made way. */
  readonly numbers: Float64Array;
  readonly #failed: number[];

  constructor(steps: number) {
    this.numbers = new Float64Array(steps + 1);
    this.#failed = new Array<number>(steps).fill(0);
  }

  failed(step: number): void {
    this.#failed[step]!++;
  }

  /** Records that a step took. */
  taken(step: number): number {
    let count = this.numbers[0]!;
    for (let before = 0; before < step; before++)
      count -= this.numbers[lostAt(before)]! + this.#failed[before]!;
    return count;
  }

  /** Records that a step emitted the made way; what it emitted the plain way its output has counted. */
  emitted(step: number): number {
    return this.taken(step + 1);
  }
}
