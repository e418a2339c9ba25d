import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '#edge/core/log.ts';
import type { DiskSpace, ProbeIo, SystemFacts } from '#edge/hardware/probe-io.ts';

const boardsFolder = fileURLToPath(new URL('../fixtures/boards/', import.meta.url));

interface Recording {
  readonly system: SystemFacts;
  readonly disk: DiskSpace;
  /** Files whose path a checkout on Windows could not hold. */
  readonly texts: Readonly<Record<string, string>>;
  /** Files of which only the existence counts. */
  readonly paths: readonly string[];
}

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

/** A recorded board as the machine that the probes see. */
export function recordedIo(board: string, changes: RecordingChanges = {}): RecordedIo {
  const recording: Recording = JSON.parse(readFileSync(join(boardsFolder, board, 'board.json'), 'utf8'));
  const texts = new Map(Object.entries({ ...readTree(join(boardsFolder, board, 'root')), ...recording.texts, ...changes.texts }));
  const paths = [...[...texts].flatMap(([path, text]) => (text === undefined ? [] : path)), ...recording.paths];
  const outputs = readTree(join(boardsFolder, board, 'commands'));
  const commands: string[] = [];
  return {
    system: { ...recording.system, ...changes.system },
    log: silentLogger,
    commands,
    readText: async (path) => texts.get(path),
    readDir: async (folder) => {
      const inside = paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1).split('/')[0] ?? '');
      return inside.length === 0 ? undefined : [...new Set(inside)];
    },
    exists: async (path) => paths.includes(path),
    run: async (command) => {
      commands.push(command);
      return outputs[`/${command}.txt`];
    },
    disk: async () => recording.disk,
    cpuTimes: () => ({ busy: 0, total: 0 }),
  };
}

function readTree(folder: string): Readonly<Record<string, string>> {
  let entries: readonly string[];
  try {
    entries = readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? join(entry.parentPath, entry.name) : [],
    );
  } catch (error) {
    // A board without commands, or without files, has no such folder.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
  return Object.fromEntries(entries.map((path) => [path.slice(folder.length), readFileSync(path, 'utf8')]));
}
