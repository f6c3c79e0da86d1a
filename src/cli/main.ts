#!/usr/bin/env node
/** The command `millrace`. Looks at the version of Node before it loads anything that needs a new one. */

import { nodeVersionProblem } from './node-version.ts';

const problem = nodeVersionProblem(process.versions.node);
if (problem !== undefined) {
  process.stderr.write(`millrace: ${problem}\n`);
  process.exitCode = 2;
} else {
  const { useCompileCache } = await import('../base/compile-cache.ts');
  useCompileCache();
  const { runCommandLine } = await import('./command-line.ts');
  process.exitCode = await runCommandLine(process.argv.slice(2));
}
