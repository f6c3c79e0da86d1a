/** The ids of the barriers of a run that stores no checkpoints: above every checkpoint's, so that its output counts as later. */

/** Ids from here on name the end of the input (or a stop), not a checkpoint that could be restored. */
export const UNSTORED_BARRIER_ID: number = 2 ** 52;
