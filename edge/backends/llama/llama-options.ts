/** Nearside's request fields in the words of llama.cpp; pure. */
import { randomInt } from 'node:crypto';
import type { SamplingOptions } from '#edge/contracts/generate.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** Generated tokens that the repeat penalty looks back on, as in llama.cpp (`--repeat-last-n`). */
export const PENALTY_WINDOW = 64;

/** Every sampling parameter, with the defaults that the contract documents. */
export interface ResolvedSampling {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly minP: number;
  readonly seed: number;
  readonly repeatPenalty: number;
}

/** Fills in the defaults; without a seed each call draws its own. */
export function resolveSampling(sampling: SamplingOptions = {}): ResolvedSampling {
  return { temperature: 0.7, topP: 0.95, topK: 40, minP: 0.05, repeatPenalty: 1.1, ...sampling, seed: sampling.seed ?? randomInt(2 ** 32) };
}

type Schema = Readonly<Record<string, unknown>>;

const SCALARS: readonly unknown[] = ['string', 'number', 'integer', 'boolean', 'null'];
/** Narrow a value in ways that a grammar cannot, or is not made to: refused, because ignoring them would be a lie. */
const REFUSED = [
  'allOf',
  'not',
  'if',
  'pattern',
  'patternProperties',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
];

/**
 * A JSON Schema in the subset that the grammar compiler knows. The compiler turns what it does not know into `null`
 * without a word, so everything else is refused here. Every property is required, and an object that lists none may hold any.
 * @throws EdgeError `E_UNSUPPORTED` naming the construct and its place.
 */
export function toGrammarSchema(schema: unknown, path = '$'): Schema {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) throw unsupported(path, JSON.stringify(schema));
  const { $defs, definitions, anyOf, ...rest } = schema as Schema;
  const refused = REFUSED.find((key) => key in rest);
  if (refused) throw unsupported(`${path}.${refused}`, refused);
  const defs = { ...(definitions as Schema | undefined), ...($defs as Schema | undefined) };
  return { ...bodyOf({ ...rest, ...(anyOf ? { oneOf: anyOf } : {}) }, path), ...mapped('$defs', defs, `${path}.$defs`) };
}

function bodyOf(schema: Schema, path: string): Schema {
  if ('const' in schema) return { const: schema.const };
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return { enum: schema.enum };
  if (typeof schema.$ref === 'string') return { $ref: schema.$ref.replace('#/definitions/', '#/$defs/') };
  if (Array.isArray(schema.oneOf)) {
    return { oneOf: schema.oneOf.map((option, index) => toGrammarSchema(option, `${path}.oneOf[${index}]`)) };
  }
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  if (types.length > 1 && types.some((type) => !SCALARS.includes(type))) {
    return { oneOf: types.map((type) => bodyOf({ ...schema, type }, path)) };
  }
  if (types[0] === 'object') return objectOf(schema, path);
  if (types[0] === 'array') {
    const { items, prefixItems, minItems, maxItems } = schema;
    return {
      type: 'array',
      ...(items === undefined ? {} : { items: toGrammarSchema(items, `${path}.items`) }),
      ...(Array.isArray(prefixItems)
        ? { prefixItems: prefixItems.map((item, i) => toGrammarSchema(item, `${path}.prefixItems[${i}]`)) }
        : {}),
      ...given({ minItems, maxItems }),
    };
  }
  if (!types.every((type) => SCALARS.includes(type))) throw unsupported(path, JSON.stringify(schema.type ?? 'no type'));
  const format = schema.format === 'date-time' || schema.format === 'date' || schema.format === 'time' ? schema.format : undefined;
  return { type: schema.type, ...given({ format, minLength: schema.minLength, maxLength: schema.maxLength }) };
}

function objectOf(schema: Schema, path: string): Schema {
  const properties = (schema.properties ?? {}) as Schema;
  const isOpen = Object.keys(properties).length === 0 && schema.additionalProperties !== false;
  const { additionalProperties } = schema;
  const more =
    typeof additionalProperties === 'object' && additionalProperties !== null
      ? toGrammarSchema(additionalProperties, `${path}.additionalProperties`)
      : isOpen;
  return { type: 'object', ...mapped('properties', properties, `${path}.properties`), ...(more ? { additionalProperties: more } : {}) };
}

function mapped(key: string, schemas: Schema, path: string): Schema {
  const entries = Object.entries(schemas).map(([name, schema]) => [name, toGrammarSchema(schema, `${path}.${name}`)]);
  return entries.length > 0 ? { [key]: Object.fromEntries(entries) } : {};
}

function given(fields: Schema): Schema {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function unsupported(path: string, found: string): EdgeError {
  return new EdgeError('E_UNSUPPORTED', {
    what: `JSON Schema at ${path}`,
    expected: 'a type, const, enum, oneOf, anyOf or $ref that a grammar can express',
    found,
  });
}
