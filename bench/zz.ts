import { runJob } from './job-run.ts';
const [job, n, ck] = [process.argv[2]!, Number(process.argv[3]), process.argv[4] === 'true'];
const s = await runJob(job, 100000, { checkpoints: ck }); const r = await runJob(job, n, { checkpoints: ck });
console.log(process.cwd().slice(-3), job, 'cp', ck, ((n - 1e5) / (r.elapsedMs - s.elapsedMs) / 1e3).toFixed(2), 'M/s', 'cpu ns', ((r.cpuMs - s.cpuMs) * 1e6 / (n - 1e5)).toFixed(0), r.checkpoints, 'KB', (r.bytesWritten / r.checkpoints / 1e3 | 0));
process.exit(0);
