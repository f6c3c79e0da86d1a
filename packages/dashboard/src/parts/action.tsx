// A button that asks the server to do something: it says that it works, and why it failed.
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { useText } from '../settings.tsx';

/** How long a button that has to be pressed twice waits for the second time. */
const confirmMsMax = 5000;

/** The button; disabled while it works. */
export function Action({
  name,
  kind,
  run,
  done,
  disabled = false,
  confirm,
}: {
  readonly name: string;
  readonly kind?: 'main' | 'danger';
  readonly run: () => Promise<unknown>;
  /** What is said when the server has taken it. */
  readonly done?: string;
  readonly disabled?: boolean;
  /** What the button says after the first press, when it has to be pressed twice. */
  readonly confirm?: string;
}): ReactNode {
  const { t } = useText();
  const action = useMutation({ mutationFn: run });
  const [isAsking, setAsking] = useState(false);
  useEffect(() => {
    if (!isAsking) return undefined;
    const timer = window.setTimeout(() => setAsking(false), confirmMsMax);
    return () => window.clearTimeout(timer);
  }, [isAsking]);
  const press = (): void => {
    if (confirm !== undefined && !isAsking) setAsking(true);
    else {
      setAsking(false);
      action.mutate();
    }
  };
  return (
    <span className="row">
      <button
        type="button"
        className="button"
        data-kind={isAsking ? 'danger' : kind}
        disabled={disabled || action.isPending}
        onClick={press}
      >
        {isAsking ? confirm : name}
      </button>
      <span role="status" className={action.isError ? 'failed' : 'soft'}>
        {action.isPending && t('action.working')}
        {action.isError && t('action.failed', { reason: action.error.message })}
        {action.isSuccess && (done ?? '')}
      </span>
    </span>
  );
}
