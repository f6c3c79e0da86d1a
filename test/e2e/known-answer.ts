// The right alerts for an sshd log, computed the naive way; imports nothing of Millrace or of the examples.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../architecture/read.ts';

/** An alert as the job writes it. */
export interface Alert {
  readonly key: string;
  readonly count: number;
  readonly at: number;
}

/** What each line of the log says. */
export interface Authentication {
  readonly failed: boolean;
  readonly user: string;
  readonly address: string;
  readonly at: number;
}

/** The bundled log. */
export const bundledLog = join(root, 'examples', 'data', 'auth.log');

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** The authentications of a log, in the order of its lines. */
export function authentications(log: string): Authentication[] {
  const found: Authentication[] = [];
  for (const raw of log.split('\n')) {
    const line = raw.replace(/\r$/, '');
    const at = line.indexOf('sshd[');
    const verb = Math.max(line.indexOf('Failed '), line.indexOf('Accepted '));
    const from = line.lastIndexOf(' from ');
    const middle = line.indexOf(' for ', verb);
    if (at < 0 || verb < 0 || middle < 0 || from < 0) continue;
    let user = line.slice(middle + 5, from);
    if (user.startsWith('invalid user ')) user = user.slice('invalid user '.length);
    const repeated = /message repeated (\d+) times/.exec(line);
    const [hour, minute, second] = line.slice(7, 15).split(':').map(Number);
    const event = {
      failed: line.startsWith('Failed ', verb),
      user,
      address: line.slice(from + 6).split(' ')[0] ?? '',
      at: Date.UTC(2017, months.indexOf(line.slice(0, 3)), Number(line.slice(4, 6)), hour, minute, second),
    };
    for (let count = repeated === null ? 1 : Number(repeated[1]); count > 0; count--) found.push(event);
  }
  return found;
}

/** The alerts of a log, in the order of its lines. */
export function alertsOf(log: string, key: 'address' | 'user'): Alert[] {
  const failures = new Map<string, number>();
  return authentications(log).flatMap((event) => {
    const count = event.failed ? (failures.get(event[key]) ?? 0) + 1 : 0;
    failures.set(event[key], count);
    return count >= 3 ? [{ key: event[key], count, at: event.at }] : [];
  });
}

/** The alerts of the bundled log. */
export function knownAnswer(key: 'address' | 'user' = 'address'): Alert[] {
  return alertsOf(readFileSync(bundledLog, 'utf8'), key);
}
