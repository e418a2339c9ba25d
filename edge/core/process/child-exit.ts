/** How a child ended, and the error that its callers meet for it. */
import { readFileSync } from 'node:fs';
import { EdgeError } from '../errors.ts';

export interface ChildExit {
  readonly pid: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** False when `SupervisedChild.stop` asked for it. */
  readonly unexpected: boolean;
  /** Last lines of its stderr, at most 4,000 characters. */
  readonly stderrTail: string;
  /** What calls in flight failed with: `E_ENGINE_CRASHED`, `E_MEMORY_BUDGET`, the reason of a kill, or `E_SHUTTING_DOWN`. */
  readonly error: EdgeError;
}

/** What C++, the C library, XNNPACK, ggml and V8 say of an allocation or a thread that failed, before they end the process. */
const MEMORY_WORDS =
  /bad_alloc|cannot allocate memory|out of memory|insufficient memory|failed to allocate|what\(\): +resource temporarily unavailable/i;

/**
 * The error of a child that died unasked: `E_MEMORY_BUDGET` when memory ran out, else `E_ENGINE_CRASHED`. What the child wrote is only
 * its `cause`: the error may reach a client, which a cause does not.
 * @param oomKills How often the kernel killed for want of memory while the child ran.
 */
export function crashError(name: string, exit: Pick<ChildExit, 'code' | 'signal' | 'stderrTail'>, oomKills: number): EdgeError {
  const { code, signal, stderrTail } = exit;
  const found = signal ? `killed by ${signal}` : `exit code ${code}`;
  const killedForMemory = signal === 'SIGKILL' && oomKills > 0;
  const ranOut = killedForMemory || MEMORY_WORDS.test(stderrTail);
  return new EdgeError(ranOut ? 'E_MEMORY_BUDGET' : 'E_ENGINE_CRASHED', {
    what: `${name} ${ranOut ? 'ran out of memory' : 'ended while it was needed'}`,
    expected: ranOut ? 'memory for its work' : 'a running process',
    found: killedForMemory ? `${found}, sent by the kernel's out-of-memory killer` : found,
    details: { code, signal },
    ...(stderrTail === '' ? {} : { cause: stderrTail }),
  });
}

/** Some failures of the system (no memory) are thrown by `fork`, others (no process ids left) are events of the child. */
export function startError(name: string, error: unknown): EdgeError {
  return new EdgeError('E_ENGINE_CRASHED', {
    what: `${name} could not be started`,
    found: error instanceof Error ? error.message : String(error),
    cause: error,
  });
}

/**
 * How many processes the kernel has killed for want of memory since it started, control groups included (`oom_kill` of `/proc/vmstat`, Linux
 * 4.13); 0 where nobody tells. A process cannot ask who sent the SIGKILL that ended its child.
 */
export function countOomKills(): number {
  if (process.platform !== 'linux') return 0;
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0; // No /proc: then a kill for memory is told as a plain SIGKILL.
  }
}
