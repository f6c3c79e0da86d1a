// The phases of one recovery on a line of time, from the failure to having caught up.
import type { ReactNode } from 'react';
import type { Recovery } from '../../../../src/rest/contract.ts';
import { phaseStretches } from '../conclusions/recovery.ts';
import { useNow } from '../live/hooks.ts';
import { useText } from '../settings.tsx';

/** The line and, under it, how long each phase took. */
export function RecoveryLine({ recovery }: { readonly recovery: Recovery }): ReactNode {
  const { t, say } = useText();
  const now = useNow();
  const stretches = phaseStretches(recovery, now);
  const totalMs = Math.max(1, ...stretches.map(({ toMs }) => toMs));
  return (
    <div className="recovery">
      <div className="recovery-line">
        <span className="recovery-start" title={t('recovery.failure')}>
          ✕
        </span>
        {stretches.map(({ phase, fromMs, toMs, isOpen }, index) => (
          <i
            // biome-ignore lint/suspicious/noArrayIndexKey: a phase may come twice, in its order
            key={index}
            data-phase={phase}
            data-open={isOpen}
            style={{ left: `${(fromMs / totalMs) * 100}%`, width: `${((toMs - fromMs) / totalMs) * 100}%` }}
            title={`${t(`phase.${phase}`)}: ${say({ kind: 'duration', ms: toMs - fromMs })}`}
          />
        ))}
      </div>
      <ol className="phases">
        {stretches.map(({ phase, fromMs, toMs, isOpen }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a phase may come twice, in its order
          <li key={index} data-open={isOpen}>
            <i className="swatch" data-phase={phase} />
            <span>{t(`phase.${phase}`)}</span>
            <b className="number">
              {isOpen && '… '}
              {say({ kind: 'duration', ms: toMs - fromMs })}
            </b>
            <span className="soft small">{t(`phase.${phase}.what`)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
