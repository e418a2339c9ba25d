import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { FakeRuntime } from './fake-runtime.ts';

/** The fake runtime with another embedding model, and without the one it had. */
export class RenamedRuntime extends FakeRuntime {
  readonly #model: string;

  constructor(model: string) {
    super({ embedder: () => ({ model, variant: 'fake' }) });
    this.#model = model;
  }

  override async embed(...args: Parameters<FakeRuntime['embed']>): Promise<EmbedResponse> {
    const [{ model }] = args;
    if (model === 'embed' || model.startsWith(`${this.#model}:`)) return await super.embed(...args);
    throw new EdgeError('E_MODEL_NOT_STORED', { what: `model "${model}" is not on this device` });
  }
}

/** The fake runtime, which aborts a controller when a text is asked for that holds a word. */
export class AbortingRuntime extends FakeRuntime {
  readonly #word: string;
  readonly #controller: AbortController;

  constructor(word: string, controller: AbortController) {
    super();
    this.#word = word;
    this.#controller = controller;
  }

  override async embed(request: EmbedRequest, options?: Parameters<FakeRuntime['embed']>[1]): Promise<EmbedResponse> {
    if (request.texts.some((text) => text.includes(this.#word))) this.#controller.abort();
    return await super.embed(request, options);
  }
}
