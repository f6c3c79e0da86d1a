/** The exit codes of the command line. */

/** 0 done, 1 the job failed, 2 wrong usage, 130 a signal ended it. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;
