// The rules of alerts: when there is one of each kind, and what the same is called in Prometheus.
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useRef } from 'react';
import type { Alert, AlertKind, AlertRulesAnswer } from '../../../../src/rest/contract.ts';
import { ruleSaying, severityTones } from '../conclusions/alert.ts';
import { ask } from '../live/server.ts';
import { useText } from '../settings.tsx';
import { Badge, Said, Scroll } from './basic.tsx';

/** `chosen`: the kind that somebody wants to see. */
export function AlertRules({ chosen }: { readonly chosen: AlertKind | undefined }): ReactNode {
  const { t } = useText();
  const { data } = useQuery({
    queryKey: ['alert-rules'],
    queryFn: ({ signal }) => ask<AlertRulesAnswer>('/x/alerts/rules', signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const row = useRef<HTMLTableRowElement>(null);
  const isThere = data !== undefined;
  useEffect(() => {
    if (chosen === undefined || !isThere) return;
    row.current?.scrollIntoView({ block: 'center' });
    row.current?.focus({ preventScroll: true });
  }, [chosen, isThere]);
  if (data === undefined) return null;
  return (
    <details key={chosen} className="card" data-part="alert-rules" open={chosen !== undefined}>
      <summary>{t('alert-rules.title')}</summary>
      <Scroll label={t('alert-rules.title')}>
        <table>
          <thead>
            <tr>
              <th>{t('alert-rules.severity')}</th>
              <th className="rule-when">{t('alert-rules.when')}</th>
              <th>{t('alert-rules.prometheus')}</th>
            </tr>
          </thead>
          <tbody>
            {data.entries.map((rule) => (
              <tr
                key={rule.kind}
                data-rule={rule.kind}
                data-chosen={rule.kind === chosen}
                tabIndex={-1}
                ref={rule.kind === chosen ? row : undefined}
              >
                <td>
                  <Severity of={rule.severity} />
                </td>
                <td>
                  <Said saying={ruleSaying(rule)} />
                </td>
                <td className="nowrap">
                  {rule.prometheus === null ? (
                    <span className="soft">–</span>
                  ) : (
                    <code>{rule.prometheus}</code>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}

/** How grave it is; `null`: whoever raises it says. */
export function Severity({ of }: { readonly of: Alert['severity'] | null }): ReactNode {
  const { t } = useText();
  if (of === null) return <Badge>{t('alert-rules.severity.own')}</Badge>;
  return <Badge tone={severityTones[of]}>{t(`alert.severity.${of}`)}</Badge>;
}
