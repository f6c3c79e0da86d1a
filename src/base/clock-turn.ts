/** Turns of the host's event loop, taken apart: what a simulation needs to run one event at a time. */

/** Kept here because a simulation puts a trap in its place. */
const later = setImmediate;
/** Turns in one round of the event loop, so that not each of them looks for input and output. */
const TURNS_PER_ROUND = 32;

/**
 * Calls `turn` again and again until it gives something back, and resolves with that; before the next call every promise
 * settles that follows from the last one. Rejects with what `turn` throws.
 *
 * Nothing else of the process runs in between: neighbours in the queue of immediates are separated by microtasks only.
 */
export function takeTurns<T>(turn: () => T | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const take = (): void => {
      if (isOver) return;
      try {
        const result = turn();
        if (result === undefined) return;
        isOver = true;
        resolve(result);
      } catch (error) {
        isOver = true;
        reject(error as Error);
      }
    };
    const takeLast = (): void => {
      if (!isOver) beginRound();
      take();
    };
    const beginRound = (): void => {
      for (let left = TURNS_PER_ROUND - 1; left > 0; left--) later(take);
      later(takeLast);
    };
    beginRound();
  });
}

/** Resolves when every promise has settled that needs nothing but a turn. */
export async function takeTurn(): Promise<void> {
  let turns = 0;
  await takeTurns(() => (++turns === 2 ? true : undefined));
}
