import type { RuntimePort } from '#edge/contracts/runtime.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import type { Logger } from '#edge/core/log.ts';
import type { RpcPeer } from '#edge/core/process/rpc.ts';
import type { RuntimeMethods } from './runtime-methods.ts';

/** The device's models, called from a child process. */
export function createRuntimeClient(peer: RpcPeer<RuntimeMethods>): RuntimePort {
  return {
    generate: (request, options) => peer.stream('generate', request, options),
    embed: (request, options) => peer.call('embed', request, options),
    score: (request, options) => peer.call('score', request, options),
    runTensors: (request, options) => peer.call('runTensors', request, options),
    listModels: () => peer.call('listModels', undefined),
    listEngines: () => peer.call('listEngines', undefined),
    plan: (task) => peer.call('plan', task),
  };
}

/** The device's recorder, called from a child process; a lost record is logged, never thrown. */
export function createRecorderClient(peer: RpcPeer<RuntimeMethods>, log: Logger): Recorder {
  const lost = (error: unknown): void => log.debug('telemetry record lost', { error });
  return {
    event: (event) => void peer.call('recordEvent', event).catch(lost),
    observe: (metric, value, attributes) =>
      void peer.call('recordMetric', { metric, value, ...(attributes ? { attributes } : {}) }).catch(lost),
  };
}
