import { expect } from 'vitest';
import { EngineHost, type EngineHostOptions } from '#edge/backends/engine-host.ts';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import { createLogger } from '#edge/core/log.ts';
import type { ChildExit } from '#edge/core/process/child-exit.ts';

/** An engine host with what it logged and told of crashes. */
export interface ObservedHost {
  readonly host: EngineHost;
  /** Events of its log, oldest first. */
  readonly events: string[];
  readonly crashes: { readonly exit: ChildExit; readonly spec: LoadSpec }[];
}

/** Engine hosts of one test file, which end together. */
export class EngineHosts implements AsyncDisposable {
  readonly #hosts: EngineHost[] = [];

  /** A host that waits long enough for a busy machine. */
  open(options: Partial<EngineHostOptions> & { readonly spec: LoadSpec }): ObservedHost {
    const events: string[] = [];
    const crashes: ObservedHost['crashes'] = [];
    const host = new EngineHost({
      environment: process.env,
      log: createLogger({ level: 'info', format: 'json', write: (line) => events.push(JSON.parse(line).event) }),
      idleStopMs: 0,
      deadlineMs: 60_000,
      onCrash: (exit, spec) => crashes.push({ exit, spec }),
      ...options,
    });
    this.#hosts.push(host);
    return { host, events, crashes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#hosts.splice(0).map((host) => host[Symbol.asyncDispose]()));
  }
}

/** Sends a signal to the process of an engine. */
export function signalEngine(host: EngineHost, signal: NodeJS.Signals): void {
  expect(host.status.pid).toBeGreaterThan(0);
  process.kill(host.status.pid as number, signal);
}
