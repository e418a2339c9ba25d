import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { COMPILE_CACHE, PINNED_NODE, ROOT } from './paths.mjs';

/**
 * Runs a program without a terminal and resolves to what became of it; this process goes on meanwhile, so that it can
 * say that the step still runs.
 */
export function runQuietly(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output = (output + text).slice(-20_000)));
    child.once('error', (error) => resolve({ code: -1, output: error.message }));
    child.once('close', (code) => resolve({ code: code ?? -1, output }));
  });
}

/**
 * Runs a script on the pinned Node with this terminal, and resolves to its exit code. The pinned Node comes first in
 * PATH, so that whatever the script spawns by name runs on it too. A signal is passed on and waited for.
 */
export function runPinned(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(PINNED_NODE, ['--disable-warning=ExperimentalWarning', ...args], {
      cwd: ROOT,
      stdio: 'inherit',
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        PATH: `${dirname(PINNED_NODE)}${delimiter}${process.env.PATH ?? ''}`,
        NEARSIDE_CALLER_DIR: process.env.INIT_CWD ?? process.cwd(),
      },
    });
    // A terminal sends Ctrl-C to the child as well, a service manager does not; the CLI takes two at once for one.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}
