/** Home folders in which nothing was measured yet, with the models of a real one. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openModelStore } from '#apps/device/device.ts';
import { buildsFolder } from '#edge/builds/local-builds.ts';
import { loadConfig } from '#edge/config/load.ts';
import type { Config } from '#edge/config/schema.ts';
import { silentLogger } from '#edge/core/log.ts';

export interface FreshHome extends Disposable {
  readonly config: Config;
}

/** Same models and local builds; what is measured there is forgotten with it. */
export function freshHome(original: Config): FreshHome {
  const home = emptyHome();
  symlinkSync(original.paths.store, home.config.paths.store);
  const builds = buildsFolder(original.home);
  if (existsSync(builds)) symlinkSync(builds, buildsFolder(home.config.home));
  return home;
}

/** The models as they were downloaded: without those that a device makes of them, and without local builds. */
export function newDevice(original: Config): FreshHome {
  const home = emptyHome();
  const { store } = home.config.paths;
  mkdirSync(join(store, 'blobs'), { recursive: true });
  for (const blob of readdirSync(join(original.paths.store, 'blobs'))) {
    symlinkSync(join(original.paths.store, 'blobs', blob), join(store, 'blobs', blob));
  }
  for (const { model, variant, kept } of openModelStore(original, silentLogger).list()) {
    const manifest = join('manifests', model, `${variant}.json`);
    if (kept || !existsSync(join(original.paths.store, manifest))) continue;
    mkdirSync(join(store, dirname(manifest)), { recursive: true });
    cpSync(join(original.paths.store, manifest), join(store, manifest));
  }
  return home;
}

function emptyHome(): FreshHome {
  const home = mkdtempSync(join(tmpdir(), 'nearside-bench-'));
  const config = loadConfig({ home, overrides: { store: { directory: join(home, 'models') } } });
  return { config, [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }) };
}
