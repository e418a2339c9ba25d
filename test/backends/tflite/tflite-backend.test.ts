import { describeBackend } from '#test/contract/backend.contract.ts';
import { fixture, handSpec, retrievalSpec, specOf } from './fixtures.ts';

const NO_GENERATION = { feature: 'generate', reason: 'LiteRT has no decoding loop; llama generates' } as const;
const NO_SCORES = { feature: 'score', reason: 'no cross-encoder is made for TFLite' } as const;
const NO_TEXT = [
  { feature: 'embed', reason: 'no text signature' },
  { feature: 'token-vectors', reason: 'no text signature' },
] as const;

const retrieval = await retrievalSpec();
describeBackend('tflite (e5-small-v2)', () => retrieval, { unsupported: [NO_GENERATION, NO_SCORES] });

describeBackend('tflite (hand landmarks)', () => handSpec, { unsupported: [NO_GENERATION, NO_SCORES, ...NO_TEXT] });

describeBackend('tflite (every dtype, free dimensions)', () => specOf(fixture('tflite/tensors.tflite')), {
  unsupported: [NO_GENERATION, NO_SCORES, ...NO_TEXT],
});
