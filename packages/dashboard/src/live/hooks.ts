// The live state for components: the server, the chosen job, the clock of the server.
import { createContext, useContext, useEffect, useState, useSyncExternalStore } from 'react';
import type { StreamTopic } from '../../../../src/rest/contract.ts';
import type { LiveJob, LiveState } from './state.ts';
import type { LiveStream } from './stream.ts';

/** One for each page. */
export const StreamContext = createContext<LiveStream | undefined>(undefined);

function useStream(): LiveStream {
  const stream = useContext(StreamContext);
  if (stream === undefined) throw new Error('the live state is used outside of <StreamContext>');
  return stream;
}

const always: readonly StreamTopic[] = [
  'overview',
  'job',
  'figures',
  'checkpoints',
  'exceptions',
  'recoveries',
  'alerts',
];

/** Everything that is known. */
export function useLive(): LiveState {
  const stream = useStream();
  return useSyncExternalStore(stream.subscribe, stream.state);
}

/** The job that is shown: the chosen one, else the first that runs, else the first. */
export function useJob(): LiveJob | undefined {
  const { jobs, overview } = useLive();
  const chosen = useChosenJob();
  const running = overview?.jobs.find(({ endedAt }) => endedAt === null)?.jobId;
  return jobs.get(chosen ?? '') ?? jobs.get(running ?? '') ?? [...jobs.values()][0];
}

/** Which job the address of the page names. */
export const ChosenJobContext = createContext<string | undefined>(undefined);

function useChosenJob(): string | undefined {
  return useContext(ChosenJobContext);
}

/** Watches more than the usual topics while the pane is open. */
export function useTopics(extra: readonly StreamTopic[]): void {
  const stream = useStream();
  const wanted = [...always, ...extra].join(',');
  useEffect(() => stream.want(wanted.split(',') as StreamTopic[]), [stream, wanted]);
}

/** The server's clock, once a second. */
export function useNow(): number {
  const { clockAheadMs } = useLive();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  return now + clockAheadMs;
}
