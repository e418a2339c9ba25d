import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** Builds the chat into `dist/`: no inline script, no data URI, no request to another host, so that a strict CSP holds. */
// biome-ignore lint/style/noDefaultExport: Vite reads the default export
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  logLevel: 'warn',
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // light-dark() is supported by these; older targets would get it rewritten into twice the CSS.
    cssTarget: ['chrome123', 'firefox128', 'safari17.5'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
