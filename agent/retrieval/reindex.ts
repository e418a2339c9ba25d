import type { CallOptions } from '#edge/contracts/backend.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import type { Embedder } from './embedder.ts';
import { embeddingTexts } from './ingest.ts';
import type { KnowledgeIndex } from './knowledge-index.ts';

/** Chunks embedded and written a step. */
const STEP = 16;

/**
 * Makes all vectors anew with the model and variant that the device chooses now, beside the old ones, and switches over in one
 * transaction at the end. A crash or a cancellation leaves the old ones in use.
 */
export async function* reindex(
  index: KnowledgeIndex,
  embedder: Embedder,
  options: CallOptions = {},
): AsyncGenerator<Progress, void, undefined> {
  const ids = index.chunkIds();
  if (ids.length === 0) return;
  // Named, for the device may change its choice meanwhile.
  const pinned = { ...options, maker: await embedder.preferred() };
  const { maker } = await embedder.embedPassages(['probe'], pinned);
  const generation = index.vectors.prepareNext(maker);
  for (let start = 0; start < ids.length; start += STEP) {
    const chunks = index.readChunks(ids.slice(start, start + STEP));
    const { vectors } = await embedder.embedPassages(chunks.flatMap(embeddingTexts), pinned);
    // Whoever aborts may be changing documents already.
    throwIfAborted(options.signal, 'embedding anew');
    index.transact(() => {
      let next = 0;
      for (const chunk of chunks) {
        index.vectors.insert('chunk', chunk.id, vectors[next++] as Float32Array, generation);
        for (const sentence of chunk.sentences) index.vectors.insert('sentence', sentence.id, vectors[next++] as Float32Array, generation);
      }
    });
    yield { label: 'embedding anew', done: start + chunks.length, total: ids.length, unit: 'chunks' };
  }
  throwIfAborted(options.signal, 'embedding anew');
  index.transact(() => index.vectors.adopt(generation, maker));
}
