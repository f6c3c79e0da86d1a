// "Start a job": a bundle is uploaded and run, with the token that whoever may run code in the cluster has.
import { type ReactNode, useId, useState } from 'react';
import { useLive } from '../live/hooks.ts';
import { act } from '../live/server.ts';
import { useText } from '../settings.tsx';
import { Action } from './action.tsx';

/** See the head of the file; nothing where no jobs are taken. */
export function SubmitJob(): ReactNode {
  const { t } = useText();
  const { hello } = useLive();
  const id = useId();
  const [file, setFile] = useState<File>();
  const [words, setWords] = useState('');
  const [parallelism, setParallelism] = useState('');
  const [token, setToken] = useState('');
  if (hello?.features.submit !== true) return null;
  const start = async (): Promise<void> => {
    const form = new FormData();
    form.append('jarfile', file!);
    const { filename } = await act<{ filename: string }>('POST', '/jars/upload', form, token);
    const path = `/jars/${encodeURIComponent(filename.split('/').at(-1)!)}`;
    const how = {
      programArgsList: words.split(/\s+/).filter((word) => word !== ''),
      ...(parallelism !== '' && { parallelism: Number(parallelism) }),
    };
    try {
      await act('POST', `${path}/run`, how, token);
    } finally {
      // What runs of it goes on; kept, it would take one of the places that there are for bundles.
      await act('DELETE', path, undefined, token);
    }
  };
  return (
    <details className="card" data-part="submit">
      <summary>{t('submit.title')}</summary>
      <p className="soft">{t('submit.what')}</p>
      <pre className="code">npx millrace run -d job.ts</pre>
      <div className="submit-fields">
        <label htmlFor={`${id}-file`}>{t('submit.file')}</label>
        <input
          id={`${id}-file`}
          type="file"
          accept=".mjs,.js"
          onChange={({ target }) => setFile(target.files?.[0])}
        />
        <label htmlFor={`${id}-words`}>{t('submit.words')}</label>
        <input
          id={`${id}-words`}
          type="text"
          placeholder="--input events.jsonl"
          value={words}
          onChange={({ target }) => setWords(target.value)}
        />
        <label htmlFor={`${id}-parallelism`}>{t('submit.parallelism')}</label>
        <input
          id={`${id}-parallelism`}
          type="number"
          min={1}
          max={32_768}
          value={parallelism}
          onChange={({ target }) => setParallelism(target.value)}
        />
        <label htmlFor={`${id}-token`}>{t('submit.token')}</label>
        <input
          id={`${id}-token`}
          type="password"
          autoComplete="off"
          value={token}
          onChange={({ target }) => setToken(target.value)}
        />
      </div>
      <p className="small soft">{t('submit.token.where')}</p>
      <Action
        name={t('submit.do')}
        kind="main"
        disabled={file === undefined}
        run={start}
        done={t('submit.done')}
      />
    </details>
  );
}
