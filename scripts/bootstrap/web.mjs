import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { NODE_MODULES, PINNED_NODE, ROOT } from './paths.mjs';
import { runQuietly } from './run.mjs';
import { fail, ticking } from './say.mjs';

const APP = join(ROOT, 'apps', 'web');
const DIST = join(APP, 'dist');
const STAMP = join(DIST, '.sources');

/** Builds the web chat with Vite when its sources changed since the last build. */
export async function ensureWebApp() {
  const hash = hashFolder(APP);
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === hash) return;
  const done = ticking('building the web chat');
  const vite = join(NODE_MODULES, 'vite', 'bin', 'vite.js');
  const { code, output } = await runQuietly(PINNED_NODE, [vite, 'build', '--config', join(APP, 'vite.config.ts'), '--logLevel', 'error'], {
    cwd: ROOT,
  });
  if (code !== 0) {
    done('failed');
    fail(`the web chat could not be built; the API works without it.\n${output}`);
    return;
  }
  compress(DIST);
  writeFileSync(STAMP, hash);
  done();
}

/** Puts a `.gz` beside each text file: the endpoint serves it to browsers that take it, without work at run time. */
function compress(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
  }
}

function hashFolder(folder) {
  const hash = createHash('sha256');
  const walk = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name === 'dist' || entry.name === 'node_modules') continue;
      const inner = join(path, entry.name);
      if (entry.isDirectory()) walk(inner);
      else hash.update(entry.name).update(readFileSync(inner));
    }
  };
  walk(folder);
  return hash.digest('hex');
}
