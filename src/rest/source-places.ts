/**
 * From places in what the build has made of the engine, a few files that hold many modules, to those in its sources: by the
 * source maps beside them.
 */

import { Buffer } from 'node:buffer';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { fileURLToPath } from 'node:url';
import { FilesError, type Files } from '../base/env.ts';
import { codeFolder } from '../base/own-package.ts';

/** A line of a source; from 0 on, as V8 counts them. */
export interface SourcePlace {
  readonly file: string;
  readonly line: number;
}

/** `undefined`: what is there is not made of something else, or nothing tells of what. */
export type PlaceOf = (url: string, line: number, column: number) => SourcePlace | undefined;

/** Reads the source maps of those modules that belong to the engine. */
export async function sourcePlaces(files: Files, urls: Iterable<string>): Promise<PlaceOf> {
  const maps = new Map<string, SourceMap | undefined>();
  for (const url of urls) {
    if (maps.has(url) || !url.startsWith(codeFolder.href) || !url.endsWith('.js')) continue;
    maps.set(url, await mapOf(files, url));
  }
  return (url, line, column) => {
    const entry = maps.get(url)?.findEntry(line, column);
    if (entry === undefined || !('originalSource' in entry)) return undefined;
    return { file: entry.originalSource, line: entry.originalLine };
  };
}

async function mapOf(files: Files, url: string): Promise<SourceMap | undefined> {
  try {
    const bytes = await files.read(`${fileURLToPath(url)}.map`);
    return new SourceMap(JSON.parse(Buffer.from(bytes).toString('utf8')) as SourceMapPayload);
  } catch (error) {
    // Only what is shown of the engine's own frames depends on it.
    if (error instanceof FilesError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
