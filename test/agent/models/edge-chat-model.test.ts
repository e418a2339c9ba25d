import { AIMessage, type AIMessageChunk, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EdgeChatModel } from '#agent/models/edge-chat-model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';

const usage_metadata = { input_tokens: 7, output_tokens: 2, total_tokens: 9, input_token_details: { cache_read: 2 } };

describe('EdgeChatModel', () => {
  it('answers with usage and the engine that ran', async () => {
    const message = await new EdgeChatModel({ runtime: new FakeRuntime({ answer: () => 'Hello there' }) }).invoke('Hi');
    expect(message.content).toBe('Hello there');
    expect(message.usage_metadata).toEqual(usage_metadata);
    expect(message.response_metadata).toMatchObject({
      model_name: 'generate',
      finish_reason: 'stop',
      engine: { engine: 'fake/cpu', variant: 'fake' },
    });
  });

  it('streams the same text in pieces, the usage once and last', async () => {
    const model = new EdgeChatModel({ runtime: new FakeRuntime({ answer: () => 'Hello there' }) });
    const chunks: AIMessageChunk[] = [];
    for await (const chunk of await model.stream('Hi')) chunks.push(chunk);
    expect(chunks.filter((chunk) => chunk.text !== '').map((chunk) => chunk.text)).toEqual(['Hello ', 'there']);
    const whole = chunks.reduce((sum, chunk) => sum.concat(chunk));
    expect(whole.usage_metadata).toMatchObject(usage_metadata);
  });

  it('sends roles, stop strings, sampling and limits as the runtime knows them; a call beats the constructor', async () => {
    const runtime = new FakeRuntime();
    const model = new EdgeChatModel({ runtime, model: 'tiny', maxTokens: 50, sampling: { temperature: 0, seed: 1 } });
    await model.invoke(
      [
        new SystemMessage('s'),
        new HumanMessage([{ type: 'text', text: 'h' }]),
        new AIMessage('a'),
        new ToolMessage({ content: 't', tool_call_id: '1' }),
      ],
      { stop: ['END'], maxTokens: 5, sampling: { seed: 2 } },
    );
    expect(runtime.generateRequests).toEqual([
      {
        model: 'tiny',
        maxTokens: 5,
        stop: ['END'],
        sampling: { temperature: 0, seed: 2 },
        messages: [
          { role: 'system', content: 's' },
          { role: 'user', content: 'h' },
          { role: 'assistant', content: 'a' },
          { role: 'tool', content: 't' },
        ],
      },
    ]);
  });

  it('names itself to tracers with the exact LangSmith keys', () => {
    const model = new EdgeChatModel({ runtime: new FakeRuntime(), model: 'tiny', maxTokens: 9, sampling: { temperature: 0 } });
    expect(model.getLsParams({ stop: ['END'] })).toEqual({
      ls_provider: 'nearside',
      ls_model_name: 'tiny',
      ls_model_type: 'chat',
      ls_temperature: 0,
      ls_max_tokens: 9,
      ls_stop: ['END'],
    });
  });

  it('parses structured output and sends the schema along', async () => {
    const runtime = new FakeRuntime({ answer: () => '{"city":"Leeds"}' });
    const model = new EdgeChatModel({ runtime }).withStructuredOutput(z.object({ city: z.string() }));
    expect(await model.invoke('Where?')).toEqual({ city: 'Leeds' });
    expect(runtime.generateRequests[0]?.jsonSchema).toMatchObject({ type: 'object', properties: { city: { type: 'string' } } });
  });

  it('gives structured output raw and parsed when asked, for a plain JSON Schema too', async () => {
    const schema = { type: 'object', properties: { n: { type: 'number' } } };
    const model = new EdgeChatModel({ runtime: new FakeRuntime({ answer: () => '{"n":3}' }) });
    const { raw, parsed } = (await model.withStructuredOutput(schema, { includeRaw: true }).invoke('How many?')) as {
      raw: AIMessage;
      parsed: unknown;
    };
    expect(parsed).toEqual({ n: 3 });
    expect(raw.content).toBe('{"n":3}');
  });

  it.each([
    ['tools', (model: EdgeChatModel) => model.bindTools()],
    ['an unknown method', (model: EdgeChatModel) => model.withStructuredOutput({}, { method: 'functionCalling' })],
  ])('refuses %s with E_UNSUPPORTED', (_, call) => {
    expect(() => call(new EdgeChatModel({ runtime: new FakeRuntime() }))).toThrow(expect.objectContaining({ code: 'E_UNSUPPORTED' }));
  });

  it('refuses an image with E_UNSUPPORTED', async () => {
    const message = new HumanMessage([{ type: 'image_url', image_url: { url: 'data:,' } }]);
    await expect(new EdgeChatModel({ runtime: new FakeRuntime() }).invoke([message])).rejects.toMatchObject({ code: 'E_UNSUPPORTED' });
  });

  it('rejects on an aborted signal, before and in mid-stream', async () => {
    const model = new EdgeChatModel({ runtime: new FakeRuntime({ answer: () => 'one two three' }) });
    await expect(model.invoke('Hi', { signal: AbortSignal.abort() })).rejects.toThrow();
    const controller = new AbortController();
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      for await (const chunk of await model.stream('Hi', { signal: controller.signal })) {
        seen.push(chunk.text);
        controller.abort();
      }
    };
    await expect(read()).rejects.toThrow();
    expect(seen).toEqual(['one ']);
  });

  it('passes a coded failure of the runtime on', async () => {
    const failure = new EdgeError('E_NO_CANDIDATE', { what: 'nothing fits' });
    await expect(new EdgeChatModel({ runtime: new FakeRuntime({ failure }), maxRetries: 0 }).invoke('Hi')).rejects.toBe(failure);
  });

  it('calls a stream without an end a crash', async () => {
    const runtime = new FakeRuntime();
    runtime.generate = async function* () {
      yield { type: 'text-delta', text: 'half' };
    };
    await expect(new EdgeChatModel({ runtime }).invoke('Hi')).rejects.toMatchObject({ code: 'E_ENGINE_CRASHED' });
  });
});
