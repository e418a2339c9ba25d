import type { Context } from 'hono';
import type { RequestIdVariables } from 'hono/request-id';
import type { Config } from '#edge/config/schema.ts';
import type { BotPort } from '#edge/contracts/bot.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import type { Ledger, Recorder } from '#edge/contracts/telemetry.ts';
import type { Logger } from '#edge/core/log.ts';

/** What the endpoint needs of the device. */
export interface ServeDependencies {
  readonly runtime: RuntimePort;
  readonly bots: BotPort;
  readonly telemetry: {
    status(): Ledger & { readonly connected: boolean };
    /** Prometheus text format 0.0.4. */
    metricsText(): string;
  };
  readonly recorder: Recorder;
  readonly settings: Config['serve'];
  /** Folder of the built web chat; without it `/` lists the API. */
  readonly webRoot?: string;
  readonly version: string;
  readonly log: Logger;
}

/** Hono's types of a request: what `listen` hands in beside it, and what middleware leaves on it. */
export interface ServeEnv {
  Bindings: { readonly shutdown?: AbortSignal };
  Variables: RequestIdVariables;
}

export type ServeContext = Context<ServeEnv>;

/** Fires when the client goes away or the device gives up waiting for open answers. */
export function callSignal(c: ServeContext): AbortSignal {
  // Without a port (`app.request`) there are no bindings at all.
  const shutdown = c.env?.shutdown;
  return shutdown ? AbortSignal.any([c.req.raw.signal, shutdown]) : c.req.raw.signal;
}
