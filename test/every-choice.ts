/** All that could have been drawn, one after the other: an odometer over the choices of a run. */

/** Draws a number below a bound. */
export type Draw = (count: number) => number;

/**
 * Calls `run` once for each sequence of choices that it can make; returns how often. A run must make the same choices when it
 * draws the same numbers. What it throws says which numbers they were.
 */
export async function everyChoice(run: (pick: Draw) => void | Promise<void>): Promise<number> {
  let drawn: { value: number; readonly count: number }[] = [];
  for (let runs = 1; ; runs++) {
    let at = 0;
    const pick: Draw = (count) => {
      if (at === drawn.length) drawn.push({ value: 0, count });
      const choice = drawn[at++]!;
      if (choice.count !== count) throw new Error('a run does not make the same choices again');
      return choice.value;
    };
    try {
      await run(pick);
    } catch (error) {
      throw new Error(`choices [${drawn.map(({ value }) => value).join()}]`, { cause: error });
    }
    drawn = drawn.slice(0, at);
    while (drawn.length > 0 && drawn.at(-1)!.value === drawn.at(-1)!.count - 1) drawn.pop();
    const last = drawn.at(-1);
    if (last === undefined) return runs;
    last.value++;
  }
}
