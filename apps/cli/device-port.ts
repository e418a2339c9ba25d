import type { BotPort } from '#edge/contracts/bot.ts';
import type { TelemetryStatus } from '#edge/telemetry/telemetry.ts';

/** What commands ask of a device, in this process or elsewhere. */
export interface DeviceClient extends AsyncDisposable {
  readonly bots: BotPort;
  telemetryStatus(): Promise<TelemetryStatus>;
}
