/**
 * The main process's side of an engine: the calls of `Engine`, served by a child process that holds the native code.
 * The child starts with the first call and loads the model again after a crash or an idle stop. A call that meets a
 * crash before anything of its answer was given is made once more on a new child; only others fail.
 */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CallOptions, Engine, EngineInfo, LoadSpec } from '#edge/contracts/backend.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import type { OnProgress } from '#edge/contracts/progress.ts';
import { orAborted, throwIfAborted, withDeadline } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { type ChildState, SupervisedChild } from '#edge/core/process/child.ts';
import type { ChildExit } from '#edge/core/process/child-exit.ts';
import type { RpcCallOptions, RpcPeer } from '#edge/core/process/rpc.ts';
import type { EngineHostMethods, EngineMethods } from './engine-methods.ts';
import { childEnvironment } from './registry.ts';

export interface EngineHostOptions {
  readonly spec: LoadSpec;
  /** Environment of the device's process; the child gets it with `childEnvironment` of its backend on top. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** Stops the child after this long without a call; 0 never. */
  readonly idleStopMs: number;
  /** Time a call, or the loading of the model, may take as a whole. */
  readonly deadlineMs: number;
  /** Resident memory above which the child is replaced once it is idle; 0 never. Defaults to 0. */
  readonly maxResidentBytes?: number;
  /** Time a cancelled call has to stop its native work before the child is killed. Defaults to 5 s. */
  readonly cancelGraceMs?: number;
  /** Silence after which the child is killed; must exceed the longest native call. Defaults to 60 s. */
  readonly hangAfterMs?: number;
  /** Told when the child died unasked. */
  readonly onCrash?: (exit: ChildExit, spec: LoadSpec) => void;
}

export interface EngineHostStatus {
  readonly state: ChildState;
  readonly pid: number | undefined;
  readonly residentBytes: number;
  /** Calls in flight. */
  readonly active: number;
  /** Unexpected ends of the child so far. */
  readonly crashes: number;
  /** What the engine says of itself; absent while the model is not loaded. */
  readonly info?: EngineInfo;
}

type Peer = RpcPeer<EngineMethods>;

interface WatchedCall {
  readonly signal: AbortSignal;
  /**
   * True when the child crashed under the call, which may not have been its fault: the child may have been dead before, or another call
   * killed it. False for a crash while the model loads, which the next load would meet again, and for want of memory.
   */
  isWorthRepeating(error: unknown): boolean;
  /** Marks the call as running in the child, until the child says that it is not. */
  rpc(): RpcCallOptions;
  [Symbol.dispose](): void;
}

export class EngineHost implements Omit<Engine, 'info'> {
  readonly #options: EngineHostOptions;
  readonly #child: SupervisedChild<EngineMethods, EngineHostMethods>;
  readonly #loads = new WeakMap<Peer, Promise<EngineInfo>>();
  readonly #listeners = new Set<OnProgress>();
  #info: EngineInfo | undefined;
  #disposed = false;

  constructor(options: EngineHostOptions) {
    this.#options = options;
    const { spec, environment, log, idleStopMs, maxResidentBytes = 0, hangAfterMs, onCrash } = options;
    this.#child = new SupervisedChild<EngineMethods, EngineHostMethods>({
      name: `engine ${spec.backend}:${spec.stored.model}`,
      entry: fileURLToPath(new URL(`./engine-main${extname(import.meta.url)}`, import.meta.url)),
      args: [spec.backend, spec.stored.model],
      env: { ...environment, ...childEnvironment(spec.backend) },
      handlers: {
        progress: async (progress) => {
          for (const listener of this.#listeners) listener(progress);
          return undefined;
        },
      },
      idleStopMs,
      maxResidentBytes,
      ...(hangAfterMs === undefined ? {} : { hangAfterMs }),
      onExit: (exit) => {
        this.#info = undefined;
        if (exit.unexpected) onCrash?.(exit, spec);
      },
      log,
    });
  }

  get status(): EngineHostStatus {
    const { state, pid, residentBytes, active, crashes } = this.#child;
    return { state, pid, residentBytes, active, crashes, ...(this.#info ? { info: this.#info } : {}) };
  }

  /**
   * Starts the child and loads the model, unless that is done; calls that come meanwhile share the load.
   * @throws EdgeError of the backend (`E_MODEL_CORRUPT`, `E_MODEL_LOAD` ...), `E_ENGINE_CRASHED`, `E_MEMORY_BUDGET` when the child ran
   * out of memory, `E_ENGINE_HUNG`, `E_ENGINE_BACKOFF`, `E_DEADLINE`, `E_CANCELLED`.
   */
  async load(options: CallOptions & { readonly onProgress?: OnProgress } = {}): Promise<EngineInfo> {
    this.#enter(options);
    if (options.onProgress) this.#listeners.add(options.onProgress);
    try {
      return await this.#child.lease((peer) => this.#loaded(peer, options.signal));
    } finally {
      if (options.onProgress) this.#listeners.delete(options.onProgress);
    }
  }

  async *generate(request: GenerateRequest, options: CallOptions = {}): AsyncGenerator<ReplyPart, void, undefined> {
    this.#enter(options);
    using call = this.#watch('generate', options);
    const attempt = (): AsyncIterable<ReplyPart> => this.#child.leaseStream((peer) => this.#stream(peer, request, call));
    let isStarted = false;
    let isBegun = false;
    try {
      for await (const part of attempt()) {
        // Comes before the prompt is read, and says nothing yet.
        if (part.type === 'text-start') isStarted = true;
        else isBegun = true;
        yield part;
      }
      return;
    } catch (error) {
      if (isBegun || !call.isWorthRepeating(error)) throw error;
      this.#logRepeat('generate', error);
    }
    for await (const part of attempt()) {
      if (part.type === 'text-start' && isStarted) isStarted = false;
      else yield part;
    }
  }

  embed: Engine['embed'] = (request, options) => this.#call('embed', options, (peer, rpc) => peer.call('embed', request, rpc));

  score: Engine['score'] = (request, options) => this.#call('score', options, (peer, rpc) => peer.call('score', request, rpc));

  runTensors: Engine['runTensors'] = (request, options) =>
    this.#call('runTensors', options, (peer, rpc) => peer.call('runTensors', request, rpc));

  /** Ends the child for good; calls in flight and later ones fail with `E_SHUTTING_DOWN`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.#child.stop();
  }

  async *#stream(peer: Peer, request: GenerateRequest, call: WatchedCall): AsyncGenerator<ReplyPart, void, undefined> {
    await this.#loaded(peer, call.signal);
    yield* peer.stream('generate', request, call.rpc());
  }

  async #call<T>(what: string, options: CallOptions = {}, use: (peer: Peer, rpc: RpcCallOptions) => Promise<T>): Promise<T> {
    this.#enter(options);
    using call = this.#watch(what, options);
    const attempt = (): Promise<T> =>
      this.#child.lease(async (peer) => {
        await this.#loaded(peer, call.signal);
        return await use(peer, call.rpc());
      });
    try {
      return await attempt();
    } catch (error) {
      if (!call.isWorthRepeating(error)) throw error;
      this.#logRepeat(what, error);
      return await attempt();
    }
  }

  #logRepeat(what: string, error: unknown): void {
    const { spec, log } = this.#options;
    log.warn('engine call repeated on a new child', { call: what, model: spec.stored.model, error });
  }

  #enter(options: CallOptions): void {
    throwIfAborted(options.signal, 'engine call');
    if (this.#disposed) {
      throw new EdgeError('E_SHUTTING_DOWN', { what: `the engine of ${this.#options.spec.stored.model} was closed` });
    }
  }

  /** The shared load of this child; giving up waiting does not stop it for the others. */
  #loaded(peer: Peer, signal: AbortSignal | undefined): Promise<EngineInfo> {
    if (this.#info && this.#loads.has(peer)) return Promise.resolve(this.#info);
    let load = this.#loads.get(peer);
    if (!load) {
      load = this.#load(peer);
      this.#loads.set(peer, load);
      load.catch(() => this.#loads.delete(peer));
    }
    return orAborted(load, signal, 'engine call');
  }

  async #load(peer: Peer): Promise<EngineInfo> {
    const startedAt = performance.now();
    using call = this.#watch('load', {});
    const info = await peer.call('load', this.#options.spec, call.rpc());
    this.#info = info;
    this.#options.log.info('engine loaded', {
      engine: `${info.backend}/${info.provider}`,
      model: info.model,
      variant: info.variant,
      threads: info.threads,
      loadMs: Math.round(performance.now() - startedAt),
    });
    return info;
  }

  /**
   * The options of one call to the child: its deadline, and the kill that follows when the child still works on the
   * call some time after its caller was answered.
   */
  #watch(what: string, options: CallOptions): WatchedCall {
    const { deadlineMs, cancelGraceMs = 5000, spec } = this.#options;
    const deadline = withDeadline(deadlineMs, `${what} of ${spec.stored.model}`, options.signal);
    let running = false;
    let isSent = false;
    let grace: NodeJS.Timeout | undefined;
    return {
      signal: deadline.signal,
      isWorthRepeating: (error) => isSent && EdgeError.is(error, 'E_ENGINE_CRASHED') && !deadline.signal.aborted && !this.#disposed,
      rpc: () => {
        running = isSent = true;
        const onSettled = (): void => {
          running = false;
          clearTimeout(grace);
        };
        return { signal: deadline.signal, onSettled };
      },
      [Symbol.dispose]: () => {
        deadline[Symbol.dispose]();
        if (running) grace = setTimeout(() => this.#killUnstoppable(what, cancelGraceMs), cancelGraceMs).unref();
      },
    };
  }

  #killUnstoppable(what: string, waitedMs: number): void {
    const { spec, log } = this.#options;
    log.error('engine worked on after a cancellation', { call: what, model: spec.stored.model, waitedMs });
    this.#child.kill(
      new EdgeError('E_ENGINE_HUNG', {
        what: `the engine of ${spec.stored.model} did not stop a cancelled ${what}`,
        expected: `an end within ${waitedMs} ms`,
        found: 'none',
      }),
    );
  }
}
