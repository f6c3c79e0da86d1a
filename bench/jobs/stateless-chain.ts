// The job of `stateless-chain`: map, filter, map, chained to their source and their sink.
import { job } from 'millrace';
import { addTrades } from './trades.ts';

export default job((env, args) => {
  addTrades(env, { count: args.number('count'), report: args.string('report'), batches: false });
});
