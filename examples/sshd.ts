// What sshd says about authentication, read from the lines of a syslog file.
import { fileURLToPath } from 'node:url';

/** The log that comes with the examples. */
export const bundledLog = fileURLToPath(new URL('./data/auth.log', import.meta.url));

// The user stands between `for` and the last ` from `: it may be empty, and it may hold spaces.
const line =
  /^(\w{3} [ \d]\d [\d:]{8}) \S+ sshd\[\d+\]: (?:message repeated (\d+) times: \[ )?(Accepted|Failed) \S+ for (?:invalid user )?(.*) from (\S+) port /;

/** The logins that a line reports: none, one, or as many as sshd counted. A syslog time has no year: it is 2017, UTC. */
export function* logins(text: string) {
  const [, time, times = '1', verdict, user = '', address = ''] = line.exec(text) ?? [];
  if (time === undefined) return;
  const login = { failed: verdict === 'Failed', user, address, at: Date.parse(`${time} 2017 UTC`) };
  for (let count = Number(times); count > 0; count--) yield login;
}
