/** Whether this Node is new enough; imports nothing, so that it loads on any Node. */

/** The oldest Node that runs Millrace: `engines` in package.json says the same. */
export const OLDEST_NODE = '22.22.0';

/** Why this version of Node cannot run Millrace, or `undefined` when it can. */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE.split('.').map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined;
  return `Millrace needs Node ${OLDEST_NODE} or newer; this is ${version}. Install a newer one, or put it in front for one command: npx -p node@24 -c "millrace …"`;
}
