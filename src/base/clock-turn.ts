/** One turn of the host's event loop, taken apart: what a simulation needs to run one event at a time. */

/**
 * Calls `begin`, lets every promise settle that follows from it, and then calls `end`.
 *
 * Nothing else of the process runs in between: neighbours in the queue of immediates are separated by microtasks only.
 * Rejects with what `begin` or `end` throws; `end` is called in any case.
 */
export function takeTurn(begin: () => void, end: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let thrown: { readonly error: unknown } | undefined;
    setImmediate(() => {
      try {
        begin();
      } catch (error) {
        thrown = { error };
      }
    });
    setImmediate(() => {
      try {
        end();
      } catch (error) {
        thrown ??= { error };
      }
      if (thrown === undefined) resolve();
      else reject(thrown.error as Error);
    });
  });
}
