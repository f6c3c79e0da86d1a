// Limit of `interval-join`: a `Map` of the recent orders and one of the recent payments of each account; a record looks
// through the other one, and drops what is too old from its own.
interface Entry {
  readonly key: number;
  readonly at: number;
  readonly value: number;
}

const UPPER_MS = 2_000;
const entryOf = (index: number, factor: number): Entry => ({
  key: (index * factor) % 10_007,
  at: Math.floor(index / 10),
  value: index % 1_009,
});

function remember(buffers: Map<number, Entry[]>, entry: Entry): void {
  const buffer = buffers.get(entry.key);
  if (buffer === undefined) buffers.set(entry.key, [entry]);
  else {
    while (buffer.length > 0 && buffer[0]!.at < entry.at - UPPER_MS) buffer.shift();
    buffer.push(entry);
  }
}

export function run(count: number): number {
  const [orders, payments] = [new Map<number, Entry[]>(), new Map<number, Entry[]>()];
  let checksum = 0;
  const join = (left: Entry, right: Entry): void => {
    if (right.at < left.at || right.at > left.at + UPPER_MS) return;
    checksum += left.value + 3 * right.value;
  };
  for (let index = 0; index < count / 2; index++) {
    const [order, payment] = [entryOf(index, 7_919), entryOf(index, 104_729)];
    remember(orders, order);
    for (const other of payments.get(order.key) ?? []) join(order, other);
    remember(payments, payment);
    for (const other of orders.get(payment.key) ?? []) join(other, payment);
  }
  return checksum;
}
