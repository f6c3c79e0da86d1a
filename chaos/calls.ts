// System calls that fail or take long in one process, as its kernel would make them: `strace` stands in between.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** How calls go wrong. */
export type BrokenCalls = 'io' | 'read-only' | 'slow';

/** What makes files and names last; reading goes on, as code is read too. */
const SYNCS = 'fsync,fdatasync';
const NAMES = 'mkdir,rename,link,unlink,rmdir';
const INJECTIONS: Readonly<Record<BrokenCalls, readonly string[]>> = {
  io: [`${SYNCS},rename,link:error=EIO`],
  'read-only': [`${SYNCS},${NAMES}:error=EROFS`],
  slow: [`${SYNCS},rename:delay_enter=2000000`],
};
const ATTACH_MS_MAX = 20_000;

/** Why no call can be broken here; `undefined` when it can. */
export function brokenCallsRefused(): string | undefined {
  const { status, stderr, error } = spawnSync(
    'strace',
    ['-o', '/dev/null', '-e', 'inject=rmdir:error=EIO', 'true'],
    { encoding: 'utf8' },
  );
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

/** Breaks calls of a process until the returned function is called; `undefined` when the process is gone or may not be watched. */
export async function breakCalls(pid: number, how: BrokenCalls): Promise<(() => Promise<void>) | undefined> {
  const injections = INJECTIONS[how].flatMap((each) => ['-e', `inject=${each}`]);
  const calls = INJECTIONS[how].map((each) => each.split(':')[0]).join();
  const words = ['-f', '-p', `${pid}`, '-o', '/dev/null', '-e', `trace=${calls}`, ...injections];
  const child = spawn('strace', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'close');
  if (!(await isAttached(child, ended))) {
    child.kill('SIGKILL');
    return undefined;
  }
  return async () => {
    // It lets go of the process before it ends.
    child.kill('SIGTERM');
    await ended;
  };
}

async function isAttached(child: ChildProcess, ended: Promise<unknown>): Promise<boolean> {
  const said = new Promise<boolean>((resolve) => {
    child.stderr!.on('data', (text: Buffer) => {
      if (text.includes('attached')) resolve(true);
    });
    child.on('error', () => resolve(false));
    setTimeout(() => resolve(false), ATTACH_MS_MAX).unref();
  });
  return await Promise.race([said, ended.then(() => false)]);
}
