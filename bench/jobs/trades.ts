// Map, filter, map over trades, among chains of other shapes in the same thread.
import { generatorSource, type StreamExecutionEnvironment } from 'millrace';
import { checksumSink } from './checksum-sink.ts';
import { addOtherChains } from './other-chains.ts';

/** `batches`: the three functions are behind a queue, else in the chain of the source. */
export function addTrades(
  env: StreamExecutionEnvironment,
  { count, report, batches }: { count: number; report: string; batches: boolean },
): void {
  env.setParallelism(1);
  addOtherChains(env);
  const raised = env
    .fromSource(
      generatorSource((index) => ({ id: index, price: index % 1_000, side: index % 3 !== 0 }), { count }),
      { uid: 'trades' },
    )
    .map((trade) => ({ id: trade.id, price: trade.price + 1, side: trade.side }));
  if (batches) raised.startNewChain();
  raised
    .filter((trade) => trade.side)
    .map((trade) => ({ id: trade.id, price: trade.price * 2, side: trade.side }))
    .sinkTo(
      checksumSink(report, (trade) => trade.price),
      { uid: 'checksum' },
    );
}
