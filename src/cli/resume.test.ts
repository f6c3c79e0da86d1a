// The command that continues a run.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { resumeWords, shellCommand } from './resume.ts';

function resumed(line: string): string {
  return shellCommand(resumeWords(line.split(' ')));
}

it('continues from the latest checkpoint, with everything else as it was', () => {
  assert.equal(resumed('run job.ts'), 'run job.ts -s latest');
  assert.equal(
    resumed('run -p 2 job.ts -s a/chk-3 -- --input x -s y'),
    'run -p 2 job.ts -s latest -- --input x -s y',
  );
  assert.equal(resumed('run job.ts -slatest --fresh --discard-later-output'), 'run job.ts -s latest');
  assert.equal(resumed('run job.ts --from-savepoint=x --claim -n'), 'run job.ts -n -s latest');
});

it('can be pasted into a shell', () => {
  assert.equal(shellCommand(['run', "it's", 'a b', '$x', 'k=v']), "run 'it'\\''s' 'a b' '$x' k=v");
});
