// Where the page begins.
import './style/tokens.css';
import './style/page.css';
import './style/parts.css';
import './style/panes.css';
import { onlineManager, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { StreamContext } from './live/hooks.ts';
import { LiveStream } from './live/stream.ts';
import { SettingsProvider } from './settings.tsx';

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no element #root');
// What changes comes by the stream; what is asked for is asked once, and again when the viewer looks again.
const queries = new QueryClient({ defaultOptions: { queries: { retry: 1, staleTime: 5000 } } });
const stream = new LiveStream();
// A server that has said goodbye for good is not asked any more.
onlineManager.setOnline(true);
stream.subscribe(() => onlineManager.setOnline(stream.state().connection.kind !== 'ended'));
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <SettingsProvider>
        <StreamContext value={stream}>
          <App />
        </StreamContext>
      </SettingsProvider>
    </QueryClientProvider>
  </StrictMode>,
);
