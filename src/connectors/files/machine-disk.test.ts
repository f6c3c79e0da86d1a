import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { RecordingContext, RecordingState } from '../../../test/connectors/recording-context.ts';
import { SourceRun } from '../../../test/connectors/source-run.ts';
import type { Env } from '../../base/env.ts';
import { isMillraceError } from '../../base/errors.ts';
import { nodeFiles } from '../../base/files.ts';
import { recordingLog } from '../../base/log.ts';
import { PENDING_SECTION, SinkWriterOperator } from '../../operators/sink-operator.ts';
import { Kernel } from '../../testing/kernel.ts';
import { files as connectors } from './files.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-files-'));
after(() => rmSync(root, { recursive: true }));

function machineEnv(): Env {
  return { ...new Kernel({ seed: 1 }).env('task'), files: nodeFiles() };
}

describe('files on the disk of the machine', () => {
  it('are written, committed twice and read back', async () => {
    const directory = join(root, 'deep', 'inside', 'out');
    const sink = connectors.jsonLinesSink<number>(directory, { maxPartBytes: 100 });
    const env = machineEnv();
    const start = (restoredCheckpointId: number | undefined, attempt: string): Promise<void> | undefined =>
      sink.prepareJob?.({
        jobId: 'job',
        jobName: 'a job',
        uid: 'sink',
        files: env.files,
        clock: env.clock,
        log: recordingLog(),
        restoredCheckpointId,
        discardLaterOutput: false,
        checkFence: () => Promise.resolve(),
        attempt,
      });
    await start(undefined, '1-1');
    const operator = new SinkWriterOperator(sink);
    await operator.open(new RecordingContext(env));
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    for (const number of numbers) operator.record(0, number, 0);
    const state = new RecordingState();
    operator.snapshot(1, state);
    const items = await state.items(PENDING_SECTION);
    await operator.checkpointComplete(1);
    await operator.close();

    await start(1, '2-1');
    const again = new SinkWriterOperator(sink);
    const context = new RecordingContext(env, {
      restoredCheckpointId: 1,
      restored: { [PENDING_SECTION]: items },
    });
    await again.open(context);
    await again.close();

    const run = await SourceRun.start(connectors.jsonLines(directory), { env });
    await run.until(() => new Promise(setImmediate));
    await run.close();
    assert.deepEqual(
      run.values.map(Number).sort((left, right) => left - right),
      numbers,
    );
    await assert.rejects(start(undefined, '3-1') ?? Promise.resolve(), (error) =>
      isMillraceError(error, 'SINK_LATER_OUTPUT'),
    );
  });

  it('hold the bundled log: every line, in order, as a plain split gives them', async () => {
    const path = join(import.meta.dirname, '../../../examples/data/auth.log');
    const run = await SourceRun.start(connectors.lines(path), { env: machineEnv() });
    await run.until(() => new Promise(setImmediate));
    await run.close();
    const expected = readFileSync(path, 'utf8').split('\n');
    if (expected.at(-1) === '') expected.pop();
    assert.deepEqual(run.values, expected);
  });

  it('are told apart when they are missing, or a directory of directories', async () => {
    const start = (path: string): Promise<SourceRun> =>
      SourceRun.start(connectors.lines(path), { env: machineEnv() });
    await assert.rejects(start(join(root, 'none')), (error) => isMillraceError(error, 'SOURCE_FILE_MISSING'));
    await assert.rejects(start(root), (error) => isMillraceError(error, 'SOURCE_FILE_UNREADABLE'));
    await assert.rejects(start('/dev/null'), (error) => isMillraceError(error, 'SOURCE_FILE_UNREADABLE'));
  });
});
