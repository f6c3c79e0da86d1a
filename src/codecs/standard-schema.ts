/**
 * Standard Schema, version 1: how validation libraries are called without knowing them, see https://standardschema.dev.
 *
 * Only what Millrace uses is declared. Libraries that can describe their types as JSON Schema do it by `jsonSchema`
 * (Standard JSON Schema).
 */

/** A problem that a schema found in a value. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** What validating gives: the value, or what is wrong with it. */
export type SchemaResult<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** Any Standard Schema: of Millrace's own `t`, or of a library such as Zod, Valibot or ArkType. */
export interface StandardSchema<In = unknown, Out = In> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Out> | Promise<SchemaResult<Out>>;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
    readonly jsonSchema?:
      | { readonly output: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown> }
      | undefined;
  };
}

/** The type of the values that a schema lets through. */
export type SchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];
