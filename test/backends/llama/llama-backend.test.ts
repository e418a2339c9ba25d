import { describeBackend } from '#test/contract/backend.contract.ts';
import { smollmSpec } from '#test/support/llama-spec.ts';

describeBackend('llama smollm2-135m-instruct', () => smollmSpec(), {
  unsupported: [
    { feature: 'embed', reason: 'it was loaded as a generator' },
    { feature: 'token-vectors', reason: 'it was loaded as a generator' },
    { feature: 'tensors', reason: 'llama.cpp takes tokens only' },
  ],
});
