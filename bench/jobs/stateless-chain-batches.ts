// The job of `stateless-chain-batches`: that of `stateless-chain`, with a queue of batches behind the source.
import { job } from 'millrace';
import { addTrades } from './trades.ts';

export default job((env, args) => {
  addTrades(env, { count: args.number('count'), report: args.string('report'), batches: true });
});
