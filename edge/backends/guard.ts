/**
 * The rules that hold for every engine, kept in one place around each of them: requests are checked before they reach
 * native code, an aborted call does not start, a lack of memory has its code, and after disposal calls fail while those in
 * flight are ended and awaited.
 */
import type { Backend, CallOptions, Engine } from '#edge/contracts/backend.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { checkEmbed, checkGenerate, checkScore, checkTensors } from './request-checks.ts';

/** The same backend, whose engines keep the common rules. */
export function guardBackend(backend: Backend): Backend {
  return {
    id: backend.id,
    formats: backend.formats,
    async load(spec, options) {
      throwIfAborted(options?.signal, 'load');
      return new GuardedEngine(await backend.load(spec, options).catch(rethrow));
    },
  };
}

/** V8 tells of a buffer that it got no memory for by a plain RangeError. */
function rethrow(error: unknown): never {
  if (!(error instanceof RangeError && /allocation failed|failed to allocate/i.test(error.message))) throw error;
  throw new EdgeError('E_MEMORY_BUDGET', {
    what: 'the engine ran out of memory',
    expected: 'memory for its work',
    found: error.message,
    cause: error,
  });
}

class GuardedEngine implements Engine {
  readonly #inner: Engine;
  readonly #closing = new AbortController();
  readonly #inFlight = new Set<Promise<unknown>>();
  #disposed: Promise<void> | undefined;

  constructor(inner: Engine) {
    this.#inner = inner;
  }

  get info(): Engine['info'] {
    return this.#inner.info;
  }

  async *generate(request: GenerateRequest, options?: CallOptions): AsyncGenerator<ReplyPart, void, undefined> {
    this.#enter('generate', options);
    checkGenerate(request);
    const done = Promise.withResolvers<void>();
    this.#inFlight.add(done.promise);
    try {
      yield* this.#inner.generate(request, { signal: this.#signal(options) });
    } catch (error) {
      rethrow(error);
    } finally {
      this.#inFlight.delete(done.promise);
      done.resolve();
    }
  }

  embed: Engine['embed'] = (request, options) =>
    this.#call('embed', options, () => {
      checkEmbed(request);
      return this.#inner.embed(request, { signal: this.#signal(options) });
    });

  score: Engine['score'] = (request, options) =>
    this.#call('score', options, () => {
      checkScore(request);
      return this.#inner.score(request, { signal: this.#signal(options) });
    });

  runTensors: Engine['runTensors'] = (request, options) =>
    this.#call('runTensors', options, () => {
      checkTensors(request);
      return this.#inner.runTensors(request, { signal: this.#signal(options) });
    });

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    this.#closing.abort(new EdgeError('E_SHUTTING_DOWN', { what: `the engine of ${this.info.model} was closed` }));
    await Promise.allSettled(this.#inFlight);
    await this.#inner[Symbol.asyncDispose]();
  }

  async #call<T>(what: string, options: CallOptions | undefined, run: () => Promise<T>): Promise<T> {
    this.#enter(what, options);
    const call = run();
    this.#inFlight.add(call);
    try {
      return await call;
    } catch (error) {
      rethrow(error);
    } finally {
      this.#inFlight.delete(call);
    }
  }

  #enter(what: string, options: CallOptions | undefined): void {
    throwIfAborted(this.#closing.signal, what);
    throwIfAborted(options?.signal, what);
  }

  #signal(options: CallOptions | undefined): AbortSignal {
    return options?.signal ? AbortSignal.any([options.signal, this.#closing.signal]) : this.#closing.signal;
  }
}
