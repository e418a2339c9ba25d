/** What a request must look like, whichever engine serves it: bad input never reaches native code. */
import type { EmbedRequest } from '#edge/contracts/embed.ts';
import type { ChatMessage, GenerateRequest, SamplingOptions } from '#edge/contracts/generate.ts';
import type { ScoreRequest } from '#edge/contracts/score.ts';
import { TENSOR_DTYPES, type Tensor, type TensorRequest } from '#edge/contracts/tensor.ts';
import { EdgeError } from '#edge/core/errors.ts';

const ROLES: readonly string[] = ['system', 'user', 'assistant', 'tool'] satisfies ChatMessage['role'][];
const PURPOSES: readonly string[] = ['query', 'passage', 'plain'] satisfies EmbedRequest['purpose'][];
const OUTPUTS: readonly unknown[] = ['pooled', 'tokens', undefined] satisfies EmbedRequest['output'][];
const MAX_STOPS = 16;
const MAX_EMBED_TEXTS = 2048;
const MAX_SCORE_TEXTS = 256;

/** Ranges of {@link SamplingOptions}, ends included. */
const SAMPLING_RANGES: Readonly<Record<keyof SamplingOptions, readonly [low: number, high: number, whole: boolean]>> = {
  temperature: [0, 2, false],
  topP: [0, 1, false],
  topK: [0, 1_000_000, true],
  minP: [0, 1, false],
  seed: [0, 2 ** 32 - 1, true],
  repeatPenalty: [0.1, 10, false],
};

/** @throws EdgeError `E_BAD_REQUEST` naming the field, or `E_PROMPT_EMPTY`. */
export function checkGenerate(request: GenerateRequest): void {
  const { messages, prompt, maxTokens, stop, sampling, grammar, jsonSchema } = request;
  if ((messages === undefined) === (prompt === undefined)) {
    throw bad('generate', 'either messages or prompt', messages === undefined ? 'neither' : 'both');
  }
  if (prompt !== undefined) checkText('prompt', prompt);
  if (messages !== undefined) checkMessages(messages);
  if (maxTokens !== undefined) checkNumber('maxTokens', maxTokens, [1, Number.MAX_SAFE_INTEGER, true]);
  if (stop !== undefined) checkStops(stop);
  for (const [name, range] of Object.entries(SAMPLING_RANGES)) {
    const value = sampling?.[name as keyof SamplingOptions];
    if (value !== undefined) checkNumber(`sampling.${name}`, value, range);
  }
  if (grammar !== undefined && jsonSchema !== undefined) throw bad('generate', 'a grammar or a JSON Schema', 'both');
  if (grammar !== undefined && typeof grammar !== 'string') throw bad('grammar', 'GBNF text', typeof grammar);
  if (jsonSchema !== undefined && (typeof jsonSchema !== 'object' || jsonSchema === null)) {
    throw bad('jsonSchema', 'an object', String(jsonSchema));
  }
}

/** @throws EdgeError `E_BAD_REQUEST` naming the field, or `E_PROMPT_EMPTY`. */
export function checkEmbed(request: EmbedRequest): void {
  checkTexts(request.texts, MAX_EMBED_TEXTS);
  if (!PURPOSES.includes(request.purpose)) throw bad('purpose', PURPOSES.join(', '), String(request.purpose));
  if (!OUTPUTS.includes(request.output)) throw bad('output', 'pooled or tokens', String(request.output));
}

/** @throws EdgeError `E_BAD_REQUEST` naming the field, or `E_PROMPT_EMPTY`. */
export function checkScore(request: ScoreRequest): void {
  checkText('query', request.query);
  checkTexts(request.texts, MAX_SCORE_TEXTS);
}

/** Checks each tensor in itself; whether it fits the model is for the engine to say. @throws EdgeError `E_BAD_REQUEST`. */
export function checkTensors(request: TensorRequest): void {
  if (typeof request.inputs !== 'object' || request.inputs === null) throw bad('inputs', 'tensors by name', String(request.inputs));
  for (const [name, tensor] of Object.entries(request.inputs)) checkTensor(`inputs.${name}`, tensor);
}

function checkTensor(name: string, { dtype, shape, data }: Tensor): void {
  if (!TENSOR_DTYPES.includes(dtype)) throw bad(`${name}.dtype`, TENSOR_DTYPES.join(', '), String(dtype));
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw bad(`${name}.shape`, 'whole numbers, none negative', JSON.stringify(shape));
  }
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  if (data?.length !== size) throw bad(`${name}.data`, `${size} values for shape [${shape.join(', ')}]`, String(data?.length));
}

function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages)) throw bad('messages', 'an array', typeof messages);
  for (const [index, message] of messages.entries()) {
    if (!ROLES.includes(message?.role)) throw bad(`messages[${index}].role`, ROLES.join(', '), String(message?.role));
    if (typeof message.content !== 'string') throw bad(`messages[${index}].content`, 'text', typeof message.content);
  }
  if (!messages.some((message) => message.content.trim() !== '')) {
    throw new EdgeError('E_PROMPT_EMPTY', { what: 'messages', expected: 'a message with text', found: `${messages.length} without` });
  }
}

function checkStops(stop: readonly string[]): void {
  if (!Array.isArray(stop) || stop.length > MAX_STOPS) throw bad('stop', `at most ${MAX_STOPS} strings`, `${stop?.length}`);
  if (!stop.every((text) => typeof text === 'string' && text !== '')) throw bad('stop', 'strings of at least one character', 'another');
}

function checkTexts(texts: readonly string[], most: number): void {
  if (!Array.isArray(texts) || texts.length < 1 || texts.length > most) throw bad('texts', `1 to ${most} texts`, `${texts?.length}`);
  for (const [index, text] of texts.entries()) checkText(`texts[${index}]`, text);
}

function checkText(name: string, text: unknown): void {
  if (typeof text !== 'string') throw bad(name, 'text', text === null ? 'null' : typeof text);
  if (text.trim() === '') throw new EdgeError('E_PROMPT_EMPTY', { what: name, expected: 'text', found: 'only white space' });
}

function checkNumber(name: string, value: unknown, [low, high, whole]: readonly [number, number, boolean]): void {
  const fits = typeof value === 'number' && value >= low && value <= high && (!whole || Number.isInteger(value));
  if (!fits) throw bad(name, `a ${whole ? 'whole ' : ''}number from ${low} to ${high}`, String(value));
}

function bad(what: string, expected: string, found: string): EdgeError {
  return new EdgeError('E_BAD_REQUEST', { what, expected, found });
}
