// Builds the dashboard into plain files that any server may send under `default-src 'self'`: nothing is inlined.
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  // Relative, so that the files also work behind a proxy that puts them under a path.
  base: './',
  publicDir: 'public',
  oxc: { jsx: { runtime: 'automatic' } },
  build: {
    outDir: '../../dist/dashboard',
    emptyOutDir: true,
    target: ['chrome125', 'firefox128', 'safari18'],
    // A `data:` font or script would need a hole in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      onLog(level, log, report) {
        // Directives for servers that render components; here all of it runs in the browser.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log);
      },
    },
  },
  server: {
    // `npm run dev -w @millrace/dashboard` beside `millrace run --ui`: the data come from that run.
    proxy: { '/v1': process.env['MILLRACE_UI'] ?? 'http://localhost:8081' },
  },
});
