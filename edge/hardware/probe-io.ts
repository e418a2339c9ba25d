import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, open, readdir, statfs } from 'node:fs/promises';
import os from 'node:os';
import { systemErrorCode } from '#edge/core/errors.ts';
import { readGlibcVersion } from '#edge/core/glibc.ts';
import { type Logger, silentLogger } from '#edge/core/log.ts';

/** More than any kernel file holds: `/proc/cpuinfo` takes 2 kB a core. What lies beyond is cut off. */
const MOST_TEXT_BYTES = 4 * 1024 * 1024;
/** A command that says more is given up. */
const MOST_OUTPUT_BYTES = 1024 * 1024;

/** Bytes of one file system. */
export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** CPU time of all cores since the machine started, in one unit for both numbers. */
export interface CpuTimes {
  /** Work of any kind, and what a hypervisor gave to others (steal): time that a new engine would not get. */
  readonly busy: number;
  readonly total: number;
}

/** What Node.js itself knows of the machine; used where no file tells. */
export interface SystemFacts {
  readonly platform: string;
  /** `process.arch` spelling. */
  readonly arch: string;
  readonly cpuModel: string;
  readonly logicalCores: number;
  readonly totalMemoryBytes: number;
  readonly freeMemoryBytes: number;
  /** Version of the glibc this process runs on; absent on musl and outside Linux. */
  readonly glibcVersion?: string;
}

/**
 * All that a probe may touch, so that a recorded board can stand in for a machine.
 * Nothing here throws: what cannot be read is `undefined`, and the reason goes to `log` at debug.
 */
export interface ProbeIo {
  readonly system: SystemFacts;
  readonly log: Logger;
  /** At most the first 4 MiB; bytes that are no UTF-8 become U+FFFD. */
  readText(path: string): Promise<string | undefined>;
  /** Names in a folder, sorted. */
  readDir(path: string): Promise<readonly string[] | undefined>;
  exists(path: string): Promise<boolean>;
  /** True when this process may open a device node for reading and writing. */
  mayOpen(path: string): Promise<boolean>;
  /** Standard output of a command that ended with 0 within `timeoutMs`. */
  run(command: string, args: readonly string[], timeoutMs: number): Promise<string | undefined>;
  /** The file system that holds the device's data. */
  disk(): Promise<DiskSpace | undefined>;
  /** CPU time so far as Node.js reports it. */
  cpuTimes(): CpuTimes;
}

export interface SystemIoOptions {
  /** Any path on the file system whose space counts. Defaults to the working directory. */
  readonly diskPath?: string;
  /** Defaults to silence. */
  readonly log?: Logger;
}

/** The machine this process runs on. */
export function systemIo(options: SystemIoOptions = {}): ProbeIo {
  const log = options.log ?? silentLogger;
  const orAbsent = async <T>(what: string, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      log.debug('probe source absent', { source: what, code: systemErrorCode(error) ?? String(error) });
      return undefined;
    }
  };
  return {
    system: readSystemFacts(),
    log,
    readText: (path) => orAbsent(path, () => readBounded(path)),
    readDir: (path) => orAbsent(path, async () => (await readdir(path)).sort()),
    exists: async (path) => (await orAbsent(path, () => access(path).then(() => true))) ?? false,
    mayOpen: async (path) => (await orAbsent(path, () => access(path, constants.R_OK | constants.W_OK).then(() => true))) ?? false,
    run: (command, args, timeoutMs) => orAbsent(command, () => runCommand(command, args, timeoutMs)),
    disk: () =>
      orAbsent('statfs', async () => {
        const space = await statfs(options.diskPath ?? process.cwd());
        return { freeBytes: space.bavail * space.bsize, totalBytes: space.blocks * space.bsize };
      }),
    cpuTimes: sumCpuTimes,
  };
}

function sumCpuTimes(): CpuTimes {
  const times = os.cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({ busy: user + nice + sys + irq, idle }));
  const busy = times.reduce((sum, core) => sum + core.busy, 0);
  return { busy, total: times.reduce((sum, core) => sum + core.idle, busy) };
}

function readSystemFacts(): SystemFacts {
  const glibcVersion = process.platform === 'linux' ? readGlibcVersion() : undefined;
  return {
    platform: process.platform,
    arch: process.arch,
    cpuModel: os.cpus()[0]?.model.trim() ?? '',
    logicalCores: Math.max(1, os.cpus().length),
    totalMemoryBytes: os.totalmem(),
    freeMemoryBytes: os.freemem(),
    ...(glibcVersion === undefined ? {} : { glibcVersion }),
  };
}

async function readBounded(path: string): Promise<string> {
  // Without O_NONBLOCK a pipe in the place of a file would block a thread of Node.js for ever.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    // Kernel files say that they have no size: only reading to the end tells.
    while (length < MOST_TEXT_BYTES) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(Math.min(65_536, MOST_TEXT_BYTES - length)), 0);
      if (bytesRead === 0) break;
      chunks.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    await file.close();
  }
}

function runCommand(command: string, args: readonly string[], timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      command,
      [...args],
      { timeout: timeoutMs, maxBuffer: MOST_OUTPUT_BYTES, killSignal: 'SIGKILL', windowsHide: true },
      (error, stdout) => (error ? reject(error) : resolve(stdout)),
    );
  });
}
