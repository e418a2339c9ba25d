import { randomBytes, randomUUID } from 'node:crypto';

/** A unique id with a readable prefix: `req_3f2a...` (96 random bits). */
export function newId(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString('hex')}`;
}

/** RFC 4122 version 4. */
export function newUuid(): string {
  return randomUUID();
}
