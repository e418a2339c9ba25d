/** What every command starts from: the configuration of the global options, a logger, and how its result is printed. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { loadConfig } from '#edge/config/load.ts';
import type { Config, ConfigFile } from '#edge/config/schema.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { createLogger, type Logger } from '#edge/core/log.ts';
import { printError } from './terminal.ts';

export interface CommandContext {
  readonly config: Config;
  readonly log: Logger;
  /** True when `--json` was given. */
  readonly json: boolean;
  readonly version: string;
  /** Folder the user called from; relative paths are meant from there. */
  readonly callerDirectory: string;
  /** Fires on Ctrl-C, and when the process is asked to end or its terminal closes. */
  readonly signal: AbortSignal;
}

/** Signals that come together are one wish to stop; a later one no longer waits for an orderly end. */
const ONE_WISH_MS = 1000;

function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  let firstAt: number | undefined;
  const onSignal = (): void => {
    firstAt ??= performance.now();
    if (performance.now() - firstAt > ONE_WISH_MS) process.exit(130);
    controller.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  return controller.signal;
}

/** Version of the package, read once. */
export const VERSION: string = (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
  .version;

/**
 * Wraps a command's work: loads the configuration, prints a coded error, and sets the exit code
 * (0 done, 1 failed, 130 interrupted; commander itself exits with 2 for a wrong command line).
 * @param overrides - settings that options of the command stand for
 * @param quiet - logs warnings only, for commands that print data
 */
export function action<Args extends readonly unknown[]>(
  work: (context: CommandContext, ...args: Args) => Promise<void>,
  { overrides, quiet = true }: { readonly overrides?: (command: Command) => ConfigFile; readonly quiet?: boolean } = {},
): (...all: readonly unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all.at(-1) as Command;
    const args = all.slice(0, -1) as unknown as Args;
    const options = command.optsWithGlobals() as { home?: string; json?: boolean; verbose?: boolean };
    const interrupt = interruptSignal();
    try {
      const config = loadConfig({ home: options.home, overrides: overrides?.(command) ?? {} });
      const level = options.verbose ? 'debug' : quiet && config.log.level === 'info' ? 'warn' : config.log.level;
      const log = createLogger({ level, format: config.log.format, write: (line) => void process.stderr.write(line) });
      await work(
        {
          config,
          log,
          json: options.json ?? false,
          version: VERSION,
          callerDirectory: config.environment.NEARSIDE_CALLER_DIR ?? process.cwd(),
          signal: interrupt,
        },
        ...args,
      );
    } catch (error) {
      if (interrupt.aborted) {
        process.exitCode = 130;
        return;
      }
      printError(error, options.json ?? false);
      process.exitCode = EdgeError.is(error, 'E_USAGE') ? 2 : 1;
    }
  };
}
