// Limit of `stateless-chain`: one function with the same three closures, the objects made in the loop.
interface Trade {
  readonly id: number;
  readonly price: number;
  readonly side: boolean;
}

const raise = (trade: Trade): Trade => ({ id: trade.id, price: trade.price + 1, side: trade.side });
const isBuy = (trade: Trade): boolean => trade.side;
const twice = (trade: Trade): Trade => ({ id: trade.id, price: trade.price * 2, side: trade.side });

export function run(count: number): number {
  let checksum = 0;
  for (let index = 0; index < count; index++) {
    const raised = raise({ id: index, price: index % 1_000, side: index % 3 !== 0 });
    if (isBuy(raised)) checksum += twice(raised).price;
  }
  return checksum;
}
