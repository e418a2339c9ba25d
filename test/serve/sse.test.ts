import { describe, expect, it } from 'vitest';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { toChunks, toCompletion } from '#edge/serve/openai/to-chunks.ts';
import { begun, toSse } from '#edge/serve/sse.ts';
import { expectCode } from '#test/support/expect-code.ts';

const META = { id: 'chatcmpl_1', model: 'm', created: 1, includeUsage: false };

describe('toSse', () => {
  it('sends comments while the source is silent, then its items in order', async () => {
    async function* slow() {
      yield 1;
      await sleep(60);
      yield 2;
    }
    const events = await Array.fromAsync(toSse(slow(), { end: '[DONE]', onError: () => undefined, pingMs: 10 }));
    expect(events[0]).toBe('data: 1\n\n');
    expect(events.slice(-2)).toEqual(['data: 2\n\n', 'data: [DONE]\n\n']);
    expect(events.filter((event) => event.startsWith(': ')).length).toBeGreaterThan(0);
  });

  it('makes a failure the last event and tells it', async () => {
    const errors: EdgeError[] = [];
    async function* broken() {
      yield 1;
      throw new EdgeError('E_DEADLINE', { what: 'too slow' });
    }
    const events = await Array.fromAsync(toSse(broken(), { end: '[DONE]', onError: (error) => errors.push(error) }));
    expect(events).toEqual(['data: 1\n\n', expect.stringContaining('"code":"E_DEADLINE"')]);
    expect(errors.map((error) => error.code)).toEqual(['E_DEADLINE']);
  });

  it('returns the source when its reader stops, wherever it stands', async () => {
    for (const reads of [1, 2, 3]) {
      let returned = 0;
      async function* source(): AsyncGenerator<ReplyPart> {
        try {
          for (;;) yield { type: 'text-delta', text: 'a' };
        } finally {
          returned++;
        }
      }
      const events = toSse(toChunks(await begun(source(), () => true), META), { onError: () => undefined });
      for (let i = 0; i < reads; i++) await events.next();
      await events.return(undefined);
      expect(returned).toBe(1);
    }
  });
});

describe('an answer without its last part', () => {
  it('is an error, streamed and whole', async () => {
    async function* cut(): AsyncGenerator<ReplyPart> {
      yield { type: 'text-delta', text: 'half' };
    }
    await expectCode(Array.fromAsync(toChunks(cut(), META)), 'E_INTERNAL');
    await expectCode(toCompletion(cut(), META), 'E_INTERNAL');
  });
});

describe('tool calls', () => {
  it('are numbered in a stream and gathered in a completion', async () => {
    async function* call(): AsyncGenerator<ReplyPart> {
      yield { type: 'tool-call', id: 'call_1', name: 'look', arguments: '{"a":1}' };
      const usage = { promptTokens: 1, completionTokens: 1, cachedTokens: 0 };
      yield { type: 'response-end', finishReason: 'tool-calls', usage, timings: { totalMs: 1 } };
    }
    const wire = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"a":1}' } };
    const chunks = await Array.fromAsync(toChunks(call(), META));
    expect(chunks[1]?.choices[0]?.delta).toEqual({ tool_calls: [{ index: 0, ...wire }] });
    expect(chunks[2]?.choices[0]?.finish_reason).toBe('tool_calls');
    expect((await toCompletion(call(), META)).choices[0]).toMatchObject({ message: { tool_calls: [wire] }, finish_reason: 'tool_calls' });
  });
});
