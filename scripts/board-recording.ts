import os from 'node:os';
import type { DiskSpace, ProbeIo, SystemFacts } from '../edge/hardware/probe-io.ts';

/** `board.json` of a recorded board. */
export interface BoardRecording {
  readonly system: SystemFacts;
  readonly disk: DiskSpace;
  /** Files whose path a checkout on Windows could not hold. */
  readonly texts: Readonly<Record<string, string>>;
  /** Files of which only the existence counts. */
  readonly paths: readonly string[];
  /** Those that exist but may not be opened for reading and writing. */
  readonly denied?: readonly string[];
}

/** A board as files: what goes into `board.json`, below `root/` and below `commands/`. */
export interface BoardFiles {
  readonly board: BoardRecording;
  /** By absolute path on the board. */
  readonly root: ReadonlyMap<string, string>;
  /** By {@link commandFile}. */
  readonly commands: ReadonlyMap<string, string>;
}

const FILE_NAME_LENGTH = 48;
const LIBRARY_FOLDERS = /^\/(usr\/)?(local\/)?lib/;
const LIBRARIES = /^(lib(cuda|cudart|vulkan|edgetpu)\.so|ld-musl-)/;

/** Name of the file that holds a command's output. */
export function commandFile(command: string, args: readonly string[]): string {
  return `${[command, ...args]
    .join(' ')
    .replace(/[^\w.-]+/g, '_')
    .slice(0, FILE_NAME_LENGTH)}.txt`;
}

/** Passes everything through to `io` and keeps what was answered, scrubbed. */
export function recordingIo(io: ProbeIo): { readonly io: ProbeIo; files(): Promise<BoardFiles> } {
  const texts = new Map<string, string>();
  const commands = new Map<string, string>();
  const paths = new Set<string>();
  const denied = new Set<string>();
  const keep = (path: string, exists: boolean): boolean => {
    if (exists) paths.add(scrub(path));
    return exists;
  };
  const recorder: ProbeIo = {
    ...io,
    readText: async (path) => {
      const text = await io.readText(path);
      if (text !== undefined) texts.set(scrub(path), scrubFile(path, text));
      return text;
    },
    readDir: async (folder) => {
      const names = await io.readDir(folder);
      for (const name of names ?? []) keep(`${folder}/${name}`, !LIBRARY_FOLDERS.test(folder) || LIBRARIES.test(name));
      return names;
    },
    exists: async (path) => keep(path, await io.exists(path)),
    mayOpen: async (path) => {
      const [exists, mayOpen] = await Promise.all([io.exists(path), io.mayOpen(path)]);
      if (keep(path, exists) && !mayOpen) denied.add(scrub(path));
      return mayOpen;
    },
    run: async (command, args, timeoutMs) => {
      const output = await io.run(command, args, timeoutMs);
      if (output !== undefined) commands.set(commandFile(command, args), scrub(output));
      return output;
    },
  };
  return {
    io: recorder,
    files: async () => {
      const disk = (await io.disk()) ?? { freeBytes: 0, totalBytes: 0 };
      const isPlain = (path: string): boolean => !/[<>:"|?*\\]/.test(path);
      const board: BoardRecording = {
        system: io.system,
        disk,
        texts: Object.fromEntries([...texts].filter(([path]) => !isPlain(path))),
        paths: [...paths].filter((path) => !texts.has(path) && ![...texts.keys()].some((other) => other.startsWith(`${path}/`))).sort(),
        ...(denied.size > 0 ? { denied: [...denied].sort() } : {}),
      };
      return { board, root: new Map([...texts].filter(([path]) => isPlain(path))), commands };
    },
  };
}

/** Files of which the probes need a part, the rest being nobody's business: the process's state, the list of packages. */
const NEEDED_PARTS: Readonly<Record<string, RegExp>> = {
  '/proc/self/status': /^(?:Cpus|Mems)_allowed_list:.*$/gm,
  '/lib/apk/db/installed': /^P:musl\nV:.*$/gm,
};

function scrubFile(path: string, text: string): string {
  const needed = NEEDED_PARTS[path];
  return scrub(needed ? `${(text.match(needed) ?? []).join('\n')}\n` : text);
}

/**
 * Takes out what tells one machine from another of its kind: serial numbers, MAC addresses, UUIDs, ids of containers and
 * of PCI instances, and the names of host and user. Names of paths go through it as well, so that they stay equal.
 */
export function scrub(text: string): string {
  const own = [os.hostname(), os.userInfo().username].filter((name) => name.length > 2 && name !== 'root' && name !== 'localhost');
  return own
    .reduce((rest, name) => rest.replace(new RegExp(`(?<![\\w-])${name.replace(/[^\w]/g, '\\$&')}(?![\\w-])`, 'g'), 'name'), text)
    .replace(/^(Serial\s*:).*$/gim, '$1 0')
    .replace(/\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/gi, '00000000-0000-0000-0000-000000000000')
    .replace(/\b(?:[0-9a-f]{2}[:_-]){5}[0-9a-f]{2}\b/gi, '00-00-00-00-00-00')
    .replace(/\b[0-9a-f]{32,64}\b/gi, '0'.repeat(32))
    .replace(/(REV_[0-9A-F]{2})\\\\[^"]*/gi, '$1\\\\0')
    .replace(/\(id=\d+\)/g, '(id=0)');
}
