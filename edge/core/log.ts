export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Facts of a log line; foreign text is quoted by the writer. Never a prompt, an answer or a secret. */
export type LogFields = Readonly<Record<string, unknown>>;

/** One event a line, past tense: `log.warn('backend fell back', { from, to, reason })`. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger whose lines carry these fields too. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** `pretty` for people, `json` (one object a line) for machines. */
  readonly format: 'pretty' | 'json';
  readonly write: (line: string) => void;
  readonly now?: () => number;
}

/** Makes a logger over any line writer. */
export function createLogger(options: LoggerOptions, base: LogFields = {}): Logger {
  const threshold = LOG_LEVELS.indexOf(options.level);
  const emit = (level: Exclude<LogLevel, 'silent'>, event: string, fields: LogFields = {}): void => {
    if (LOG_LEVELS.indexOf(level) < threshold) return;
    const all = { ...base, ...fields };
    const time = new Date(options.now?.() ?? Date.now()).toISOString();
    options.write(
      options.format === 'json' ? `${JSON.stringify({ time, level, event, ...flattenErrors(all) })}\n` : pretty(time, level, event, all),
    );
  };
  return {
    debug: (event, fields) => emit('debug', event, fields),
    info: (event, fields) => emit('info', event, fields),
    warn: (event, fields) => emit('warn', event, fields),
    error: (event, fields) => emit('error', event, fields),
    child: (fields) => createLogger(options, { ...base, ...fields }),
  };
}

/** Says nothing. */
export const silentLogger: Logger = createLogger({ level: 'silent', format: 'json', write: () => undefined });

function flattenErrors(fields: LogFields): LogFields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? describeError(value) : value]));
}

function describeError(error: Error): unknown {
  return 'toJSON' in error && typeof error.toJSON === 'function' ? error.toJSON() : { message: error.message, stack: error.stack };
}

function pretty(time: string, level: string, event: string, fields: LogFields): string {
  const facts = Object.entries(fields).map(([key, value]) => `${key}=${format(value)}`);
  return `${time.slice(11, 19)} ${level.padEnd(5)} ${[event, ...facts].join('  ')}\n`;
}

function format(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message);
  if (typeof value === 'string') return /^[\w./:@%+-]*$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? 'undefined';
}
