// "Go on from this checkpoint": a button where a cluster runs the job, the command line where it is part of this process.
import type { ReactNode } from 'react';
import type { CheckpointSummary } from '../../../../src/rest/contract.ts';
import { isRetained } from '../conclusions/checkpoint.ts';
import { useLive } from '../live/hooks.ts';
import { act } from '../live/server.ts';
import { useText } from '../settings.tsx';
import { Action } from './action.tsx';
import { Copy } from './copy.tsx';
import type { ReadyJob } from './job.tsx';

interface RestoreProps {
  readonly job: ReadyJob;
  readonly checkpoint: CheckpointSummary;
}

/** See the head of the file; nothing for a checkpoint that is not complete. */
export function RestoreFrom({ job, checkpoint }: RestoreProps): ReactNode {
  const { t } = useText();
  const { hello } = useLive();
  const { path, checkpointId } = checkpoint;
  const retained = job.description.checkpointing?.retained ?? 0;
  if (path === null || hello === undefined) return null;
  return (
    <details data-part="restore-from">
      <summary>{t('restore.title')}</summary>
      {isRetained(checkpoint, job.checkpoints, retained) ? (
        hello.features.restoreFrom && job.figures.state === 'RUNNING' ? (
          <>
            <p className="soft">{t('restore.what')}</p>
            <Action
              name={t('restore.do', { id: String(checkpointId) })}
              kind="danger"
              confirm={t('restore.sure')}
              run={() => act('POST', `/x/jobs/${job.jobId}/restore`, { checkpointId })}
              done={t('restore.done')}
            />
          </>
        ) : (
          <Command path={path} />
        )
      ) : (
        <p className="soft">{t('restore.gone', { n: { kind: 'count', value: retained } })}</p>
      )}
    </details>
  );
}

function Command({ path }: { readonly path: string }): ReactNode {
  const { t } = useText();
  const command = `npx millrace run job.ts -s '${path}' --discard-later-output`;
  return (
    <>
      <p className="soft">{t('restore.command')}</p>
      <pre className="code">{command}</pre>
      <p className="small">
        <Copy name={t('restore.copy')} text={command} />
      </p>
    </>
  );
}
