import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import { FakeRuntime } from './fake-runtime.ts';

/** The fake runtime under another model's name. */
export class RenamedRuntime extends FakeRuntime {
  readonly #model: string;

  constructor(model: string) {
    super();
    this.#model = model;
  }

  override async embed(...args: Parameters<FakeRuntime['embed']>): Promise<EmbedResponse> {
    const response = await super.embed(...args);
    return { ...response, engine: { ...response.engine, model: this.#model } };
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
