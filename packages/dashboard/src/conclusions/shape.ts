// The shape of sampled records: which fields they have, of which types, and whether all agree.
import type { SampledRecord } from '../../../../src/rest/contract.ts';
import { type Conclusion, conclusion } from './conclusion.ts';

/** Fields of fields are told so deep. */
const depthMax = 3;
/** Before so many records nothing is said. */
const sampleMin = 10;

/** A field in a sample. */
export interface SampledField {
  /** Names from the record inwards, joined by dots; empty: the record itself, where it is no object. */
  readonly path: string;
  /** JSON's words for what it was, the most frequent first. */
  readonly types: readonly string[];
  /** In how many of the records that have what it is a field of. */
  readonly share: number;
}

/** The fields of a sample, in the order in which they were first seen; of records that were shortened nothing is said. */
export function fieldsOf(records: readonly SampledRecord[]): SampledField[] {
  const found = new Map<string, { parent: string | undefined; n: number; types: Map<string, number> }>();
  const look = (value: unknown, path: string, parent: string | undefined, depth: number): void => {
    const field = found.get(path) ?? { parent, n: 0, types: new Map<string, number>() };
    found.set(path, field);
    const type = typeOf(value);
    field.n += 1;
    field.types.set(type, (field.types.get(type) ?? 0) + 1);
    if (type !== 'object' || depth === depthMax) return;
    for (const [name, inner] of Object.entries(value as object))
      look(inner, path === '' ? name : `${path}.${name}`, path, depth + 1);
  };
  for (const { value, isCut } of records) if (!isCut) look(value, '', undefined, 0);
  return [...found]
    .filter(([path, { types }]) => path !== '' || [...types.keys()].some((type) => type !== 'object'))
    .map(([path, { parent, n, types }]) => ({
      path,
      types: [...types].sort(([, left], [, right]) => right - left).map(([type]) => type),
      share: parent === undefined ? 1 : n / (found.get(parent)!.types.get('object') ?? n),
    }));
}

/** Whether all records of a sample look alike; of few nothing is said. */
export function shapeConclusion(fields: readonly SampledField[], records: number): Conclusion | undefined {
  if (records < sampleMin || fields.length === 0) return undefined;
  const n = { kind: 'count', value: records } as const;
  const mixed = fields.find(({ types }) => types.filter((type) => type !== 'null').length > 1);
  if (mixed !== undefined)
    return conclusion('warn', 'shape.mixed', { field: mixed.path, types: mixed.types.join(', '), n });
  const partial = fields.find(({ share, types }) => share < 1 || types.length > 1);
  if (partial === undefined)
    return conclusion('good', 'shape.even', { n, fields: { kind: 'count', value: fields.length } });
  const share = partial.share < 1 ? { kind: 'share' as const, value: partial.share } : undefined;
  return share === undefined
    ? conclusion('plain', 'shape.null', { field: partial.path, n })
    : conclusion('plain', 'shape.partial', { field: partial.path, share, n });
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
