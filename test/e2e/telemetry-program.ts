// A program that runs a job by itself: as a script, or, asked for it, the logins of the examples by `execute`.
import { execute, executionEnvironment } from 'millrace';

if (process.argv[2] === undefined) {
  const env = executionEnvironment();
  env
    .fromData([1, 2, 3])
    .map((n) => n * 2)
    .print();
  console.log((await env.execute('numbers')).status);
} else {
  const { status } = await execute(new URL('../../examples/abnormal-logins.ts', import.meta.url));
  console.log(status);
}
