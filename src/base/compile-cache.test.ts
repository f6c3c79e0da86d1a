import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { folderFor, safeFolder } from './compile-cache.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'millrace-compiled-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('the cache of compiled code', () => {
  it('lies where the user keeps caches', () => {
    assert.equal(folderFor({ XDG_CACHE_HOME: '/somewhere' }), '/somewhere/millrace/compiled');
    assert.match(folderFor({}), /\.cache\/millrace\/compiled$/);
  });

  it('is for nobody but its user (K1)', () => {
    const folder = join(home, 'a', 'b');
    assert.equal(safeFolder(folder), folder);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    chmodSync(folder, 0o777);
    assert.equal(safeFolder(folder), undefined);
  });

  it('is done without where it cannot be had (K1)', () => {
    const file = join(home, 'file');
    writeFileSync(file, '');
    assert.equal(safeFolder(join(file, 'compiled')), undefined);
  });

  it('is thrown away when it has become too large (K2)', () => {
    const [small, large] = [join(home, 'v1'), join(home, 'v2')];
    for (const version of [small, large]) {
      mkdirSync(version);
      writeFileSync(join(version, 'entry'), 'x');
    }
    truncateSync(join(large, 'entry'), 300 * 1024 * 1024);
    assert.equal(safeFolder(home), home);
    assert.ok(existsSync(small));
    assert.ok(!existsSync(large));
  });

  it('is used by the threads of a process, and by the processes that it starts', () => {
    const script = `
      const { inheritedEnv, useCompileCache } = await import(${JSON.stringify(new URL('./compile-cache.ts', import.meta.url))});
      const { Worker } = await import('node:worker_threads');
      const { execFileSync } = await import('node:child_process');
      const told = "process.getBuiltinModule('node:module').getCompileCacheDir()";
      useCompileCache();
      const here = (await import('node:module')).getCompileCacheDir();
      const child = execFileSync(process.execPath, ['-p', told], { env: inheritedEnv(), encoding: 'utf8' }).trim();
      new Worker('process.getBuiltinModule("node:worker_threads").parentPort.postMessage(' + told + ')', { eval: true, env: inheritedEnv() })
        .on('message', (thread) => console.log(JSON.stringify({ here, child, thread })));
    `;
    const { NODE_COMPILE_CACHE: _, ...others } = process.env;
    const env = { ...others, XDG_CACHE_HOME: home };
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      env,
      encoding: 'utf8',
    });
    const { here, child, thread } = JSON.parse(printed) as Record<string, string>;
    assert.ok(here!.startsWith(join(home, 'millrace', 'compiled')));
    assert.equal(child, here);
    assert.equal(thread, here);
    assert.ok(readdirSync(join(home, 'millrace', 'compiled')).length > 0);
  });
});
