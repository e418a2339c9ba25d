import type { z } from 'zod';
import { EdgeError } from '#edge/core/errors.ts';

/**
 * Parses and checks one JSON message of the wire.
 * @throws EdgeError `E_WIRE_INVALID` naming the first wrong fields.
 */
export function decodeJson<T extends z.ZodType>(what: string, schema: T, payload: Uint8Array): z.output<T> {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8'));
  } catch (error) {
    throw new EdgeError('E_WIRE_INVALID', {
      what: `cannot read ${what}`,
      expected: 'JSON',
      found: `${payload.length} other bytes`,
      cause: error,
    });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`);
  throw new EdgeError('E_WIRE_INVALID', { what: `cannot read ${what}`, found: problems.join('; ') });
}
