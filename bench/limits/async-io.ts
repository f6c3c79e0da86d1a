// Limit of `async-io`: the same service, asked for 10,000 records at a time by a loop that waits for a free place.
const IN_FLIGHT = 10_000;
const REST_MS = 20;

const waiting: (() => void)[] = [];
let rest: NodeJS.Timeout | undefined;

function answerAll(): void {
  clearTimeout(rest);
  rest = undefined;
  for (const answer of waiting.splice(0)) answer();
}

function ask(n: number): Promise<number> {
  return new Promise((resolve) => {
    waiting.push(() => resolve((n * 31) % 1_009));
    if (waiting.length === IN_FLIGHT) answerAll();
    else rest ??= setTimeout(answerAll, REST_MS);
  });
}

export async function run(count: number): Promise<number> {
  let [checksum, inFlight] = [0, 0];
  let free = (): void => {};
  const take = (answer: number): void => {
    checksum += answer;
    inFlight--;
    free();
  };
  for (let index = 0; index < count; index++) {
    while (inFlight >= IN_FLIGHT) await new Promise<void>((resolve) => (free = resolve));
    inFlight++;
    void ask(index).then(take);
  }
  while (inFlight > 0) await new Promise<void>((resolve) => (free = resolve));
  return checksum;
}
