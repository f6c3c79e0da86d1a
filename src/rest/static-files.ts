/**
 * The files of the dashboard: those that lie in its folder when the first one is asked for, and nothing else.
 *
 * SF-1 A path is looked up in a list of names; it never becomes a path of the disk (no traversal).
 */

import { extname, join } from 'node:path';
import { FilesError, type Files } from '../base/env.ts';
import { sha256Hex } from '../base/hash.ts';
import type { Answer } from './router.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};
const FILES_MAX = 1_000;
const DEPTH_MAX = 8;
/** A name with a hash in it never means other bytes. */
const HASHED = /[-.][\w-]{8,}\.\w+$/;

const MISSING_PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Millrace</title></head>
<body>
<h1>The dashboard is not built</h1>
<p>This checkout has no <code>dist/dashboard</code> folder. Build it, then load this page again:</p>
<pre>npm run build</pre>
<p>Everything that the page would show is served all the same:</p>
<ul>
<li><a href="/v1/overview">/v1/overview</a> and <a href="/v1/jobs/overview">/v1/jobs/overview</a></li>
<li><a href="/v1/x/stream">/v1/x/stream</a>, the live stream</li>
<li><a href="/metrics">/metrics</a>, for Prometheus</li>
<li><a href="/openapi.json">/openapi.json</a>, all routes</li>
</ul>
</body>
</html>
`;

/** Serves the files of `folder`, and a page that says how to build it when it is missing. */
export function staticFiles(files: Files, folder: string): (path: string) => Promise<Answer | undefined> {
  let listed: Promise<ReadonlyMap<string, string>> | undefined;
  return async (path) => {
    listed ??= listAll(files, folder);
    const known = await listed;
    const name = path === '/' ? '/index.html' : path;
    const file = known.get(name);
    if (file !== undefined) return answerOf(name, await files.read(file));
    // It may be built while this runs.
    if (known.size === 0) listed = undefined;
    if (name !== '/index.html') return undefined;
    return page(503, MISSING_PAGE);
  };
}

function answerOf(name: string, bytes: Uint8Array): Answer {
  const type = TYPES[extname(name)] ?? 'application/octet-stream';
  const caching = HASHED.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache';
  const headers = { 'Cache-Control': caching, ETag: `"${sha256Hex(bytes).slice(0, 32)}"` };
  return { kind: 'bytes', status: 200, type, bytes, headers };
}

function page(status: number, html: string): Answer {
  return { kind: 'bytes', status, type: TYPES['.html']!, bytes: html };
}

/** By the path that is asked for. */
async function listAll(files: Files, folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const walk = async (directory: string, prefix: string, depth: number): Promise<void> => {
    for (const name of await namesIn(files, directory)) {
      if (found.size >= FILES_MAX || depth > DEPTH_MAX) return;
      const path = join(directory, name);
      const status = await files.stat(path);
      if (status?.kind === 'directory') await walk(path, `${prefix}/${name}`, depth + 1);
      if (status?.kind === 'file') found.set(`${prefix}/${name}`, path);
    }
  };
  await walk(folder, '', 0);
  return found;
}

async function namesIn(files: Files, directory: string): Promise<readonly string[]> {
  try {
    return await files.list(directory);
  } catch (error) {
    if (error instanceof FilesError && error.kind === 'absent') return [];
    throw error;
  }
}
