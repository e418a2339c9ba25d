/** The device a command talks to: the one that runs on this home, over HTTP, or one opened in this process for the command. */
import { Device } from '#apps/device/device.ts';
import { findRunningDevice } from '#apps/device/home.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { CommandContext } from './context.ts';
import type { DeviceClient } from './device-port.ts';
import { HttpDevice } from './http-device.ts';
import { progressReporter, say } from './terminal.ts';

/** Another command holds the home folder only while it answers: waiting for it is better than failing. */
const WAIT_FOR_HOME_MS = 60_000;

/** Connects to the running device, or opens one; for `models: 'fetch'` the missing default models are fetched first. */
export async function connectDevice(
  context: CommandContext,
  { models = 'fetch' }: { readonly models?: 'fetch' | 'as-they-are' } = {},
): Promise<DeviceClient> {
  const { config } = context;
  const deadline = Date.now() + WAIT_FOR_HOME_MS;
  for (let told = false; ; told = true) {
    const running = findRunningDevice(config.paths);
    if (running?.url) return new HttpDevice(running.url, config.serve.keys[0]);
    try {
      return await openLocalDevice(context, models === 'fetch');
    } catch (error) {
      if (!EdgeError.is(error, 'E_HOME_IN_USE') || Date.now() > deadline) throw error;
      if (!told) say(`waiting for another nearside command on this home folder: ${error.message}`);
    }
    await sleep(250, context.signal);
  }
}

async function openLocalDevice({ config, log, version, signal }: CommandContext, fetchModels: boolean): Promise<DeviceClient> {
  const device = new Device({ config, log, version });
  const progress = progressReporter();
  try {
    if (fetchModels) await device.fetchMissingModels(progress.onProgress, signal);
  } catch (error) {
    await device[Symbol.asyncDispose]();
    throw error;
  } finally {
    progress.end();
  }
  return {
    bots: device.bots,
    telemetryStatus: async () => device.telemetry.status(),
    [Symbol.asyncDispose]: () => device[Symbol.asyncDispose](),
  };
}
