/** `POST /v1/embeddings` to the runtime's request, and back: pure functions. */
import { z } from 'zod';
import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import type { EngineRef } from '#edge/contracts/parts.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { checkBody } from '../read-json.ts';

export interface EmbeddingCall {
  readonly request: EmbedRequest;
  readonly encoding: 'float' | 'base64';
  /** Cut the vectors to their first components and scale them to unit length again. */
  readonly dimensions?: number;
}

export interface EmbeddingList {
  readonly object: 'list';
  readonly model: string;
  readonly data: readonly { readonly object: 'embedding'; readonly index: number; readonly embedding: readonly number[] | string }[];
  readonly usage: { readonly prompt_tokens: number; readonly total_tokens: number };
  readonly nearside: { readonly engine: EngineRef; readonly truncated: number };
}

const texts = z.union(
  [z.string().transform((text) => [text]), z.array(z.string()).min(1).max(2048)],
  'expected a string, or 1 to 2048 strings; arrays of token ids are not supported',
);

const embeddingRequest = z.object({
  model: z.string().min(1),
  input: texts,
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().positive().nullish(),
  /** Our extension: which prefix of the model's card goes before each text. Defaults to `passage`. */
  input_type: z.enum(['query', 'passage']).nullish(),
});

/** @throws EdgeError `E_BAD_REQUEST`, `E_PROMPT_EMPTY`. */
export function fromEmbeddingRequest(body: unknown): EmbeddingCall {
  const { model, input, encoding_format, dimensions, input_type } = checkBody(body, embeddingRequest);
  const blank = input.findIndex((text) => text.trim() === '');
  if (blank >= 0) throw new EdgeError('E_PROMPT_EMPTY', { what: `text ${blank} of "input" is empty`, details: { param: 'input' } });
  return {
    request: { model, texts: input, purpose: input_type ?? 'passage' },
    encoding: encoding_format ?? 'float',
    ...(dimensions == null ? {} : { dimensions }),
  };
}

/** @throws EdgeError `E_BAD_REQUEST` when more dimensions are asked for than the model has. */
export function toEmbeddingList(response: EmbedResponse, { request, encoding, dimensions }: EmbeddingCall): EmbeddingList {
  if (dimensions !== undefined && dimensions > response.dimensions) {
    throw new EdgeError('E_BAD_REQUEST', {
      what: `"${request.model}" has fewer dimensions`,
      expected: `at most ${response.dimensions}`,
      found: `${dimensions}`,
      details: { param: 'dimensions' },
    });
  }
  const render = encoding === 'base64' ? toBase64 : (vector: Float32Array): number[] => Array.from(vector);
  return {
    object: 'list',
    model: request.model,
    data: response.vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: render(dimensions === undefined ? vector : shorten(vector, dimensions)),
    })),
    usage: { prompt_tokens: response.promptTokens, total_tokens: response.promptTokens },
    nearside: { engine: response.engine, truncated: response.truncated },
  };
}

function shorten(vector: Float32Array, dimensions: number): Float32Array {
  const head = vector.slice(0, dimensions);
  const length = Math.hypot(...head) || 1;
  return head.map((value) => value / length);
}

/** Little-endian float32, as OpenAI's clients decode it. */
function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes.toString('base64');
}
