// Where configuration comes from: command line over environment over file.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { configurationFile, readConfiguration } from './configuration.ts';

function folder(test: TestContext, files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  test.after(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

function read(workingDirectory: string, environment: Record<string, string> = {}, commandLine = {}) {
  return readConfiguration({ commandLine, environment, workingDirectory });
}

describe('configuration from outside', () => {
  it('lets the command line win over the environment and the environment over the file', async (test) => {
    const path = folder(test, {
      'conf/config.yaml':
        'parallelism.default: 2\nexecution:\n  checkpointing:\n    interval: 2 s\n    timeout: 1 min\n',
    });
    const environment = {
      MILLRACE_PARALLELISM_DEFAULT: '3',
      MILLRACE_EXECUTION_CHECKPOINTING_INTERVAL: '3 s',
    };
    const configuration = await read(path, environment, { 'parallelism.default': 4 });
    assert.equal(configuration.get('parallelism.default'), 4);
    assert.equal(configuration.get('execution.checkpointing.interval'), 3_000);
    assert.equal(configuration.get('execution.checkpointing.timeout'), 60_000);
    assert.equal(configuration.origin('execution.checkpointing.timeout'), 'file');
  });

  it('reads a program as configuration file', async (test) => {
    const path = folder(test, { 'millrace.config.mjs': "export default { 'parallelism.default': 5 };" });
    assert.equal((await read(path)).get('parallelism.default'), 5);
  });

  it('reads many keys from MILLRACE_PROPERTIES, under single variables', async (test) => {
    const MILLRACE_PROPERTIES = 'parallelism.default: 6\nrest.port: 9000';
    const configuration = await read(folder(test, {}), { MILLRACE_PROPERTIES, MILLRACE_REST_PORT: '9001' });
    assert.equal(configuration.get('parallelism.default'), 6);
    assert.equal(configuration.get('rest.port'), 9_001);
  });

  it('looks only where MILLRACE_CONF_DIR says', async (test) => {
    const path = folder(test, { 'conf/config.yaml': 'rest.port: 1', 'other/config.yaml': 'rest.port: 2' });
    const configuration = await read(path, { MILLRACE_CONF_DIR: join(path, 'other') });
    assert.equal(configuration.get('rest.port'), 2);
    assert.throws(() => configurationFile(path, join(path, 'nowhere')), { code: 'CONFIG_FILE_INVALID' });
  });

  it('refuses two files in one place', (test) => {
    const path = folder(test, { 'conf/config.yaml': '', 'millrace.config.mjs': '' });
    assert.throws(() => configurationFile(path, undefined), {
      message: /two configuration files: millrace\.config\.mjs and conf\/config\.yaml/,
    });
  });

  it('refuses what is no configuration', async (test) => {
    await assert.rejects(read(folder(test, { 'conf/config.yaml': '- a' })), { code: 'CONFIG_FILE_INVALID' });
    await assert.rejects(read(folder(test, { 'conf/config.yaml': 'a: [' })), { code: 'CONFIG_FILE_INVALID' });
    await assert.rejects(read(folder(test, { 'millrace.config.mjs': 'export const a = 1;' })), {
      message: /the default export of millrace\.config\.mjs/,
    });
    await assert.rejects(read(folder(test, { 'millrace.config.mjs': 'throw new Error("x")' })), {
      message: /cannot be loaded/,
    });
  });

  it('tells a misspelt variable from one that belongs to the job', async (test) => {
    const path = folder(test, {});
    await assert.rejects(read(path, { MILLRACE_PARALELISM_DEFAULT: '3' }), {
      code: 'CONFIG_UNKNOWN_KEY',
      message: /MILLRACE_PARALLELISM_DEFAULT/,
    });
    assert.equal((await read(path, { MILLRACE_MY_OWN: 'x' })).get('parallelism.default'), 1);
  });
});
