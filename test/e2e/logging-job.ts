// A job that logs from a function: a plain line, and an error of Millrace with its code.

import { generatorSource, job, MillraceError } from 'millrace';

export default job((env, args) => {
  env
    .fromSource(
      generatorSource((index) => index, { count: args.number('count', 2), ratePerSecond: 100 }),
      {
        uid: 'numbers',
      },
    )
    .rebalance()
    .process({
      uid: 'logging',
      process(n, { log }) {
        log.info('a record', { n });
        if (n === 1) log.error('a bad record', { error: new MillraceError('KEY_INVALID', 'no key') });
        return [n];
      },
    })
    .filter(() => false)
    .print();
});
