import { Device } from '#apps/device/device.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { action } from '../context.ts';
import { paint, printError, progressReporter, say } from '../terminal.ts';

/** `nearside start`: the device in the foreground. */
export const start = action(
  async ({ config, log, version, signal }) => {
    const startedAt = performance.now();
    await using device = new Device({ config, log, version });
    const missing = device.missingModels();
    if (missing.length > 0) {
      say(`fetching ${missing.map((card) => card.id).join(', ')} into ${config.paths.store} (once)`);
      const progress = progressReporter();
      try {
        await device.fetchMissingModels(progress.onProgress, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        printError(error, false);
        say('The device starts without it; "nearside pull --defaults" tries again.');
      } finally {
        progress.end();
      }
    }
    const url = await device.serve();
    say('');
    say(`  ${paint('bold', `Nearside is ready at ${url}`, process.stderr)}  (${Math.round(performance.now() - startedAt)} ms)`);
    say(`  chat      ${url}/`);
    const models = ['bot/qa', 'bot/recommend', 'bot/support', ...new Set(device.store.list().map((stored) => stored.model))];
    say(`  OpenAI    ${url}/v1   models: ${models.join(', ')}`);
    say(`  home      ${config.home}`);
    say('  Ctrl-C stops it.');
    say('');
    await stopped(signal);
    say('stopping: finishing answers, flushing telemetry');
  },
  {
    quiet: false,
    overrides: (command) => {
      const { port, host } = command.opts() as { port?: number; host?: string };
      if (port !== undefined && Number.isNaN(port))
        throw new EdgeError('E_USAGE', { what: 'bad --port', expected: 'a number from 0 to 65535' });
      return { serve: { ...(port === undefined ? {} : { port }), ...(host === undefined ? {} : { host }) } };
    },
  },
);

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
