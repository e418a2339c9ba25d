import { EdgeError } from '#edge/core/errors.ts';
import { pick } from './fake-random.ts';

type Schema = Readonly<Record<string, unknown>>;

/**
 * Draws a value that a JSON Schema allows: const, enum, oneOf, anyOf, object, array, string, number, integer, boolean, null.
 * @throws EdgeError `E_UNSUPPORTED` for another construct.
 */
export function drawFromSchema(schema: Schema, words: readonly string[], random: () => number): unknown {
  const draw = (inner: unknown): unknown => drawFromSchema(inner as Schema, words, random);
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum)) return pick(schema.enum, random);
  const options = schema.oneOf ?? schema.anyOf;
  if (Array.isArray(options)) return draw(pick(options, random));
  const type = Array.isArray(schema.type) ? pick(schema.type, random) : schema.type;
  switch (type) {
    case 'object':
      return Object.fromEntries(Object.entries((schema.properties ?? {}) as Schema).map(([key, value]) => [key, draw(value)]));
    case 'array': {
      const low = typeof schema.minItems === 'number' ? schema.minItems : 0;
      const high = typeof schema.maxItems === 'number' ? schema.maxItems : low + 2;
      return Array.from({ length: low + Math.floor(random() * (high - low + 1)) }, () => draw(schema.items ?? { type: 'string' }));
    }
    case 'string':
      return pick(words, random);
    case 'integer':
      return Math.floor(random() * 100);
    case 'number':
      return Math.floor(random() * 1000) / 10;
    case 'boolean':
      return random() < 0.5;
    case 'null':
      return null;
    default:
      throw new EdgeError('E_UNSUPPORTED', { what: 'JSON Schema', expected: 'a type, const, enum, oneOf or anyOf', found: String(type) });
  }
}
