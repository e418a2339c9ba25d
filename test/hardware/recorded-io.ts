import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '#edge/core/log.ts';
import type { ProbeIo, SystemFacts } from '#edge/hardware/probe-io.ts';
import { type BoardFiles, commandFile } from '../../scripts/board-recording.ts';

const boardsFolder = fileURLToPath(new URL('../fixtures/boards/', import.meta.url));

/** What a test changes of a recording: a text replaces a file, `undefined` removes it. */
export interface RecordingChanges {
  readonly system?: Partial<SystemFacts>;
  readonly texts?: Readonly<Record<string, string | undefined>>;
}

export interface RecordedIo extends ProbeIo {
  /** Commands that were run, in order. */
  readonly commands: string[];
}

/** Names of all recorded boards. */
export function boardNames(): readonly string[] {
  return readdirSync(boardsFolder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []));
}

/** What the board's profile and plans must hold. */
export function readExpected(board: string): { readonly device: object; readonly plans: Readonly<Record<string, string | null>> } {
  return JSON.parse(readFileSync(join(boardsFolder, board, 'expected.json'), 'utf8'));
}

/**
 * A recorded board as the machine that the probes see.
 * @param board name of a recorded board, or the absolute path of a folder that holds one
 */
export function recordedIo(board: string, changes: RecordingChanges = {}): RecordedIo {
  const folder = resolve(boardsFolder, board);
  const files: BoardFiles = {
    board: JSON.parse(readFileSync(join(folder, 'board.json'), 'utf8')),
    root: readTree(join(folder, 'root')),
    commands: new Map([...readTree(join(folder, 'commands'))].map(([path, text]) => [path.slice(1), text])),
  };
  return replayIo(files, changes);
}

/** A recording, of disk or fresh, as the machine that the probes see. */
export function replayIo({ board, root, commands }: BoardFiles, changes: RecordingChanges = {}): RecordedIo {
  const texts = new Map([...root, ...Object.entries({ ...board.texts, ...changes.texts })]);
  const paths = [...[...texts].flatMap(([path, text]) => (text === undefined ? [] : path)), ...board.paths];
  const ran: string[] = [];
  return {
    system: { ...board.system, ...changes.system },
    log: silentLogger,
    commands: ran,
    readText: async (path) => texts.get(path),
    readDir: async (parent) => {
      const inside = paths.filter((path) => path.startsWith(`${parent}/`)).map((path) => path.slice(parent.length + 1).split('/')[0] ?? '');
      return inside.length === 0 ? undefined : [...new Set(inside)].sort();
    },
    exists: async (path) => paths.some((other) => other === path || other.startsWith(`${path}/`)),
    mayOpen: async (path) => paths.includes(path) && !board.denied?.includes(path),
    run: async (command, args) => {
      ran.push(command);
      return commands.get(commandFile(command, args));
    },
    disk: async () => board.disk,
    cpuTimes: () => ({ busy: 0, total: 0 }),
  };
}

/** Text of every file below a folder by its path from there, which begins with a slash; empty when there is no such folder. */
function readTree(folder: string): ReadonlyMap<string, string> {
  let entries: readonly string[];
  try {
    entries = readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? join(entry.parentPath, entry.name) : [],
    );
  } catch (error) {
    // A board without commands, or without files, has no such folder.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
    throw error;
  }
  return new Map(entries.map((path) => [path.slice(folder.length), readFileSync(path, 'utf8')]));
}
