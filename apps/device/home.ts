/** The home folder: usable, and used by one device at a time. */
import { accessSync, chmodSync, constants, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { type FileLock, tryLock } from '#edge/storage/file-lock.ts';

/** What a running device tells the command line. */
export interface RunFile {
  readonly pid: number;
  /** Base URL; absent while the device does not listen. */
  readonly url?: string;
  readonly version: string;
  /** ISO 8601. */
  readonly startedAt: string;
}

export interface HomePaths {
  readonly home: string;
  readonly run: string;
  readonly data: string;
}

/** {@link findRunningDevice} of another process holds the lock for an instant; a device that holds it has a run file at once. */
const PROBE_ATTEMPTS = 10;
const PROBE_WAIT_MS = 20;

/** Takes the home folder for this process. The operating system frees it when the process ends, however it ends. */
export class HomeLease {
  readonly #run: string;
  readonly #lock: FileLock;

  private constructor(run: string, lock: FileLock) {
    this.#run = run;
    this.#lock = lock;
  }

  /** @throws EdgeError `E_HOME_UNUSABLE` or `E_HOME_IN_USE` with the pid and URL of the device that has it. */
  static take(paths: HomePaths): HomeLease {
    try {
      // Conversations and documents are nobody else's business.
      mkdirSync(paths.home, { recursive: true, mode: 0o700 });
      for (const folder of [paths.run, paths.data]) {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        chmodSync(folder, 0o700);
      }
      accessSync(paths.home, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      const code = systemErrorCode(error);
      throw new EdgeError(code === 'ENOSPC' ? 'E_DISK_FULL' : 'E_HOME_UNUSABLE', {
        what: `cannot use ${paths.home} as home folder`,
        expected: 'a folder that can be written',
        found: code ?? String(error),
        cause: error,
      });
    }
    for (let attempt = 0; ; attempt++) {
      const lock = tryLock(lockPath(paths.run));
      if (lock) return new HomeLease(paths.run, lock);
      const running = readRunFile(paths.run);
      const isHeld = running !== undefined && isAlive(running.pid);
      if (isHeld || attempt >= PROBE_ATTEMPTS) {
        throw new EdgeError('E_HOME_IN_USE', {
          what: `another device uses ${paths.home}`,
          found: isHeld ? `process ${running.pid}${running.url ? ` at ${running.url}` : ''}, since ${running.startedAt}` : 'a held lock',
        });
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PROBE_WAIT_MS);
    }
  }

  /** Tells others about this device. */
  publish(run: RunFile): void {
    writeFileSync(runFilePath(this.#run), `${JSON.stringify(run)}\n`, { mode: 0o600 });
  }

  [Symbol.dispose](): void {
    rmSync(runFilePath(this.#run), { force: true });
    this.#lock[Symbol.dispose]();
  }
}

/** The device that runs on this home now, if one does. */
export function findRunningDevice(paths: Pick<HomePaths, 'run'>): RunFile | undefined {
  if (!existsSync(lockPath(paths.run))) return undefined;
  const lock = tryLock(lockPath(paths.run));
  if (lock) {
    lock[Symbol.dispose]();
    return undefined; // Nobody holds it: the run file, if any, is of a device that was killed.
  }
  return readRunFile(paths.run);
}

function readRunFile(run: string): RunFile | undefined {
  try {
    return JSON.parse(readFileSync(runFilePath(run), 'utf8')) as RunFile;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined; // Between taking the lock and publishing.
    throw error;
  }
}

/** Signal 0 only asks (POSIX `kill`); `EPERM` means that it lives and is another user's. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemErrorCode(error) === 'EPERM';
  }
}

const lockPath = (run: string): string => join(run, 'device.lock');
const runFilePath = (run: string): string => join(run, 'device.json');
