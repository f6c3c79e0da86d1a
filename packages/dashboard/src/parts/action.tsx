// A button that asks the server to do something: it says that it works, and why it failed.
import { useMutation } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useText } from '../settings.tsx';

/** The button; disabled while it works. */
export function Action({
  name,
  kind,
  run,
  done,
  disabled = false,
}: {
  readonly name: string;
  readonly kind?: 'main' | 'danger';
  readonly run: () => Promise<unknown>;
  /** What is said when the server has taken it. */
  readonly done?: string;
  readonly disabled?: boolean;
}): ReactNode {
  const { t } = useText();
  const action = useMutation({ mutationFn: run });
  return (
    <span className="row">
      <button
        type="button"
        className="button"
        data-kind={kind}
        disabled={disabled || action.isPending}
        onClick={() => action.mutate()}
      >
        {name}
      </button>
      <span role="status" className={action.isError ? 'failed' : 'soft'}>
        {action.isPending && t('action.working')}
        {action.isError && t('action.failed', { reason: action.error.message })}
        {action.isSuccess && (done ?? '')}
      </span>
    </span>
  );
}
