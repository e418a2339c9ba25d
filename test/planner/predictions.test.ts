import { describe, expect, it } from 'vitest';
import type { RateName } from '#edge/contracts/plan.ts';
import { estimateMemory } from '#edge/planner/estimate-memory.ts';
import { listCandidates, SEQUENCES } from '#edge/planner/list-candidates.ts';
import { cardOf } from '#test/support/models.ts';
import { inputFor, profileOf } from './plan-inputs.ts';

const MIB = 1024 * 1024;
const vm = await profileOf('x64-avx512-vm');

/** Rates seen on the machine of the recorded profile: llama-bench for SmolLM2, else the engine in its child, one call after the other. */
const RATES: readonly (readonly [string, RateName, number])[] = [
  ['smollm2-135m-instruct/q4_1/llama/cpu/t2', 'prefill', 300],
  ['smollm2-135m-instruct/q4_1/llama/cpu/t2', 'decode', 124],
  ['smollm2-135m-instruct/q8_0/llama/cpu/t2', 'prefill', 544],
  ['smollm2-135m-instruct/q8_0/llama/cpu/t2', 'decode', 128],
  ['gemma-3-270m/q4_k_m/llama/cpu/t2', 'prefill', 333],
  ['gemma-3-270m/q4_k_m/llama/cpu/t2', 'decode', 57],
  ['e5-small-v2/int8/onnx/cpu/t2', 'short', 287],
  ['e5-small-v2/int8/onnx/cpu/t2', 'long', 75],
  ['e5-small-v2/int8/onnx/cpu/t1', 'short', 320],
  ['e5-small-v2/int8/onnx/cpu/t1', 'long', 71],
  ['e5-small-v2/int8-tflite/tflite/cpu/t2', 'short', 476],
  ['e5-small-v2/int8-tflite/tflite/cpu/t2', 'long', 134],
  ['e5-small-v2/int8-tflite/tflite/cpu/t1', 'short', 469],
  ['e5-small-v2/int8-tflite/tflite/cpu/t1', 'long', 88],
  ['e5-small-v2/q8_0/llama/cpu/t2', 'short', 116],
  ['e5-small-v2/q8_0/llama/cpu/t2', 'long', 30],
  ['e5-small-v2/q8_0/llama/cpu/t1', 'short', 72],
  ['e5-small-v2/q8_0/llama/cpu/t1', 'long', 16],
  ['bge-small-en-v1.5/int8/onnx/cpu/t2', 'short', 323],
  ['bge-small-en-v1.5/int8/onnx/cpu/t2', 'long', 68],
  ['all-minilm-l6-v2/int8/onnx/cpu/t2', 'short', 621],
  ['all-minilm-l6-v2/int8/onnx/cpu/t2', 'long', 134],
  ['all-minilm-l6-v2/int8/onnx/cpu/t1', 'short', 625],
  ['all-minilm-l6-v2/int8/onnx/cpu/t1', 'long', 139],
  ['all-minilm-l6-v2/int8-weights/onnx/cpu/t2', 'short', 241],
  ['all-minilm-l6-v2/int8-weights/onnx/cpu/t2', 'long', 73],
  ['all-minilm-l6-v2/int8-weights/onnx/cpu/t1', 'short', 209],
  ['all-minilm-l6-v2/int8-weights/onnx/cpu/t1', 'long', 48],
  ['hand-landmark-lite/fp16/tflite/cpu/t2', 'runs', 620],
  ['hand-landmark-lite/fp16/tflite/cpu/t1', 'runs', 385],
  ['akiki-vad/fp32/onnx/cpu/t2', 'runs', 4700],
  ['akiki-vad/fp32/onnx/cpu/t1', 'runs', 5900],
];

/** Resident MiB of the engine's child after texts of full length, after a few answers, or after runs. */
const RESIDENT: readonly (readonly [string, number, number, number])[] = [
  ['smollm2-135m-instruct/q4_1/llama', 512, 1, 299],
  ['smollm2-135m-instruct/q4_1/llama', 2048, 1, 335],
  ['smollm2-135m-instruct/q4_1/llama', 2048, 4, 431],
  ['smollm2-135m-instruct/q4_1/llama', 8192, 1, 472],
  ['gemma-3-270m/q4_k_m/llama', 2048, 1, 606],
  ['e5-small-v2/int8/onnx', 512, 1, 261],
  ['e5-small-v2/int8-tflite/tflite', 512, 1, 172],
  ['e5-small-v2/q8_0/llama', 512, 1, 313],
  ['bge-small-en-v1.5/int8/onnx', 512, 1, 262],
  ['all-minilm-l6-v2/int8/onnx', 512, 1, 192],
  ['all-minilm-l6-v2/int8-weights/onnx', 512, 1, 298],
  ['hand-landmark-lite/fp16/tflite', 0, 1, 178],
  ['akiki-vad/fp32/onnx', 0, 1, 122],
];

describe('before anything is measured', () => {
  it.each(RATES)('%s is predicted to do %s within a factor of two of %i a second', (id, name, measured) => {
    const card = cardOf(id.split('/')[0] ?? '');
    const candidates = listCandidates(inputFor(vm, { task: card.task, cards: [card] }), Number.POSITIVE_INFINITY);
    const rate = candidates.find((candidate) => candidate.id === id)?.estimate.rates[name];
    expect(rate).toMatchObject({ source: 'predicted', confidence: 0.4 });
    expect((rate?.value ?? 0) / measured).toBeGreaterThan(0.5);
    expect((rate?.value ?? 0) / measured).toBeLessThan(2);
  });

  it.each(RESIDENT)(
    '%s with a context of %i, %i sequence(s), is predicted to take %i MiB within 15 %%',
    (id, tokens, sequences, measured) => {
      const [model = '', name, backend] = id.split('/') as [string, string, 'llama' | 'onnx' | 'tflite'];
      const card = cardOf(model);
      const variant = card.variants.find((one) => one.id === name);
      expect(variant).toBeDefined();
      if (!variant) return;
      const { totalBytes } = estimateMemory({ card, variant, backend, provider: 'cpu', contextTokens: tokens, sequences });
      expect(totalBytes / MIB / measured).toBeGreaterThan(0.85);
      expect(totalBytes / MIB / measured).toBeLessThan(1.15);
    },
  );

  it('loads one sequence, which the table above is for', () => expect(SEQUENCES).toBe(1));
});
