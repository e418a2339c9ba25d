/** Why a candidate failed, in the planner's words: read from the error of its load, its check or its crash. Pure. */
import { REJECTION_CODES, type Rejection, type RejectionCode } from '#edge/contracts/plan.ts';
import type { EdgeError, ErrorCode } from '#edge/core/errors.ts';

/** What dynamic linkers (glibc, musl, macOS, Windows), drivers and node-llama-cpp say of a library that does not load. First match wins. */
const WORDS: readonly (readonly [pattern: RegExp, code: RejectionCode])[] = [
  [/failed to map segment from shared object|cannot allocate memory/i, 'mem-exceeds'],
  [/version [`'"]?(GLIBC|GLIBCXX|CXXABI)_[\d.]+['"]? not found|Error relocating|built for newer macOS/, 'libc-too-old'],
  [/driver version is insufficient|no CUDA-capable device|Couldn't load Vulkan|Failed to get a WebGPU adapter/, 'driver-missing'],
  [/cannot open shared object file|Error loading shared library|Library not loaded|specified module could not be found/, 'lib-missing'],
  [/undefined symbol|Symbol not found/, 'lib-missing'],
  [/NoBinaryFoundError|invalid ELF header|wrong ELF class|file too short|incompatible architecture|not a valid Win32/, 'no-binary'],
];

/** For what the words do not tell. Every other code is a candidate that was tried and did not work: `probe-crashed`. */
const CODES: Readonly<Partial<Record<ErrorCode, RejectionCode>>> = {
  E_MEMORY_BUDGET: 'mem-exceeds',
  E_MODEL_CORRUPT: 'format-mismatch',
  E_MODEL_NOT_STORED: 'not-downloaded',
  E_UNSUPPORTED: 'no-binary',
};

const SIGNALS: Readonly<Record<string, string>> = {
  SIGILL: 'an instruction that this CPU lacks, or a trap',
  SIGSEGV: 'an access to memory it does not own',
  SIGBUS: 'memory or a mapped file that went away',
  SIGABRT: 'it gave itself up',
};

const STACK_FRAME = /^(at |\d+: 0x|-----|<---)/;
/** Of what the process wrote last. */
const LAST_LINES = 3;
const MAX_DETAIL = 600;

/**
 * The rejection that a failed candidate is quarantined and shown with.
 * @param error As `EngineHost` throws it, or as `onCrash` tells it (`exit.error`). A backend that knows the reason names it in
 * `details.rejection`.
 * @returns The detail holds the message, the meaning of the signal, and the last lines that the process wrote: it is for the device's owner
 * and not for clients.
 */
export function classifyFailure(error: EdgeError): Rejection {
  const signal = SIGNALS[String(error.details?.signal)];
  const lastWords = lastLines(error.cause);
  const detail = [signal ? `${error.message} (${signal})` : error.message, lastWords].filter(Boolean).join('; last words: ');
  return { code: codeOf(error, lastWords), detail: detail.slice(0, MAX_DETAIL) };
}

function codeOf(error: EdgeError, lastWords: string): RejectionCode {
  const named = REJECTION_CODES.find((code) => code === error.details?.rejection);
  if (named) return named;
  // A file that is no model may quote anything in its message.
  const said = error.code === 'E_MODEL_CORRUPT' ? '' : `${error.message}\n${lastWords}`;
  return WORDS.find(([pattern]) => pattern.test(said))?.[1] ?? CODES[error.code] ?? 'probe-crashed';
}

/** What the process wrote, without the frames of Node's and V8's stacks below it. */
function lastLines(cause: unknown): string {
  if (typeof cause !== 'string') return '';
  const lines = cause.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '' && !STACK_FRAME.test(line))
    .slice(-LAST_LINES)
    .join(' | ');
}
