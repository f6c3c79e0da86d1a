// The job of `async-io`: asks a service for each record, 10,000 at a time, and takes the answers as they come.
import { generatorSource, job } from 'millrace';
import { checksumSink } from './checksum-sink.ts';

const IN_FLIGHT = 10_000;
/** Those that are left at the end, fewer than fill a turn, are answered after this time. */
const REST_MS = 20;

const waiting: (() => void)[] = [];
let rest: NodeJS.Timeout | undefined;

function answerAll(): void {
  clearTimeout(rest);
  rest = undefined;
  for (const answer of waiting.splice(0)) answer();
}

/** Answers when 10,000 wait for it, so that what is measured is the work and not the waiting. */
function ask(n: number): Promise<number> {
  return new Promise((resolve) => {
    waiting.push(() => resolve((n * 31) % 1_009));
    if (waiting.length === IN_FLIGHT) answerAll();
    else rest ??= setTimeout(answerAll, REST_MS);
  });
}

export default job((env, args) => {
  env
    .setParallelism(1)
    .fromSource(
      generatorSource((index) => index, { count: args.number('count') }),
      { uid: 'questions' },
    )
    .unorderedWait({ uid: 'ask', capacity: IN_FLIGHT, asyncInvoke: ask })
    .sinkTo(
      checksumSink(args.string('report'), (answer) => answer),
      { uid: 'checksum' },
    );
});
