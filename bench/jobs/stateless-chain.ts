// The job of `stateless-chain`: map, filter, map, chained to their source and their sink.
import { generatorSource, job } from 'millrace';
import { checksumSink } from './checksum-sink.ts';

export default job((env, args) => {
  env
    .setParallelism(1)
    .fromSource(
      generatorSource((index) => ({ id: index, price: index % 1_000, side: index % 3 !== 0 }), {
        count: args.number('count'),
      }),
      { uid: 'trades' },
    )
    .map((trade) => ({ id: trade.id, price: trade.price + 1, side: trade.side }))
    .filter((trade) => trade.side)
    .map((trade) => ({ id: trade.id, price: trade.price * 2, side: trade.side }))
    .sinkTo(
      checksumSink(args.string('report'), (trade) => trade.price),
      { uid: 'checksum' },
    );
});
