// Limit of `keyed-count-2-slots`: one thread, a `Map`, string keys in records of seven fields made in the loop.
interface Login {
  readonly user: string;
  readonly host: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly at: number;
  readonly ok: boolean;
}

const loginOf = (index: number): Login => ({
  user: `user-${(index * 7_919) % 1_000_003}`,
  host: `host-${index % 16}`,
  path: `/page/${index % 128}`,
  status: 200,
  bytes: index % 4_096,
  at: index,
  ok: index % 3 !== 0,
});

export function run(count: number): number {
  const counts = new Map<string, number>();
  let checksum = 0;
  for (let index = 0; index < count; index++) {
    const { user } = loginOf(index);
    const next = (counts.get(user) ?? 0) + 1;
    counts.set(user, next);
    checksum += { user, count: next }.count;
  }
  return checksum;
}
