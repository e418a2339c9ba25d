import { describe, expect, it } from 'vitest';
import { gpuOf } from '#edge/backends/llama/llama-accelerators.ts';
import { loadError } from '#edge/backends/llama/llama-native.ts';
import { resolveSampling, toGrammarSchema } from '#edge/backends/llama/llama-options.ts';
import { EdgeError } from '#edge/core/errors.ts';

describe('sampling', () => {
  it('has the defaults of the contract, and a seed of its own for each call', () => {
    const { seed, ...rest } = resolveSampling();
    expect(rest).toEqual({ temperature: 0.7, topP: 0.95, topK: 40, minP: 0.05, repeatPenalty: 1.1 });
    expect(resolveSampling().seed).not.toBe(seed);
    expect(resolveSampling({ seed: 7, topK: 0 })).toMatchObject({ seed: 7, topK: 0, temperature: 0.7 });
  });
});

describe('JSON Schema for the grammar compiler', () => {
  it('drops what only describes, keeps what binds', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'Order',
      type: 'object',
      properties: { id: { type: 'string', description: 'A-1', minLength: 3 }, state: { enum: ['open', 'sent'] } },
      required: ['id'],
      additionalProperties: false,
    };
    expect(toGrammarSchema(schema)).toEqual({
      type: 'object',
      properties: { id: { type: 'string', minLength: 3 }, state: { enum: ['open', 'sent'] } },
    });
  });

  it('lets an object that lists nothing hold anything', () => {
    expect(toGrammarSchema({ type: 'object' })).toEqual({ type: 'object', additionalProperties: true });
    expect(toGrammarSchema({ type: 'object', additionalProperties: false })).toEqual({ type: 'object' });
  });

  it('writes anyOf, definitions and mixed types in the words of the compiler', () => {
    expect(toGrammarSchema({ anyOf: [{ type: 'string' }, { $ref: '#/definitions/a' }], definitions: { a: { type: 'null' } } })).toEqual({
      oneOf: [{ type: 'string' }, { $ref: '#/$defs/a' }],
      $defs: { a: { type: 'null' } },
    });
    expect(toGrammarSchema({ type: ['array', 'null'], items: { type: 'integer' } })).toEqual({
      oneOf: [{ type: 'array', items: { type: 'integer' } }, { type: 'null' }],
    });
  });

  it.each([
    [{}, '$'],
    [{ type: 'text' }, '$'],
    [{ type: 'object', properties: { a: { type: 'string', pattern: 'x' } } }, '$.properties.a.pattern'],
    [{ type: 'array', items: { allOf: [] } }, '$.items.allOf'],
    [{ type: 'integer', minimum: 3 }, '$.minimum'],
    [null, '$'],
  ])('refuses %j, naming the place', (schema, place) => {
    const attempt = () => toGrammarSchema(schema);
    expect(attempt).toThrow(EdgeError);
    expect(attempt).toThrow(`JSON Schema at ${place}:`);
  });
});

describe('accelerators', () => {
  it.each([
    ['cpu', 'linux', 'x64', false],
    ['cpu', 'darwin', 'arm64', 'metal'],
    ['cpu', 'darwin', 'x64', false],
    ['cuda', 'linux', 'arm64', 'cuda'],
    ['vulkan', 'linux', 'arm64', 'vulkan'],
  ] as const)('%s on %s %s is the build for %s', (provider, platform, arch, gpu) => {
    expect(gpuOf(provider, platform, arch)).toBe(gpu);
  });
});

describe('errors of loading', () => {
  it.each([
    ['E_MODEL_CORRUPT', new Error('Failed to load model'), ["error loading model: tensor 'a' data is not within the file bounds"]],
    ['E_MODEL_CORRUPT', new RangeError('The value of "size" is out of range'), []],
    ['E_MODEL_LOAD', new Error('Failed to load model'), ["error loading model: unknown model architecture: 'new'"]],
    ['E_MODEL_LOAD', new Error('anything'), []],
  ] as const)('%s', (code, cause, log) => {
    const error = loadError('cannot load m', cause, log);
    expect(error.code).toBe(code);
    expect(error.cause).toBe(cause);
    expect(error.message).toContain(log[0] ?? cause.message);
  });
});
