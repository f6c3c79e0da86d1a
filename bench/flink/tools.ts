// Runs the tools of Java, and says so when one is not there.
import { spawnSync } from 'node:child_process';

const needs: Readonly<Record<string, string>> = {
  java: 'a JDK, 17 or newer (on Debian: openjdk-17-jdk-headless)',
  javac: 'a JDK, 17 or newer (on Debian: openjdk-17-jdk-headless)',
  mvn: 'Maven, to resolve the jars of Apache Flink (on Debian: maven)',
};

/** A program that this benchmark needs is not on the path. */
export class MissingToolError extends Error {}

/** Runs a tool to its end, its output on this terminal; throws when it is missing or fails. */
export function runTool(tool: string, args: readonly string[]): void {
  const { error, status } = spawnSync(tool, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error !== undefined) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new MissingToolError(`${tool} is not on the PATH. Needed is ${needs[tool] ?? tool}.`);
  }
  if (status !== 0) throw new Error(`${tool} ended with exit code ${status}`);
}
