import { describeBackend } from '#test/contract/backend.contract.ts';
import { crossEncoderSpec, storedEncoderSpec } from './fixtures.ts';

const NO_GENERATION = { feature: 'generate', reason: 'ONNX Runtime has no decoding loop; llama generates' } as const;

describeBackend('onnx (e5-small-v2)', () => storedEncoderSpec('e5-small-v2'), {
  unsupported: [NO_GENERATION, { feature: 'score', reason: 'an encoder without a logits output' }],
});

describeBackend('onnx (cross-encoder)', crossEncoderSpec, {
  unsupported: [
    NO_GENERATION,
    { feature: 'embed', reason: 'no hidden states among the outputs' },
    { feature: 'token-vectors', reason: 'no hidden states among the outputs' },
  ],
});
