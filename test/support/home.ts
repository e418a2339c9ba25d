import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '#edge/config/load.ts';

/** A new home folder; with `models` it shares the user's own store, which `npm test` has filled. */
export function makeHome({ models }: { readonly models: boolean }): string {
  const home = mkdtempSync(join(tmpdir(), 'nearside-home-'));
  if (models) {
    const store = loadConfig().paths.store;
    mkdirSync(store, { recursive: true });
    symlinkSync(store, join(home, 'models'));
  }
  return home;
}
