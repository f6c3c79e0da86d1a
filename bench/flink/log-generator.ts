// Makes the sshd log of the file to file workload: the same lines each time, a fifth of them logins as in a real one.
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const USERS = 100_000;
const LINES_PER_SECOND = 100;
const START_MS = Date.UTC(2017, 2, 1);
const CHUNK_CHARACTERS = 1 << 20;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * Writes `lines` lines, dealt in turn to `files` files in a new folder. All lines of a user are in one file, so that
 * what a user's lines come to does not depend on how the files are read side by side.
 */
export function writeLog(folder: string, { lines, files }: { lines: number; files: number }): void {
  mkdirSync(folder, { recursive: true });
  for (let file = 0; file < files; file++) {
    const target = openSync(join(folder, `auth-${file}.log`), 'w');
    let chunk = '';
    for (let index = file; index < lines; index += files) {
      chunk += `${logLine(index, { file, files })}\n`;
      if (chunk.length < CHUNK_CHARACTERS) continue;
      writeSync(target, chunk);
      chunk = '';
    }
    writeSync(target, chunk);
    closeSync(target);
  }
}

/** The line of an index: a fifth are logins, six in ten of them failed, and a few say how often they repeat. */
export function logLine(index: number, { file, files }: { file: number; files: number }): string {
  const chance = mixed(index);
  const other = mixed(chance);
  const head = `${syslogTime(Math.floor(index / LINES_PER_SECOND))} host1 sshd[${1_000 + (other % 30_000)}]: `;
  const address = `198.18.${(chance >>> 8) & 255}.${chance & 255}`;
  const port = 1_024 + (other % 60_000);
  const user = `user-${(other % (USERS / files)) * files + file}`;
  switch (chance % 10) {
    case 0:
    case 1:
      break;
    case 2:
    case 3:
      return `${head}Received disconnect from ${address} port ${port}:11: Bye Bye [preauth]`;
    case 4:
    case 5:
      return `${head}input_userauth_request: invalid user ${user} [preauth]`;
    case 6:
    case 7:
      return `${head}Invalid user ${user} from ${address}`;
    default:
      return `${head}pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=${address}  user=${user}`;
  }
  const login = (verdict: string): string =>
    `${verdict} password for ${user} from ${address} port ${port} ssh2`;
  const draw = mixed(other) % 100;
  if (draw < 40) return head + login('Accepted');
  if (draw < 98) return head + login('Failed');
  return `${head}message repeated 2 times: [ ${login('Failed')}]`;
}

let [timeSecond, timeText] = [-1, ''];

/** The time of a syslog line, kept for the lines of one second. */
function syslogTime(second: number): string {
  if (second === timeSecond) return timeText;
  const time = new Date(START_MS + second * 1_000);
  const day = String(time.getUTCDate()).padStart(2);
  timeSecond = second;
  timeText = `${MONTHS[time.getUTCMonth()]} ${day} ${time.toISOString().slice(11, 19)}`;
  return timeText;
}

/** The finalizer of MurmurHash3: spreads an index over 32 bits. */
function mixed(value: number): number {
  let hash = value + 0x9e3779b9;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
