import type { CallOptions } from '#edge/contracts/backend.ts';
import type { TokenVectors } from '#edge/contracts/embed.ts';
import type { EngineRef } from '#edge/contracts/parts.ts';
import { textInContext } from './chunks.ts';
import type { Embedder, EmbedOptions } from './embedder.ts';
import type { KnowledgeIndex, StoredChunk } from './knowledge-index.ts';
import { bestMatches, mean } from './late-interaction.ts';
import { contentTerms } from './text/terms.ts';

export interface SearchOptions extends CallOptions {
  /** Number of chunks to return, best first. Defaults to 5. */
  readonly limit?: number;
  /** Ids of documents to leave out. */
  readonly excludeDocuments?: readonly string[];
}

/** A chunk and what speaks for it. */
export interface SearchHit {
  readonly chunk: StoredChunk;
  /** Fused score, comparable within one search only. */
  readonly score: number;
  /** BM25; 0 when no word matches. */
  readonly bm25: number;
  /** Cosine of the question to the chunk. */
  readonly cosine: number;
  /** Cosine of the question to each sentence of the chunk. */
  readonly sentenceCosines: readonly number[];
  /** Late-interaction score, 0..1, for the candidates that were re-ranked by it. */
  readonly maxSim?: number;
  /** Token vectors of the chunk's {@link textInContext}, for the same candidates. */
  readonly tokens?: TokenVectors;
}

export interface SearchResult {
  readonly hits: readonly SearchHit[];
  readonly question: SearchQuestion;
  /** Number of chunks in the index. */
  readonly chunkCount: number;
  /** Absent when the index is empty. */
  readonly engine?: EngineRef;
  /** Tokens that the embedding model read. */
  readonly promptTokens: number;
}

/** The question as retrieval sees it. */
export interface SearchQuestion {
  readonly text: string;
  /** Content terms and their inverse document frequency, ln(1 + (N - n + 0.5) / (n + 0.5)). */
  readonly idf: ReadonlyMap<string, number>;
  readonly tokens?: TokenVectors;
}

/** Chunks each retriever puts forward. */
const POOL = 50;
/** Sentences come several to a chunk. */
const SENTENCE_POOL = 150;
/** Chunks whose tokens are encoded at question time: about 20 ms each on two cores. */
const LATE_INTERACTION_CANDIDATES = 8;
/** Weights of the z-scored scores, tuned on the development half of XQuAD (scripts/eval-qa.ts). */
const WEIGHTS = { bm25: 0.3, dense: 0.7, maxSim: 1 } as const;

/**
 * Finds chunks by words (BM25) and by meaning (cosine of the chunk plus that of its best sentence), fuses the z-scores, and re-ranks the
 * best few by late interaction when the engine gives token vectors.
 * @throws EdgeError `E_INDEX_MISMATCH` when what made the vectors of the index cannot run any more.
 */
export async function search(index: KnowledgeIndex, embedder: Embedder, text: string, options: SearchOptions = {}): Promise<SearchResult> {
  const chunkCount = index.countChunks();
  const idf = inverseFrequencies(index, text, chunkCount);
  if (chunkCount === 0) return { hits: [], question: { text, idf }, chunkCount, promptTokens: 0 };
  const query = await embedder.embedQuery(text, { ...options, maker: index.vectorMaker() });
  index.vectors.require(query.maker);
  const candidates = gather(index, text, query.vector, new Set(options.excludeDocuments));
  const fused = fuse(candidates);
  const ranked = query.tokens ? await rerank(embedder, query.tokens, fused, { ...options, maker: query.maker }) : fused;
  const question = { text, idf, ...(query.tokens ? { tokens: query.tokens } : {}) };
  return { hits: ranked.slice(0, options.limit ?? 5), question, chunkCount, engine: query.engine, promptTokens: query.promptTokens };
}

function inverseFrequencies(index: KnowledgeIndex, text: string, chunkCount: number): Map<string, number> {
  const frequencies = index.documentFrequencies(contentTerms(text));
  return new Map([...frequencies].map(([term, n]) => [term, Math.log(1 + (chunkCount - n + 0.5) / (n + 0.5))]));
}

type Candidate = Omit<SearchHit, 'score'>;

function gather(index: KnowledgeIndex, text: string, vector: Float32Array, excluded: ReadonlySet<string>): Candidate[] {
  const left = index.countParts([...excluded]);
  const bm25 = new Map(index.findWords(text, POOL + left.chunks).map((hit) => [hit.id, hit.score]));
  const sentenceIds = index.vectors.nearest('sentence', vector, SENTENCE_POOL + left.sentences).map((hit) => hit.id);
  const ids = new Set([
    ...bm25.keys(),
    ...index.vectors.nearest('chunk', vector, POOL + left.chunks).map((hit) => hit.id),
    ...index.chunksOfSentences(sentenceIds).values(),
  ]);
  const chunks = index.readChunks([...ids]).filter((chunk) => !excluded.has(chunk.documentId));
  const cosines = index.vectors.cosines(
    'chunk',
    vector,
    chunks.map((chunk) => chunk.id),
  );
  const sentenceCosines = index.vectors.cosines(
    'sentence',
    vector,
    chunks.flatMap((chunk) => chunk.sentences.map((sentence) => sentence.id)),
  );
  return chunks.map((chunk) => ({
    chunk,
    bm25: bm25.get(chunk.id) ?? 0,
    cosine: cosines.get(chunk.id) ?? 0,
    sentenceCosines: chunk.sentences.map((sentence) => sentenceCosines.get(sentence.id) ?? 0),
  }));
}

function fuse(candidates: readonly Candidate[]): SearchHit[] {
  const words = zScores(candidates.map((candidate) => candidate.bm25));
  const dense = zScores(candidates.map((candidate) => candidate.cosine + Math.max(...candidate.sentenceCosines)));
  return byScore(
    candidates.map((candidate, i) => ({
      ...candidate,
      score: WEIGHTS.bm25 * (words[i] as number) + WEIGHTS.dense * (dense[i] as number),
    })),
  );
}

async function rerank(embedder: Embedder, question: TokenVectors, hits: readonly SearchHit[], options: EmbedOptions): Promise<SearchHit[]> {
  const top = hits.slice(0, LATE_INTERACTION_CANDIDATES);
  if (top.length === 0) return [];
  const tokens = await embedder.embedTokens(
    top.map((hit) => textInContext(hit.chunk)),
    options,
  );
  if (!tokens) return [...hits];
  const maxSims = tokens.map((text) => mean(bestMatches(question, text)));
  const z = zScores(maxSims);
  const reranked = top.map((hit, i) => ({
    ...hit,
    score: hit.score + WEIGHTS.maxSim * (z[i] as number),
    maxSim: maxSims[i] as number,
    tokens: tokens[i] as TokenVectors,
  }));
  return [...byScore(reranked), ...hits.slice(LATE_INTERACTION_CANDIDATES)];
}

function byScore(hits: SearchHit[]): SearchHit[] {
  return hits.sort((a, b) => b.score - a.score || a.chunk.id - b.chunk.id);
}

/** Values as standard deviations from their mean; zeros when all are equal. */
export function zScores(values: readonly number[]): number[] {
  const centre = mean(values);
  const deviation = Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
  return values.map((value) => (deviation < 1e-9 ? 0 : (value - centre) / deviation));
}
