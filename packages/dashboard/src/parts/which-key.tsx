// The way from "one subtask has too much" to the key that makes it so: a tap where the records are handed out by key.
import type { ReactNode } from 'react';
import { useLive } from '../live/hooks.ts';
import { useText } from '../settings.tsx';
import type { ReadyJob } from './job.tsx';

/** A link to the record tap before a keyed vertex; nothing where there is none. */
export function WhichKey({
  job: { description },
  vertex,
}: {
  readonly job: ReadyJob;
  readonly vertex: number;
}): ReactNode {
  const { t } = useText();
  const { hello } = useLive();
  const edge = description.edges.find(({ to, partitioner }) => to === vertex && /key|hash/.test(partitioner));
  if (edge === undefined || hello?.features.tap !== true) return null;
  return (
    <p className="small">
      <a href={`#/tap?behind=${edge.from}/${edge.fromOperator}`}>{t('skew.which-key')}</a>
    </p>
  );
}
