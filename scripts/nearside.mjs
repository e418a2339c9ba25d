#!/usr/bin/env node
// `npx nearside ...` in a checkout.
process.argv.splice(2, 0, 'nearside');
await import('./bootstrap/main.mjs');
