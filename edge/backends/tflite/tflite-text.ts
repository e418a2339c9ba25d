import { setImmediate } from 'node:timers/promises';
import type { CallOptions, EngineFeature } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse, TokenVectors } from '#edge/contracts/embed.ts';
import type { EmbeddingProfile } from '#edge/contracts/model.ts';
import type { Tensor, TensorSpec } from '#edge/contracts/tensor.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Signature, TfliteSession } from './tflite-tensors.ts';
import type { Encoded, TextTokenizer } from './tflite-tokenizer.ts';

/** Names of the tensors of a text signature. The graph itself pools and, where its card says so, normalises. */
const IDS = 'ids';
const MASK = 'mask';
const POOLED = 'embedding';
const TOKENS = 'last_hidden_state';

/** A signature for texts of up to `length` tokens. */
export interface Bucket {
  readonly signature: number;
  readonly length: number;
  readonly givesTokens: boolean;
}

/** The text signatures of a model, shortest first: `ids` and `mask`, int32 [1, length], to `embedding`, float32 [1, dimensions]. */
export function textBuckets(signatures: readonly Signature[], dimensions: number): readonly Bucket[] {
  return signatures.flatMap((signature, index) => bucketOf(signature, index, dimensions) ?? []).sort((a, b) => a.length - b.length);
}

/** What a model with these buckets can do with texts. */
export function textFeatures(buckets: readonly Bucket[]): readonly EngineFeature[] {
  if (buckets.length === 0) return [];
  return buckets.every(({ givesTokens }) => givesTokens) ? ['embed', 'token-vectors'] : ['embed'];
}

/** Runs texts through an encoder, one at a time, each padded to the shortest signature that takes it. */
export class TextEncoder {
  readonly #session: TfliteSession;
  readonly #tokenizer: TextTokenizer;
  readonly #profile: EmbeddingProfile;
  readonly #buckets: readonly Bucket[];
  readonly #maxTokens: number;

  /** @param maxTokens At most the length of the longest bucket. */
  constructor(session: TfliteSession, tokenizer: TextTokenizer, profile: EmbeddingProfile, buckets: readonly Bucket[], maxTokens: number) {
    this.#session = session;
    this.#tokenizer = tokenizer;
    this.#profile = profile;
    this.#buckets = buckets;
    this.#maxTokens = maxTokens;
  }

  /**
   * Reads the tokenizer's largest id with the graph: an id beyond the rows of its embedding table ends a run.
   * @throws EdgeError `E_MODEL_CORRUPT`.
   */
  async requireVocabulary(): Promise<void> {
    const { largestId } = this.#tokenizer;
    try {
      await this.#run({ ids: [largestId], tokens: [''], truncated: false }, [POOLED], {});
    } catch (error) {
      if (!EdgeError.is(error, 'E_BAD_REQUEST')) throw error;
      throw new EdgeError('E_MODEL_CORRUPT', {
        what: 'the tokenizer does not belong to the model',
        expected: `a model that takes its ids, 0 to ${largestId}`,
        found: error.message,
        cause: error,
      });
    }
  }

  async embed(request: EmbedRequest, options: CallOptions = {}): Promise<Omit<EmbedResponse, 'engine'>> {
    const prefix = { query: this.#profile.queryPrefix, passage: this.#profile.passagePrefix, plain: '' }[request.purpose];
    const wantsTokens = request.output === 'tokens';
    const skip = wantsTokens ? 1 + this.#tokenizer.countWithoutSpecials(prefix) : 0;
    const vectors: Float32Array[] = [];
    const rows: TokenVectors[] = [];
    let promptTokens = 0;
    let truncated = 0;
    for (const text of request.texts) {
      // Tokenising holds the event loop; between texts others get their turn.
      if (vectors.length > 0) await setImmediate();
      throwIfAborted(options.signal);
      const encoded = this.#tokenizer.encode(prefix + text, this.#maxTokens);
      const outputs = await this.#run(encoded, wantsTokens ? [POOLED, TOKENS] : [POOLED], options);
      vectors.push(outputs[POOLED]?.data as Float32Array);
      if (wantsTokens) rows.push(tokenRows(outputs[TOKENS] as Tensor, encoded, skip));
      promptTokens += encoded.ids.length;
      if (encoded.truncated) truncated++;
    }
    return {
      vectors,
      ...(wantsTokens ? { tokenVectors: rows } : {}),
      dimensions: this.#profile.dimensions,
      promptTokens,
      truncated,
    };
  }

  #run({ ids }: Encoded, outputs: readonly string[], options: CallOptions): Promise<Record<string, Tensor>> {
    const { signature, length } = this.#buckets.find((bucket) => bucket.length >= ids.length) as Bucket;
    const row = (values: readonly number[]): Tensor => {
      const data = new Int32Array(length);
      data.set(values);
      return { dtype: 'int32', shape: [1, length], data };
    };
    return this.#session.run(signature, { [IDS]: row(ids), [MASK]: row(ids.map(() => 1)) }, options, outputs);
  }
}

function bucketOf({ inputs, outputs }: Signature, signature: number, dimensions: number): Bucket | undefined {
  const named = (specs: readonly TensorSpec[], name: string): TensorSpec | undefined => specs.find((spec) => spec.name === name);
  const length = named(inputs, IDS)?.shape[1] ?? 0;
  const isText =
    inputs.length === 2 &&
    length > 0 &&
    hasType(named(inputs, IDS), 'int32', [1, length]) &&
    hasType(named(inputs, MASK), 'int32', [1, length]) &&
    hasType(named(outputs, POOLED), 'float32', [1, dimensions]);
  return isText ? { signature, length, givesTokens: hasType(named(outputs, TOKENS), 'float32', [1, length, dimensions]) } : undefined;
}

function hasType(spec: TensorSpec | undefined, dtype: TensorSpec['dtype'], shape: readonly number[]): boolean {
  return spec?.dtype === dtype && spec.shape.join() === shape.join();
}

/** Unit vectors of the tokens behind the prefix, without the special token that closes the text. */
function tokenRows({ data, shape }: Tensor, { ids, tokens }: Encoded, skip: number): TokenVectors {
  const size = shape[2] as number;
  const end = Math.max(skip, ids.length - 1);
  const vectors = (data as Float32Array).slice(skip * size, end * size);
  for (let start = 0; start < vectors.length; start += size) normalize(vectors.subarray(start, start + size));
  return { data: vectors, rows: end - skip, tokens: tokens.slice(skip, end) };
}

/** Scales to unit length in place; a zero vector stays zero. */
function normalize(vector: Float32Array): void {
  const length = Math.hypot(...vector);
  if (length > 0) for (let index = 0; index < vector.length; index++) vector[index] = (vector[index] as number) / length;
}
