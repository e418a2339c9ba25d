import { setImmediate } from 'node:timers/promises';
import type { CallOptions, EngineFeature } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse, TokenVectors } from '#edge/contracts/embed.ts';
import type { EmbeddingProfile } from '#edge/contracts/model.ts';
import type { ScoreRequest, ScoreResponse } from '#edge/contracts/score.ts';
import type { Tensor, TensorSpec } from '#edge/contracts/tensor.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { OnnxSession } from './onnx-session.ts';
import { type HiddenStates, normalize, pool, tokenVectors } from './pooling.ts';
import type { Encoded, TextTokenizer } from './tokenizer.ts';

const TEXT_INPUTS = ['input_ids', 'attention_mask', 'token_type_ids'];

/** Texts of one batch differ by fewer tokens than this, so little of it is padding. */
const BUCKET_TOKENS = 16;
const MAX_BATCH = 16;

/** What a graph with a tokenizer can do with texts: none, embeddings, or cross-encoder scores. */
export function textFeatures(session: OnnxSession, embedding: EmbeddingProfile | undefined): EngineFeature[] {
  const isText =
    session.inputs.some((input) => input.name === 'input_ids') &&
    session.inputs.every(
      (input) => TEXT_INPUTS.includes(input.name) && input.shape.length === 2 && input.shape.every((size) => size === -1),
    );
  if (!isText) return [];
  const features: EngineFeature[] = [];
  if (embedding && hiddenOutput(session)) features.push('embed', 'token-vectors');
  if (logitsOutput(session)) features.push('score');
  return features;
}

/**
 * Runs texts through a transformer encoder. Calls may overlap: between two batches every call yields to the event loop,
 * so a short question is not stuck behind a long ingest, and cancellation and heartbeats get their turn.
 */
export class TextModel {
  readonly #session: OnnxSession;
  readonly #tokenizer: TextTokenizer;
  readonly #embedding: EmbeddingProfile | undefined;

  constructor(session: OnnxSession, tokenizer: TextTokenizer, embedding: EmbeddingProfile | undefined) {
    this.#session = session;
    this.#tokenizer = tokenizer;
    this.#embedding = embedding;
  }

  /**
   * Reads the tokenizer's largest id with the graph: an id beyond the rows of its embedding table ends a run. The tokenizer of a larger
   * vocabulary is found by this; one of a smaller vocabulary only by a known answer.
   * @throws EdgeError `E_MODEL_CORRUPT`.
   */
  async requireVocabulary(): Promise<void> {
    const { largestId } = this.#tokenizer;
    try {
      await this.#session.run(this.#feeds([{ ids: [largestId], typeIds: [0], tokens: [''], truncated: false }]));
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

  async embed(request: EmbedRequest, options: CallOptions | undefined): Promise<Omit<EmbedResponse, 'engine'>> {
    const profile = this.#embedding;
    const output = hiddenOutput(this.#session);
    if (!profile || !output) throw new EdgeError('E_UNSUPPORTED', { what: 'this model makes no embeddings' });
    const prefix = prefixOf(profile, request.purpose);
    const encoded = await this.#encodeAll(request.texts, (text) => this.#tokenizer.encode(prefix + text), options);
    const vectors = new Array<Float32Array>(encoded.length);
    const rows = request.output === 'tokens' ? new Array<TokenVectors>(encoded.length) : undefined;
    const skip = rows ? 1 + this.#tokenizer.countWithoutSpecials(prefix) : 0;
    await this.#runBatches(encoded, output.name, options, (batch, tensor) => {
      const hidden = hiddenStates(tensor);
      for (const [row, index] of batch.entries()) {
        const { ids, tokens } = encoded[index] as Encoded;
        const vector = pool(hidden, row, ids.length, profile.pooling);
        vectors[index] = profile.normalize ? normalize(vector) : vector;
        if (!rows) continue;
        const end = Math.max(skip, ids.length - 1);
        rows[index] = { data: tokenVectors(hidden, row, skip, end), rows: end - skip, tokens: tokens.slice(skip, end) };
      }
    });
    return {
      vectors,
      ...(rows ? { tokenVectors: rows } : {}),
      dimensions: vectors[0]?.length ?? profile.dimensions,
      promptTokens: countTokens(encoded),
      truncated: encoded.filter((text) => text.truncated).length,
    };
  }

  async score(request: ScoreRequest, options: CallOptions | undefined): Promise<Omit<ScoreResponse, 'engine'>> {
    const output = logitsOutput(this.#session);
    if (!output) throw new EdgeError('E_UNSUPPORTED', { what: 'this model scores no texts' });
    const encoded = await this.#encodeAll(request.texts, (text) => this.#tokenizer.encodePair(request.query, text), options);
    const scores = new Array<number>(encoded.length);
    await this.#runBatches(encoded, output.name, options, (batch, tensor) => {
      if (tensor.data.length !== batch.length) {
        throw new EdgeError('E_UNSUPPORTED', {
          what: 'this model is no relevance scorer',
          expected: 'one logit a text',
          found: `output "${output.name}" of shape [${tensor.shape.join(', ')}]`,
        });
      }
      for (const [row, index] of batch.entries()) scores[index] = Number(tensor.data[row]);
    });
    return { scores, promptTokens: countTokens(encoded) };
  }

  async #encodeAll(texts: readonly string[], encode: (text: string) => Encoded, options: CallOptions | undefined): Promise<Encoded[]> {
    const encoded: Encoded[] = [];
    for (const text of texts) {
      if (encoded.length > 0) await setImmediate();
      throwIfAborted(options?.signal);
      encoded.push(encode(text));
    }
    return encoded;
  }

  async #runBatches(
    encoded: readonly Encoded[],
    output: string,
    options: CallOptions | undefined,
    take: (batch: readonly number[], output: Tensor) => void,
  ): Promise<void> {
    const lengths = encoded.map((text) => text.ids.length);
    for (const [index, batch] of planBatches(lengths, this.#session.quantisesActivations ? 1 : MAX_BATCH).entries()) {
      if (index > 0) await setImmediate();
      throwIfAborted(options?.signal);
      const outputs = await this.#session.run(this.#feeds(batch.map((text) => encoded[text] as Encoded)));
      take(batch, outputs[output] as Tensor);
    }
    throwIfAborted(options?.signal);
  }

  #feeds(texts: readonly Encoded[]): Record<string, Tensor> {
    const width = Math.max(...texts.map((text) => text.ids.length));
    const matrix = (spec: TensorSpec, values: (text: Encoded) => readonly number[]): Tensor => {
      const length = texts.length * width;
      const data = spec.dtype === 'int64' ? new BigInt64Array(length) : new Int32Array(length);
      for (const [row, text] of texts.entries()) {
        for (const [column, value] of values(text).entries()) {
          data[row * width + column] = data instanceof BigInt64Array ? BigInt(value) : value;
        }
      }
      return { dtype: spec.dtype, shape: [texts.length, width], data };
    };
    const valuesOf: Record<string, (text: Encoded) => readonly number[]> = {
      input_ids: (text) => text.ids,
      attention_mask: (text) => text.ids.map(() => 1),
      token_type_ids: (text) => text.typeIds,
    };
    return Object.fromEntries(
      this.#session.inputs.map((spec) => [spec.name, matrix(spec, valuesOf[spec.name] as (text: Encoded) => readonly number[])]),
    );
  }
}

/** Groups texts of like length into batches of at most `maxBatch`; returns indexes. */
export function planBatches(lengths: readonly number[], maxBatch: number): number[][] {
  if (maxBatch === 1) return lengths.map((_, index) => [index]);
  const buckets = new Map<number, number[]>();
  for (const [index, length] of lengths.entries()) {
    const bucket = Math.floor(length / BUCKET_TOKENS);
    const members = buckets.get(bucket);
    if (members) members.push(index);
    else buckets.set(bucket, [index]);
  }
  return [...buckets.values()].flatMap((members) =>
    Array.from({ length: Math.ceil(members.length / maxBatch) }, (_, i) => members.slice(i * maxBatch, (i + 1) * maxBatch)),
  );
}

function hiddenOutput(session: OnnxSession): TensorSpec | undefined {
  const candidates = session.outputs.filter((output) => output.dtype === 'float32' && output.shape.length === 3);
  return candidates.find((output) => output.name === 'last_hidden_state') ?? candidates[0];
}

function logitsOutput(session: OnnxSession): TensorSpec | undefined {
  return session.outputs.find((output) => output.name === 'logits' && output.dtype === 'float32' && [1, -1].includes(output.shape[1] ?? 1));
}

function hiddenStates(tensor: Tensor): HiddenStates {
  const [, tokens = 0, size = 0] = tensor.shape;
  return { data: tensor.data as Float32Array, tokens, size };
}

function prefixOf(profile: EmbeddingProfile, purpose: EmbedRequest['purpose']): string {
  switch (purpose) {
    case 'query':
      return profile.queryPrefix;
    case 'passage':
      return profile.passagePrefix;
    case 'plain':
      return '';
  }
}

function countTokens(encoded: readonly Encoded[]): number {
  return encoded.reduce((sum, text) => sum + text.ids.length, 0);
}
