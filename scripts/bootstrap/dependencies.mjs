import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NODE_MODULES, PINNED_NODE, ROOT } from './paths.mjs';
import { prune } from './prune.mjs';
import { runQuietly } from './run.mjs';
import { fail, say, ticking } from './say.mjs';

const STAMP = join(NODE_MODULES, '.nearside-setup.json');
const OLDEST_NODE = [20, 11];

/**
 * Installs the locked dependencies when they are missing or changed, then removes what this platform does not need.
 * `dev` adds the tools of `npm test`. An interrupted run leaves no stamp, so the next one begins the step again.
 */
export async function ensureDependencies({ dev }) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    fail(
      `Node ${OLDEST_NODE.join('.')} or later is needed to install Nearside, found ${process.versions.node}. Install a newer Node; Nearside then runs on its own pinned one.`,
    );
    process.exit(1);
  }
  const lock = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
  const stamp = readStamp();
  if (stamp && stamp.lock === lock && stamp.platform === platformKey() && (stamp.dev || !dev) && existsSync(PINNED_NODE)) return;

  const wantsDev = dev || Boolean(stamp?.dev);
  const done = ticking(`installing dependencies (npm ci${wantsDev ? '' : ' --omit=dev'}), about half a minute`);
  const { code, output } = await runQuietly(
    'npm',
    ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...(wantsDev ? [] : ['--omit=dev'])],
    {
      cwd: ROOT,
      shell: process.platform === 'win32',
      // These two packages would download binaries from outside the registry.
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip', NODE_LLAMA_CPP_POSTINSTALL: 'skip' },
    },
  );
  if (code !== 0 || !existsSync(PINNED_NODE)) {
    done('failed');
    fail(`npm ci did not succeed. Check the network or the npm registry setting, then run the same command again.\n${output}`);
    process.exit(1);
  }
  done();
  prune({ dev: wantsDev });
  writeFileSync(STAMP, `${JSON.stringify({ lock, platform: platformKey(), dev: wantsDev })}\n`);
  say(`running on Node ${pinnedVersion()} (system: ${process.versions.node})`);
}

function platformKey() {
  return `${process.platform}-${process.arch}`;
}

function pinnedVersion() {
  return spawnSync(PINNED_NODE, ['--version'], { encoding: 'utf8' }).stdout.trim().slice(1);
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(STAMP, 'utf8'));
  } catch {
    return undefined; // No stamp, or a torn one: the installation is done anew.
  }
}
