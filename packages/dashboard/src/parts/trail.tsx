// Records of a key one after the other, each with the state that it left; between them the alerts they led to.
import type { ReactNode } from 'react';
import type { KeyMoment } from '../conclusions/keys.ts';
import { useText } from '../settings.tsx';
import { Badge, Scroll } from './basic.tsx';
import { Moment } from './job.tsx';

/** The table. */
export function TrailTable({
  title,
  moments,
}: {
  readonly title: string;
  readonly moments: readonly KeyMoment[];
}): ReactNode {
  const { t } = useText();
  return (
    <Scroll label={title}>
      <table>
        <thead>
          <tr>
            <th>{t('alerts.offset')}</th>
            <th>{t('alerts.processed')}</th>
            <th>{t('tap.timestamp')}</th>
            <th>{t('tap.record')}</th>
            <th>{t('alerts.state')}</th>
          </tr>
        </thead>
        <tbody>
          {moments.map((moment, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: moments have no other identity than their place
            <TrailRow key={index} moment={moment} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function TrailRow({ moment }: { readonly moment: KeyMoment }): ReactNode {
  const { t } = useText();
  if (moment.kind === 'alert') {
    return (
      <tr data-chosen="true">
        <th scope="row">
          <Badge tone="warn">{t('lens.alert')}</Badge>
        </th>
        <td>
          <Moment at={moment.alert.at} />
        </td>
        <td colSpan={3}>{moment.alert.message}</td>
      </tr>
    );
  }
  const { step, state } = moment;
  return (
    <tr>
      <th scope="row">{step.offset === null ? '–' : <code>{step.offset}</code>}</th>
      <td>
        <Moment at={step.at} />
      </td>
      <td>{step.timestamp === null ? '–' : <Moment at={step.timestamp} />}</td>
      <td className="trail-record">
        <code>{JSON.stringify(step.record)}</code>
      </td>
      <td className="nowrap">
        {state.map(({ name, text, isChanged }) => (
          <div key={name}>
            <code>
              {name}: {isChanged ? <strong>{text}</strong> : text}
            </code>
          </div>
        ))}
      </td>
    </tr>
  );
}
