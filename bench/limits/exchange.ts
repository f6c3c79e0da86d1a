// Limit of `exchange`: one thread makes the records and turns each 256 of them into bytes (all strings as one text) and back.
const BATCH = 256;
const visitOf = (index: number) => ({
  user: `user-${(index * 7_919) % 1_000_003}`,
  host: `host-${index % 16}`,
  path: `/page/${index % 128}`,
  status: 200,
  bytes: index % 4_096,
  at: 1.7e12 + index,
  ok: index % 3 !== 0,
});
const [text, numbers] = [Buffer.alloc(96 * BATCH), new Float64Array(7 * BATCH)];

export function run(count: number): number {
  let checksum = 0;
  for (let from = 0; from < count; from += BATCH) {
    let [end, strings] = [7 * Math.min(BATCH, count - from), ''];
    for (let at = 0; at < end; at += 7) {
      const visit = visitOf(from + at / 7);
      numbers[at] = strings.length + visit.user.length;
      numbers[at + 1] = numbers[at]! + visit.host.length;
      numbers[at + 2] = numbers[at + 1]! + visit.path.length;
      strings += visit.user + visit.host + visit.path;
      numbers[at + 3] = visit.status;
      numbers[at + 4] = visit.bytes;
      numbers[at + 5] = visit.at;
      numbers[at + 6] = visit.ok ? 1 : 0;
    }
    const read = text.toString('latin1', 0, text.write(strings, 'latin1'));
    for (let at = 0; at < end; at += 7) {
      const user = read.slice(numbers[at - 5] ?? 0, numbers[at]);
      const host = read.slice(numbers[at], numbers[at + 1]);
      const path = read.slice(numbers[at + 1], numbers[at + 2]);
      const [status, bytes, time] = [numbers[at + 3]!, numbers[at + 4]!, numbers[at + 5]!];
      const visit = { user, host, path, status, bytes, at: time, ok: numbers[at + 6] === 1 };
      checksum += visit.bytes + visit.user.length;
    }
  }
  return checksum;
}
