/** Runs a package client (`pip`, `mvn`, `npm`) that downloads into a folder, and reads its failures. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { abortError, throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError, type ErrorCode, systemErrorCode } from '#edge/core/errors.ts';
import type { FetchContext } from './source.ts';

/**
 * A client may bring no data for this many times as long as a server may be silent: it starts an interpreter, resolves, and a mirror may
 * fetch the whole package before it sends the first byte.
 */
export const TOOL_PATIENCE = 3;
const KILL_AFTER_MS = 2000;
const LAST_WORDS_MS = 300;
const WATCH_MS = 400;
/** What clients print says nothing about the network, and Maven notes each failure in a small file: data is more than this, in bytes. */
const SIGN_OF_LIFE = 4096;
const OUTPUT_LIMIT = 16_384;

export interface ToolCall {
  readonly command: string;
  readonly args: readonly string[];
  /** Folder it writes to; its growth is progress. Also its working and temporary folder. */
  readonly folder: string;
}

/** What failed clients print, and what it means; the first match counts. */
const MEANINGS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/No space left on device|ENOSPC|Errno 28/i, 'E_DISK_FULL'],
  [/\b(E401|401 Unauthorized|401 Client Error|status code: 401)\b|Unauthorized/i, 'E_SOURCE_UNAUTHORIZED'],
  [/\b(E403|403 Forbidden|403 Client Error|status code: 403)\b|Forbidden/i, 'E_SOURCE_FORBIDDEN'],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|Connection ?(refused|reset|error|timed)|connect timed out|timed? ?out|Name or service not known|name resolution|UnknownHost|unreachable|SSL|Could not transfer/i,
    'E_SOURCE_UNAVAILABLE',
  ],
  [/No matching distribution|Could not find (a version|artifact)|E404|ETARGET|404 Not Found/i, 'E_SOURCE_NOT_FOUND'],
];

/**
 * Runs the first of the commands that is installed and returns when it has succeeded.
 * @throws EdgeError `E_SOURCE_UNAVAILABLE` when none is installed or it stays silent, else by what it printed; `E_CANCELLED`.
 */
export async function runTool(calls: readonly ToolCall[], context: FetchContext): Promise<void> {
  for (const call of calls) {
    const ended = await run(call, context);
    if (ended === 'not-installed') continue;
    return;
  }
  const names = calls.map(({ command, args }) => (args[1] === 'pip' ? `${command} -m pip` : command));
  throw new EdgeError('E_SOURCE_UNAVAILABLE', {
    what: `cannot use ${names[0]}`,
    found: `${names.join(', ')} not installed (not on the PATH)`,
  });
}

async function run(call: ToolCall, context: FetchContext): Promise<'done' | 'not-installed'> {
  throwIfAborted(context.signal, call.command);
  const env = { ...context.environment, TMPDIR: call.folder, TEMP: call.folder, TMP: call.folder };
  const child = spawn(call.command, call.args, { cwd: call.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-OUTPUT_LIMIT);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const silenceMs = context.settings.timeoutMs * TOOL_PATIENCE;
  let grownAt = performance.now();
  let silent = false;
  const stop = (): void => {
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref();
  };
  const watch = watchFolder(call.folder, (bytes, grew) => {
    if (grew) grownAt = performance.now();
    context.onBytes(Math.min(bytes, context.expected.bytes));
    if (silent || performance.now() - grownAt < silenceMs) return;
    silent = true;
    stop();
  });
  context.signal.addEventListener('abort', stop, { once: true });
  const exit = await exitOf(child);
  clearInterval(watch);
  context.signal.removeEventListener('abort', stop);
  if (context.signal.aborted) throw abortError(context.signal, call.command);
  if (exit === 0) return 'done';
  if (exit === 'ENOENT' || exit === 'EACCES' || exit === 127 || /No module named '?pip/.test(output)) return 'not-installed';
  throw toolError(call.command, exit, output, silent ? silenceMs : undefined);
}

/** Exit code, signal name or system error code, once all output was read. */
function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(systemErrorCode(error) ?? 'error'));
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
    // A grandchild that outlives a killed client holds the pipes open, and 'close' waits for it.
    child.once('exit', (code, signal) => setTimeout(resolve, LAST_WORDS_MS, code ?? signal ?? 'unknown'));
  });
}

function toolError(command: string, exit: number | string, output: string, silentMs: number | undefined): EdgeError {
  const what = `${command} could not fetch the package`;
  if (silentMs !== undefined) {
    return new EdgeError('E_SOURCE_UNAVAILABLE', { what, expected: `data within ${silentMs} ms`, found: 'none' });
  }
  const text = stripVTControlCharacters(output);
  const code = MEANINGS.find(([pattern]) => pattern.test(text))?.[1] ?? 'E_SOURCE_UNAVAILABLE';
  return new EdgeError(code, { what, found: `exit ${exit}: ${summarize(text)}` });
}

const BOILERPLATE = /^\[ERROR\]$|complete log of this run|full stack trace|Re-run Maven|For more information|\[Help \d\] http/;

/** The lines in which clients say why, shortened, without credentials of an address. */
function summarize(text: string): string {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const errors = lines.filter((line) => /^(ERROR|\[ERROR\]|npm (error|ERR!))/.test(line) && !BOILERPLATE.test(line));
  const shown = (errors.length > 0 ? errors.slice(0, 2) : lines.slice(-2)).join(' ');
  return shown.replace(/\/\/[^\s/@]+@/g, '//***@').slice(0, 400);
}

function watchFolder(folder: string, onSize: (bytes: number, grew: boolean) => void): NodeJS.Timeout {
  let last = 0;
  let busy = false;
  return setInterval(() => {
    if (busy) return;
    busy = true;
    folderSize(folder)
      .then((bytes) => {
        const grew = bytes - last >= SIGN_OF_LIFE;
        if (grew) last = bytes;
        onSize(bytes, grew);
      })
      .finally(() => {
        busy = false;
      });
  }, WATCH_MS);
}

/** Bytes of all files below a folder that others write to meanwhile. */
async function folderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      stat(join(entry.parentPath, entry.name)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
