import type { z } from 'zod';
import { EdgeError } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';
import { describeProblem } from '#edge/core/schema-issue.ts';

/**
 * Reads a request body as JSON and checks it. A body over the limit is refused while it is read.
 * @throws EdgeError `E_BODY_TOO_LARGE`, `E_BAD_JSON`, `E_BAD_REQUEST` naming the field.
 */
export async function readJson<S extends z.ZodType>(request: Request, maxBytes: number, schema: S): Promise<z.output<S>> {
  return checkBody(parseJson(await readBody(request, maxBytes)), schema);
}

/**
 * Checks a body against a schema.
 * @throws EdgeError `E_BAD_REQUEST` naming the field.
 */
export function checkBody<S extends z.ZodType>(body: unknown, schema: S): z.output<S> {
  const parsed = schema.safeParse(body, { reportInput: true });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const param = issue?.path.join('.') ?? '';
  throw new EdgeError('E_BAD_REQUEST', {
    what: `${param ? `field "${param}"` : 'the request'} is not valid: ${issue ? describeProblem(issue) : 'an unknown problem'}`,
    ...(param ? { details: { param } } : {}),
  });
}

async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = (found: string): EdgeError =>
    new EdgeError('E_BODY_TOO_LARGE', { what: 'the request body is too large', expected: `at most ${formatBytes(maxBytes)}`, found });
  const declared = Number(request.headers.get('content-length') ?? 0);
  if (declared > maxBytes) throw tooLarge(formatBytes(declared));
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge('more');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    // The parser's own message quotes the body, which may hold a prompt.
    const found =
      bytes.length === 0 ? 'an empty body' : error instanceof SyntaxError ? 'text that is not JSON' : 'bytes that are not UTF-8';
    throw new EdgeError('E_BAD_JSON', { what: 'cannot read the request body', expected: 'a JSON object in UTF-8', found });
  }
}
