import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EdgeError, ERROR_CODES, type ErrorCode, systemErrorCode } from '#edge/core/errors.ts';
import { renderErrorPage } from '../../scripts/render-error-page.ts';

describe('EdgeError', () => {
  it('says what was attempted, expected and found, and keeps the cause', () => {
    const cause = new Error('inner');
    const error = new EdgeError('E_PORT_IN_USE', {
      what: 'cannot listen on 127.0.0.1:80',
      expected: 'a free port',
      found: 'EADDRINUSE',
      cause,
    });
    expect(error.message).toBe('cannot listen on 127.0.0.1:80: expected a free port, found EADDRINUSE');
    expect(error.cause).toBe(cause);
    expect(error.hint).toBe(ERROR_CODES.E_PORT_IN_USE.hint);
    expect(error.status).toBe(500);
  });

  it('survives a process border with code, hint and details', () => {
    const error = new EdgeError('E_DISK_FULL', { what: 'no room', hint: 'delete something', details: { needBytes: 5 } });
    const copy = EdgeError.fromJSON(JSON.parse(JSON.stringify(error)));
    expect(copy.toJSON()).toEqual(error.toJSON());
    expect(copy.retryable).toBe(true);
  });

  it('takes an unknown code of a newer peer as an internal error, with its message', () => {
    const copy = EdgeError.fromJSON({ code: 'E_OF_TOMORROW', message: 'later' });
    expect(copy.code).toBe('E_INTERNAL');
    expect(copy.message).toBe('later');
  });

  it('wraps what is not coded, and leaves what is', () => {
    const coded = new EdgeError('E_BUSY', { what: 'busy' });
    expect(EdgeError.from(coded)).toBe(coded);
    expect(EdgeError.from(new TypeError('oops')).code).toBe('E_INTERNAL');
    expect(EdgeError.is(coded, 'E_BUSY')).toBe(true);
    expect(EdgeError.is(coded, 'E_LOCKED')).toBe(false);
    expect(EdgeError.is(new Error('plain'))).toBe(false);
  });

  it('reads the code of a system error', () => {
    expect(systemErrorCode(Object.assign(new Error(), { code: 'ENOENT' }))).toBe('ENOENT');
    expect(systemErrorCode('text')).toBeUndefined();
  });
});

describe('error table', () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('%s has an HTTP error status and a hint that is a sentence', (code) => {
    expect(code).toMatch(/^E_[A-Z_]+$/);
    expect(ERROR_CODES[code].status).toBeGreaterThanOrEqual(400);
    expect(ERROR_CODES[code].hint).toMatch(/^[A-Z].*[./]$/s);
  });

  it('stands whole in docs/errors.md (run scripts/write-error-docs.ts)', () => {
    expect(readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')).toBe(renderErrorPage());
  });
});
