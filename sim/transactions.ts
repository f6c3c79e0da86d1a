// A system outside with transactions, as a model: what it did survives the processes of the job, every call takes time,
// may fail without or with an effect, and a reader sees what is committed.
//
// 1. A call that has left the process takes effect or not whatever happens to the process; its answer reaches only the
//    incarnation that asked.
// 2. A prepared transaction is kept until it is committed; one that is open is given up by the recovery of its subtask.
// 3. Subtasks are fenced by their attempt: once a newer one has recovered, an older one can neither recover nor begin.
// 4. Committing twice is no error and has no effect; committing what is not there is an error.

import { twoPhaseCommitSink } from '../src/connectors/two-phase-commit.ts';
import type { OperatorInfo } from '../src/operators/operator.ts';
import type { ExactlyOnceSink } from '../src/operators/sink.ts';
import type { Kernel } from '../src/testing/kernel.ts';

/** How often a call fails, of 10,000. */
export interface TransactionFaults {
  readonly transaction: number;
  readonly transactionUnknown: number;
}

interface Transaction {
  readonly id: number;
  readonly uid: string;
  readonly subtask: number;
  readonly lines: string[];
  state: 'open' | 'prepared' | 'committed' | 'aborted';
}

const CALL_MS_MAX = 4;
const ALL = 10_000;

/** See the head of the file. */
export class TransactionStore {
  readonly #kernel: Kernel;
  readonly #transactions: Transaction[] = [];
  readonly #visible: string[] = [];
  /** By sink and subtask: the newest attempt that recovered. */
  readonly #attempts = new Map<string, string>();
  #faults: TransactionFaults;

  constructor(kernel: Kernel, faults: TransactionFaults) {
    this.#kernel = kernel;
    this.#faults = faults;
  }

  /** From now on no call fails. */
  heal(): void {
    this.#faults = { transaction: 0, transactionUnknown: 0 };
  }

  /** What a reader sees: the records of committed transactions, in the order of their commits. */
  committed(): readonly string[] {
    return this.#visible;
  }

  /** Transactions that nobody has prepared, committed or given up. */
  get open(): number {
    return this.#transactions.filter(({ state }) => state === 'open').length;
  }

  /** The sink of a process. */
  sink(node: string): ExactlyOnceSink<string> {
    const call = <R>(what: string, effect: () => R): Promise<R> => this.#call(node, what, effect);
    return twoPhaseCommitSink<string, number, number>({
      name: 'transactions',
      batchSize: 7,
      begin: (info) => call('begin', () => this.#begin(info)),
      write: (id, lines) => call('write', () => this.#write(id, lines)),
      prepare: (id) => call('prepare', () => this.#prepare(id)),
      commit: (id) => call('commit', () => this.#commit(id)),
      abort: (id) => call('abort', () => this.#abort(this.#transactions[id]!)),
      recover: (info) => call('recover', () => this.#recover(info)),
    });
  }

  #begin(info: OperatorInfo): number {
    this.#fence(info);
    const { uid, subtask } = info;
    const id = this.#transactions.length;
    this.#transactions.push({ id, uid, subtask, lines: [], state: 'open' });
    return id;
  }

  #fence({ uid, subtask, attempt }: OperatorInfo): void {
    const who = `${uid}/${subtask}`;
    const newest = this.#attempts.get(who);
    if (newest !== undefined && isOlder(attempt, newest)) {
      throw new Error(`${who} of attempt ${attempt} is fenced by attempt ${newest}`);
    }
    this.#attempts.set(who, attempt);
  }

  #write(id: number, lines: readonly string[]): void {
    const transaction = this.#transactions[id]!;
    if (transaction.state !== 'open') throw new Error(`transaction ${id} is ${transaction.state}`);
    transaction.lines.push(...lines);
  }

  #prepare(id: number): number {
    const transaction = this.#transactions[id]!;
    if (transaction.state !== 'open') throw new Error(`transaction ${id} is ${transaction.state}`);
    transaction.state = 'prepared';
    return id;
  }

  #commit(id: number): void {
    const transaction = this.#transactions[id];
    if (transaction?.state === 'committed') return;
    if (transaction?.state !== 'prepared')
      throw new Error(`transaction ${id} was lost: ${transaction?.state}`);
    transaction.state = 'committed';
    this.#visible.push(...transaction.lines);
  }

  #abort(transaction: Transaction): void {
    if (transaction.state === 'open') transaction.state = 'aborted';
  }

  /** What subtasks that are no more left open is given up by the first one. */
  #recover(info: OperatorInfo): void {
    this.#fence(info);
    const { uid, subtask, parallelism } = info;
    for (const each of this.#transactions) {
      if (each.uid !== uid) continue;
      if (each.subtask === subtask || (subtask === 0 && each.subtask >= parallelism)) this.#abort(each);
    }
  }

  #call<R>(node: string, what: string, effect: () => R): Promise<R> {
    const { random } = this.#kernel;
    const takesMs = (random.int(1_000) * CALL_MS_MAX) / 1_000;
    const draw = random.int(ALL);
    const fails = draw < this.#faults.transaction;
    const isUnknown = !fails && draw < this.#faults.transaction + this.#faults.transactionUnknown;
    return new Promise((resolve, reject) => {
      let outcome: { readonly result: R } | { readonly error: unknown } = {
        error: new Error(`the call ${what} failed`),
      };
      const happen = (): void => {
        if (fails) return;
        try {
          const result = effect();
          if (!isUnknown) outcome = { result };
        } catch (error) {
          outcome = { error };
        }
      };
      const answer = (): void => {
        if ('result' in outcome) resolve(outcome.result);
        else reject(outcome.error as Error);
      };
      // Both are scheduled now, and the effect first, so that it comes first also at the same time.
      this.#kernel.schedule({
        afterMs: takesMs / 2,
        why: `transaction ${what}`,
        lane: `transactions of ${node}`,
        run: happen,
      });
      this.#kernel.schedule({
        node,
        afterMs: takesMs,
        why: `answer of transaction ${what}`,
        lane: `transactions of ${node}`,
        run: answer,
      });
    });
  }
}

/** Attempts are `<process attempt>-<restart>`. */
function isOlder(left: string, right: string): boolean {
  const [a, b] = [left, right].map((attempt) => attempt.split('-').map(Number) as [number, number]);
  return a![0] < b![0] || (a![0] === b![0] && a![1] < b![1]);
}
