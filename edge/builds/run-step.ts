/** One program of a build: run out of the way of everything else, written to the log, and ended as a whole family. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { abortError, throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';

/**
 * Runs a program to its end.
 * @param what what the step does, for errors: `configuring`
 * @param onLine told each line of the output
 * @throws EdgeError `E_BUILD_FAILED` when it cannot be run or ends with another code than 0, `E_CANCELLED`.
 */
export type RunStep = (program: string, args: readonly string[], what: string, onLine?: (line: string) => void) => Promise<void>;

export interface StepRunnerOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where all output goes. */
  readonly log: Writable;
  /** Path of the log, for errors. */
  readonly logPath: string;
  readonly signal?: AbortSignal | undefined;
}

/** Time between the request to end and the kill. */
const GRACE_MS = 3000;
const KEPT_LINES = 200;
const PROBLEM = /\berror\b|not found|No such file|Killed|internal compiler/i;

/** Makes a {@link RunStep} over one log. */
export function stepRunner({ environment, log, logPath, signal }: StepRunnerOptions): RunStep {
  return async (program, args, what, onLine) => {
    throwIfAborted(signal, what);
    log.write(`$ ${[program, ...args].join(' ')}\n`);
    // A group of its own: make, ninja and the compilers end with it. At the lowest priority: models are served meanwhile.
    const child = spawn('nice', ['-n', '19', program, ...args], {
      env: { ...environment },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const tail = follow(child, log, onLine);
    const end = await ended(child, signal);
    if (signal?.aborted) throw abortError(signal, what);
    if (end === 0) return;
    const lines = tail();
    throw new EdgeError('E_BUILD_FAILED', {
      what,
      expected: `${program} to end well`,
      found: lines.find((line) => PROBLEM.test(line)) ?? lines.at(-1) ?? String(end),
      hint: `The log is ${logPath}. The packaged llama.cpp goes on serving.`,
      details: { end: String(end), log: logPath },
    });
  };
}

/** Steps done and steps in all, of a line of ninja (`[12/148] Building ...`) or make (`[ 42%] Building ...`); else undefined. */
export function parseBuildProgress(line: string): { readonly done: number; readonly total: number } | undefined {
  const ninja = /^\[(\d+)\/(\d+)\]/.exec(line);
  if (ninja) return { done: Number(ninja[1]), total: Number(ninja[2]) };
  const make = /^\[\s*(\d+)%\]/.exec(line);
  return make ? { done: Number(make[1]), total: 100 } : undefined;
}

/** Copies the output into the log; the result gives its last lines. */
function follow(child: ChildProcess, log: Writable, onLine?: (line: string) => void): () => readonly string[] {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (line) => {
      log.write(`${line}\n`);
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      onLine?.(line);
    });
  }
  return () => lines;
}

/** Exit code, signal or system error the child ended with; an aborted signal ends its whole group. */
function ended(child: ChildProcess, signal: AbortSignal | undefined): Promise<number | string> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      killGroup(child, 'SIGTERM');
      timer = setTimeout(() => killGroup(child, 'SIGKILL'), GRACE_MS);
    };
    const settle = (end: number | string): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolve(end);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    // `close` comes when all who hold the pipes are gone, the compilers too.
    child.once('close', (code, name) => settle(code ?? name ?? 'no exit code'));
    child.once('error', (error) => settle(error.message));
  });
}

function killGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch (error) {
    // ESRCH: the last of the group ended meanwhile, which is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
