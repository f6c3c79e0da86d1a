// The seeds of a random test, and how one that failed is run again.
//
// A failure prints the seed; `MILLRACE_SEED=<n> node --test <the test file>` runs it alone.

/** The only seed to look at, if one was named. */
export const ONLY = process.env['MILLRACE_SEED'];

/** The seeds of a test. */
export function seeds(first: number, count: number): number[] {
  return ONLY === undefined ? Array.from({ length: count }, (_, index) => first + index) : [Number(ONLY)];
}

/** A failure names the seed that shows it again, and what the seed stands for. */
export async function replayable(
  seed: number,
  run: () => Promise<void>,
  describe?: () => string,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    const what = describe === undefined ? '' : ` of ${describe()}`;
    throw new Error(`seed ${seed}${what}: replay with MILLRACE_SEED=${seed}`, { cause: error });
  }
}
