// A button that puts a text onto the clipboard, and says that it did.
import { type ReactNode, useState } from 'react';
import { useText } from '../settings.tsx';

/** `name` says what is copied; the text itself is the tooltip, as far as that can be read. */
export function Copy({ name, text }: { readonly name: string; readonly text: string }): ReactNode {
  const { t } = useText();
  const [copied, setCopied] = useState<string>();
  return (
    <button
      type="button"
      className="link small"
      title={text.slice(0, 300)}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(text))}
    >
      {copied === text ? t('copy.done') : name}
    </button>
  );
}
