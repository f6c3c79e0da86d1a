// Allocations of a task's thread: sampled when somebody says so, in words, as a table and as a file.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { Profile } from '../../../../src/rest/contract.ts';
import { allocationConclusion, allocators, type HeapProfile } from '../conclusions/allocations.ts';
import { act, ask } from '../live/server.ts';
import { useText } from '../settings.tsx';
import { Action } from './action.tsx';
import { Scroll, Verdict } from './basic.tsx';
import type { ReadyJob } from './job.tsx';

const pollMs = 1000;
const rowsMax = 10;

interface HeapProps {
  readonly job: ReadyJob;
  readonly vertex: number;
  readonly subtask: number;
  readonly durationMs: number;
}

/** See the head of the file. */
export function HeapAllocations({ job, vertex, subtask, durationMs }: HeapProps): ReactNode {
  const { t } = useText();
  const queries = useQueryClient();
  const figures = job.figures.vertices[vertex]?.subtasks[subtask];
  const worker = figures?.workerId ?? '';
  const base = `/x/taskmanagers/${encodeURIComponent(worker)}/profiles`;
  const key = ['heap-profile', job.jobId, vertex, subtask];
  const { data: profile } = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => {
      const known = queries.getQueryData<Profile | null>(key);
      return known ? ask<Profile>(`${base}/${known.profileId}`, signal) : null;
    },
    refetchInterval: ({ state }) => (state.data?.status === 'IN_PROGRESS' ? pollMs : false),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const file = `${base}/${profile?.profileId}/file`;
  const { data: heap } = useQuery({
    queryKey: [...key, profile?.profileId],
    queryFn: ({ signal }) => ask<HeapProfile>(file, signal),
    enabled: profile?.status === 'COMPLETED',
    staleTime: Number.POSITIVE_INFINITY,
  });
  const take = async (): Promise<void> => {
    const body = { slot: figures?.slot, durationMs, of: 'heap' };
    queries.setQueryData(key, await act<Profile>('POST', base, body));
    await queries.invalidateQueries({ queryKey: key, exact: true });
  };
  return (
    <section className="card" data-part="heap-profile" data-status={profile?.status}>
      <header>
        <h2>{t('heap-profile.title')}</h2>
        <Action
          name={t('heap-profile.take')}
          run={take}
          disabled={job.figures.state !== 'RUNNING' || profile?.status === 'IN_PROGRESS'}
        />
      </header>
      {!profile && <p className="soft">{t('heap-profile.what', { subtask: String(subtask) })}</p>}
      {profile?.status === 'IN_PROGRESS' && <p className="soft">{t('action.working')}</p>}
      {profile?.failure !== null && profile?.failure !== undefined && (
        <p className="failed">{profile.failure}</p>
      )}
      {profile && heap && <Found profile={profile} heap={heap} file={`./v1${file}`} />}
    </section>
  );
}

interface FoundProps {
  readonly profile: Profile;
  readonly heap: HeapProfile;
  readonly file: string;
}

function Found({ profile, heap, file }: FoundProps): ReactNode {
  const { t, say } = useText();
  const found = allocators(heap);
  const all = found.reduce((sum, { bytes }) => sum + bytes, 0);
  return (
    <>
      <Verdict conclusion={allocationConclusion(found, profile.durationMs / 1000)} />
      <Scroll label={t('heap-profile.title')}>
        <table>
          <thead>
            <tr>
              <th>{t('profile.function')}</th>
              <th className="number">{t('heap-profile.bytes')}</th>
              <th className="number">{t('keys.share')}</th>
            </tr>
          </thead>
          <tbody>
            {found.slice(0, rowsMax).map(({ name, bytes }) => (
              <tr key={name}>
                <th scope="row">
                  <code>{name}</code>
                </th>
                <td className="number">{say({ kind: 'bytes', value: bytes })}</td>
                <td className="number">{say({ kind: 'share', value: bytes / all })}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="small">
        <a href={file} download>
          {t('heap-profile.download')}
        </a>
      </p>
    </>
  );
}
