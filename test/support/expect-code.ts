import { expect } from 'vitest';
import { EdgeError } from '#edge/core/errors.ts';

/** Expects a rejection with this code, and returns the error. */
export async function expectCode(call: Promise<unknown>, code: string): Promise<EdgeError> {
  const error = await call.then(
    () => 'no error',
    (reason: unknown) => reason,
  );
  expect(EdgeError.is(error) ? error.code : error).toBe(code);
  return error as EdgeError;
}
