import { readFile } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onnxBackend } from '#edge/backends/onnx/onnx-backend.ts';
import type { Engine } from '#edge/contracts/backend.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { cardOf, storedVariant } from '#test/support/models.ts';
import { storedEncoderSpec } from './fixtures.ts';

describe.each(['e5-small-v2', 'bge-small-en-v1.5'])('%s', (model) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await onnxBackend.load(storedEncoderSpec(model));
  });
  afterAll(() => engine[Symbol.asyncDispose]());
  const passages = [
    'An opened tent may be returned within thirty days if it is clean and dry.',
    'Our stores open at nine in the morning from Monday to Saturday.',
    'The river Rhine rises in the Swiss Alps and flows into the North Sea.',
    'Wool keeps you warm even when it is wet, unlike cotton.',
  ];

  it('finds the passage that answers a question', async () => {
    const { vectors } = await engine.embed({ model, texts: passages, purpose: 'passage' });
    const questions = [
      'How long do I have to send back a tent?',
      'When does the shop open?',
      'Where is the source of the Rhine?',
      'What fabric insulates when soaked?',
    ];
    const asked = await engine.embed({ model, texts: questions, purpose: 'query' });
    const best = asked.vectors.map((question) => {
      const cosines = vectors.map((passage) => passage.reduce((sum, value, i) => sum + value * (question[i] ?? 0), 0));
      return cosines.indexOf(Math.max(...cosines));
    });
    expect(best).toEqual([0, 1, 2, 3]);
  });

  it('gives exactly the same vector alone and among sixteen texts of all lengths', async () => {
    const texts = Array.from({ length: 16 }, (_, i) => `${passages[i % 4]} ${'and more of it '.repeat(i)}`.trim());
    const together = await engine.embed({ model, texts, purpose: 'passage', output: 'tokens' });
    for (const [i, text] of texts.entries()) {
      const alone = await engine.embed({ model, texts: [text], purpose: 'passage', output: 'tokens' });
      expect(alone.vectors[0]).toEqual(together.vectors[i]);
      expect(alone.tokenVectors?.[0]).toEqual(together.tokenVectors?.[i]);
    }
  });

  it('reads the tokens that the raw tokenizer makes, prefix and special tokens included', async () => {
    const definition = JSON.parse(await readFile(storedVariant(model).files.tokenizer as string, 'utf8')) as object;
    const raw = new Tokenizer(definition, {});
    const text = "Çafé-owner's  UNBELIEVABLE\ttents, 東京 🙂";
    const expected = raw.encode(`${cardOf(model).embedding?.passagePrefix}${text}`);
    const response = await engine.embed({ model, texts: [text], purpose: 'passage', output: 'tokens' });
    expect(response.promptTokens).toBe(expected.ids.length);
    expect(response.tokenVectors?.[0]?.tokens).toEqual(raw.encode(text).tokens.slice(1, -1));
  });

  it('cuts a text of megabytes to the input length at once', async () => {
    const response = await engine.embed({ model, texts: ['tent '.repeat(2_000_000)], purpose: 'passage', output: 'tokens' });
    expect(response).toMatchObject({ truncated: 1, promptTokens: 512 });
    const prefix = (await engine.embed({ model, texts: ['tent'], purpose: 'passage' })).promptTokens - 3;
    expect(response.tokenVectors?.[0]?.rows).toBe(510 - prefix);
  });

  it('stops between two texts and lets other calls through', async () => {
    const controller = new AbortController();
    const long = engine.embed(
      { model, texts: Array.from({ length: 2048 }, () => 'tent '.repeat(400)), purpose: 'passage' },
      { signal: controller.signal },
    );
    const short = await engine.embed({ model, texts: ['tent'], purpose: 'query' });
    expect(short.vectors).toHaveLength(1);
    controller.abort();
    await expectCode(long, 'E_CANCELLED');
  });
});
