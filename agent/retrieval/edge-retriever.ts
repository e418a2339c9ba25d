import type { CallbackManagerForRetrieverRun } from '@langchain/core/callbacks/manager';
import { Document } from '@langchain/core/documents';
import { BaseRetriever, type BaseRetrieverInput } from '@langchain/core/retrievers';
import type { KnowledgeBase } from './knowledge-base.ts';

export interface EdgeRetrieverFields extends BaseRetrieverInput {
  readonly knowledge: KnowledgeBase;
  /** Documents to return. Defaults to 5. */
  readonly limit?: number;
}

/** The knowledge base as a LangChain retriever; each document carries its position, so that it can be cited. */
export class EdgeRetriever extends BaseRetriever {
  override readonly lc_namespace = ['nearside', 'retrievers'];
  readonly #knowledge: KnowledgeBase;
  readonly #limit: number;

  constructor(fields: EdgeRetrieverFields) {
    super(fields);
    this.#knowledge = fields.knowledge;
    this.#limit = fields.limit ?? 5;
  }

  static override lc_name(): string {
    return 'EdgeRetriever';
  }

  override async _getRelevantDocuments(query: string, _runManager?: CallbackManagerForRetrieverRun): Promise<Document[]> {
    const { hits } = await this.#knowledge.search(query, { limit: this.#limit });
    return hits.map(({ chunk, score }) => {
      const { id, documentId, source, title, path, start, end, page } = chunk;
      const metadata = { documentId, source, title, path, start, end, score, ...(page === undefined ? {} : { page }) };
      return new Document({ id: String(id), pageContent: chunk.text, metadata });
    });
  }
}
