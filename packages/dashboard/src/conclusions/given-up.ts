// Records that were given up because a function failed on them: how many, by which operators, and who gets them instead.
import type { JobDescription, JobFiguresMessage } from '../../../../src/rest/contract.ts';
import { type Conclusion, conclusion } from './conclusion.ts';
import { labelOf } from './names.ts';

/** An operator that gives records up instead of failing. */
export interface GivingUp {
  readonly uid: string;
  readonly policy: 'skip' | 'dead-letter';
  /** Who reads its dead letters. */
  readonly readers: readonly string[];
}

const deadLetterTag = 'dead-letter';

/** Those of a job, in the order of its plan. */
export function givingUp(description: JobDescription): GivingUp[] {
  return description.vertices.flatMap(({ operators }, vertex) =>
    operators.flatMap(({ uid, onError, chained }, operator) => {
      if (onError === 'fail') return [];
      const within = chained.flatMap(({ to, tag }) =>
        tag === deadLetterTag ? [operators[to]?.uid ?? ''] : [],
      );
      const behind = description.edges
        .filter(
          (edge) => edge.from === vertex && edge.fromOperator === operator && edge.tag === deadLetterTag,
        )
        .map(({ to }) => labelOf(description, to));
      return [{ uid, policy: onError, readers: [...within, ...behind] }];
    }),
  );
}

/** What a person has to know of them; `undefined` where every failure fails the job. */
export function givenUpConclusion(
  description: JobDescription,
  { counters }: Pick<JobFiguresMessage, 'counters'>,
): Conclusion | undefined {
  const operators = givingUp(description);
  if (operators.length === 0) return undefined;
  const count = counters['recordsGivenUp'] ?? 0;
  const n = { kind: 'count', value: count } as const;
  if (count === 0) return conclusion('good', 'given-up.none');
  const isLost = operators.some(({ policy, readers }) => policy === 'skip' || readers.length === 0);
  return conclusion('warn', isLost ? 'given-up.lost' : 'given-up.kept', { n });
}
