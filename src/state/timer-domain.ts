/** The time that a timer is about. */
export type TimerDomain = 'event' | 'processing';
