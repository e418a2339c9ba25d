import { execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export function run(
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string | undefined>; input?: string; cwd?: string } = {},
): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = execFile(
      command,
      [...args],
      { cwd: options.cwd ?? ROOT, env: { ...process.env, NEARSIDE_CALLER_DIR: undefined, ...options.env }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => resolve({ code: error ? (typeof error.code === 'number' ? error.code : 128) : 0, stdout, stderr }),
    );
    child.stdin?.end(options.input ?? '');
  });
}

/** Runs `nearside` on the Node that runs the tests, which is the pinned one. */
export function nearside(
  args: readonly string[],
  options: { home: string; env?: Record<string, string | undefined>; input?: string; cwd?: string },
): Promise<RunResult> {
  return run(process.execPath, [join(ROOT, 'apps/cli/main.ts'), ...args], {
    ...options,
    env: { NEARSIDE_HOME: options.home, ...options.env },
  });
}

/** The system's own `node`: the first on PATH that is not the pinned one. */
export function systemNode(): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, 'node');
    if (folder.includes('node_modules')) continue;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** A device in a process of its own. */
export interface RunningDevice extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** What it wrote to stderr so far. */
  log(): string;
  /** Asks it to stop, and resolves to its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `nearside start` on a free port and waits until it says that it is ready. */
export async function startDevice(options: {
  home: string;
  env?: Record<string, string | undefined>;
  args?: readonly string[];
}): Promise<RunningDevice> {
  const child = spawn(process.execPath, [join(ROOT, 'apps/cli/main.ts'), 'start', '--port', '0', ...(options.args ?? [])], {
    cwd: ROOT,
    env: {
      ...process.env,
      NEARSIDE_HOME: options.home,
      NEARSIDE_FLEET_MQTT_PORT: '0',
      // Measuring takes the cores that the other tests need.
      NEARSIDE_RUNTIME_CALIBRATION: 'off',
      ...options.env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const ready = /ready at (http:\S+)/.exec(text);
      if (ready?.[1]) resolve(ready[1]);
    });
    void exited.then((code) => reject(new Error(`the device ended with code ${code}:\n${text}`)));
  });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    child.kill(signal);
    return exited;
  };
  return { url, pid: child.pid ?? 0, log: () => text, stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}
