// Keys that a careless table takes for each other, or for nothing.

/** Equal ones have one name in a model: every NaN is one key, and so are both zeros. */
export const KEYS: readonly { readonly key: string | number; readonly name: string }[] = [
  { key: '', name: 'empty' },
  { key: '__proto__', name: 'proto' },
  { key: Number.NaN, name: 'nan' },
  { key: 0, name: 'zero' },
  { key: -0, name: 'zero' },
];
