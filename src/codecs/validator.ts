/** A Standard Schema as a function on the path of a record: the value that the schema lets through, or an error. */

import { MillraceError } from '../base/errors.ts';
import type { SchemaIssue, StandardSchema } from './standard-schema.ts';

/** Makes the function; it throws `RECORD_INVALID` for a record that the schema refuses. */
export function validatorOf<Out>(schema: StandardSchema<unknown, Out>): (value: unknown) => Out {
  const { validate } = schema['~standard'];
  return (value) => {
    const result = validate(value);
    if (result instanceof Promise) {
      // Nobody waits for it; what it says must not become an unhandled rejection.
      result.catch(() => undefined);
      throw new MillraceError('SCHEMA_ASYNC', 'a schema answered with a promise');
    }
    if (result.issues !== undefined) throw invalid(result.issues);
    return result.value;
  };
}

function invalid(issues: readonly SchemaIssue[]): MillraceError {
  const each = issues.map(({ message, path }) => {
    const at = (path ?? []).map((step) => `.${String(typeof step === 'object' ? step.key : step)}`).join('');
    return at === '' ? message : `${at}: ${message}`;
  });
  return new MillraceError('RECORD_INVALID', `a record is not as declared: ${each.join('; ')}`);
}
