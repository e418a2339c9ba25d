import { Embeddings, type EmbeddingsParams } from '@langchain/core/embeddings';
import type { EmbedRequest } from '#edge/contracts/embed.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';

/** Texts a call, the runtime's own limit. */
const MAX_TEXTS = 2048;

export interface EdgeEmbeddingsFields extends EmbeddingsParams {
  readonly runtime: RuntimePort;
  /** Model id of the catalog, or a task name. Defaults to `embed`: the device's own choice. */
  readonly model?: string;
}

/** The device's encoders as LangChain embeddings; queries and passages get the prefixes of the model's card. */
export class EdgeEmbeddings extends Embeddings {
  readonly #runtime: RuntimePort;
  readonly model: string;

  constructor(fields: EdgeEmbeddingsFields) {
    super(fields);
    this.#runtime = fields.runtime;
    this.model = fields.model ?? 'embed';
  }

  override async embedQuery(text: string): Promise<number[]> {
    const [vector] = await this.#embed([text], 'query');
    return vector ?? [];
  }

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    const vectors: number[][] = [];
    for (let start = 0; start < texts.length; start += MAX_TEXTS) {
      vectors.push(...(await this.#embed(texts.slice(start, start + MAX_TEXTS), 'passage')));
    }
    return vectors;
  }

  async #embed(texts: readonly string[], purpose: EmbedRequest['purpose']): Promise<number[][]> {
    const { vectors } = await this.#runtime.embed({ model: this.model, texts, purpose });
    return vectors.map((vector) => Array.from(vector));
  }
}
