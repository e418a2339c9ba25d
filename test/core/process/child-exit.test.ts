import { describe, expect, it } from 'vitest';
import { countOomKills, crashError } from '#edge/core/process/child-exit.ts';

const died = (signal: NodeJS.Signals | null, stderrTail = '', oomKills = 0) =>
  crashError('engine', { code: null, signal, stderrTail }, oomKills);

describe('the error of a child that died', () => {
  // Words of engines whose address space was limited by prlimit: llama.cpp, XNNPACK in LiteRT, the thread library, V8.
  it.each([
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
    'Failed to allocate 8.00781 MiB of memory',
    "terminate called after throwing an instance of 'std::system_error'\n  what():  Resource temporarily unavailable",
    'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0xd3beec node::OOMErrorHandler',
    'ggml_aligned_malloc: insufficient memory (attempted to allocate 128.00 MB)',
  ])('names memory when it said so: %s', (words) => {
    expect(died('SIGABRT', words)).toMatchObject({ code: 'E_MEMORY_BUDGET', cause: words, details: { signal: 'SIGABRT' } });
  });

  it('names memory when the kernel killed for it, which no other signal is taken for', () => {
    expect(died('SIGKILL', '', 1)).toMatchObject({ code: 'E_MEMORY_BUDGET', message: expect.stringContaining('out-of-memory killer') });
    expect(died('SIGKILL', '', 0).code).toBe('E_ENGINE_CRASHED');
    expect(died('SIGSEGV', '', 1).code).toBe('E_ENGINE_CRASHED');
  });

  it('does not show a client what the child wrote', () => {
    const error = died('SIGSEGV', 'the prompt was: secret');
    expect(error).toMatchObject({ code: 'E_ENGINE_CRASHED', cause: 'the prompt was: secret' });
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  it('rests on a count that the kernel keeps', () => {
    expect(Number.isInteger(countOomKills())).toBe(true);
  });
});
