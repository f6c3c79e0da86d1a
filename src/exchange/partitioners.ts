/** The partitioners by name; what each does stands in `exchange/router.ts`. After Flink's `StreamPartitioner`s. */

/** How records of one edge choose among the channels to the consumer's subtasks. */
export type PartitionerKind =
  | 'forward'
  | 'rebalance'
  | 'rescale'
  | 'shuffle'
  | 'broadcast'
  | 'global'
  | 'key-group'
  | 'custom';

/** True for edges that connect each producer to some consumers only: channels are wired pointwise. */
export function isPointwise(kind: PartitionerKind): boolean {
  return kind === 'forward' || kind === 'rescale';
}

/** I-U1: pointwise and broadcast edges always align. */
export function supportsUnaligned(kind: PartitionerKind): boolean {
  return !isPointwise(kind) && kind !== 'broadcast';
}

/** The consumers that producer `producer` of `producers` is wired to, ascending, after Flink's rule for POINTWISE and ALL_TO_ALL. */
export function consumersOf(
  kind: PartitionerKind,
  producer: number,
  producers: number,
  consumers: number,
): number[] {
  const found: number[] = [];
  for (let consumer = 0; consumer < consumers; consumer++) {
    if (producersOf(kind, consumer, producers, consumers).includes(producer)) found.push(consumer);
  }
  return found;
}

/** The producers that consumer `consumer` is wired to, ascending. */
export function producersOf(
  kind: PartitionerKind,
  consumer: number,
  producers: number,
  consumers: number,
): number[] {
  const found: number[] = [];
  for (let producer = 0; producer < producers; producer++) {
    if (!isPointwise(kind) || isWired(producer, consumer, producers, consumers)) found.push(producer);
  }
  return found;
}

function isWired(producer: number, consumer: number, producers: number, consumers: number): boolean {
  if (producers >= consumers) {
    const from = Math.floor((consumer * producers) / consumers);
    const to = Math.floor(((consumer + 1) * producers) / consumers);
    return producer >= from && producer < to;
  }
  const from = Math.ceil((producer * consumers) / producers);
  const to = Math.ceil(((producer + 1) * consumers) / producers);
  return consumer >= from && consumer < to;
}
