import { describe, expect, it } from 'vitest';
import type { Plan } from '#edge/contracts/plan.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import { cardOf } from '#test/support/models.ts';
import { inputFor, profileOf, retrievalInput } from './plan-inputs.ts';

/** Codes against each engine and provider, in no order of theirs. */
function rejectionsOf({ candidates }: Plan): Readonly<Record<string, string>> {
  const rejected = candidates.filter(({ reasons }) => reasons.length > 0);
  return Object.fromEntries(
    rejected.map(({ backend, provider, reasons }) => [`${backend}/${provider}`, reasons.map(({ code }) => code).join(' ')]),
  );
}

/** Nothing was ever measured on these boards: what is chosen, and what stands against the rest. */
describe.each([
  ['x64-avx512-vm', 'llama/cpu/t2', 'tflite/cpu/t2', { 'llama/cuda': 'driver-missing', 'onnx/cuda': 'no-binary driver-missing' }],
  ['x64-no-avx', 'llama/cpu/t4', 'tflite/cpu/t4', { 'onnx/cpu': 'cpu-flag-missing', 'llama/vulkan': 'driver-missing' }],
  ['x64-avx2-intel-igpu', 'llama/cpu/t4', 'tflite/cpu/t4', { 'llama/cuda': 'driver-missing' }],
  ['x64-avx-vnni-hybrid', 'llama/cpu/t4', 'tflite/cpu/t8', { 'llama/vulkan': 'lib-missing' }],
  ['laptop-battery-avx512-vnni', 'llama/cpu/t4', 'tflite/cpu/t4', { 'llama/vulkan': 'lib-missing' }],
  ['nvidia-desktop', 'llama/cuda/t4', 'tflite/cpu/t12', { 'onnx/cuda': 'no-binary' }],
  ['jetson-orin-nano', 'llama/cpu/t4', 'tflite/cpu/t6', { 'llama/cuda': 'no-binary', 'onnx/cuda': 'no-binary' }],
  ['jetson-orin-nx-jetpack5', undefined, 'tflite/cpu/t8', { 'llama/cpu': 'libc-too-old', 'llama/cuda': 'no-binary libc-too-old' }],
  [
    'raspberry-pi-4',
    'llama/cpu/t4',
    'tflite/cpu/t4',
    { 'llama/vulkan': 'no-binary lib-missing', 'llama/cuda': 'no-binary driver-missing' },
  ],
  ['raspberry-pi-5', 'llama/cpu/t4', 'tflite/cpu/t4', { 'llama/vulkan': 'no-binary' }],
  ['apple-m2', 'llama/metal/t4', 'tflite/cpu/t4', { 'onnx/coreml': 'dynamic-shape-on-ane' }],
  ['alpine-musl', undefined, 'tflite/wasm/t1', { 'onnx/cpu': 'no-binary', 'tflite/cpu': 'no-binary', 'llama/cpu': 'no-binary' }],
  ['container-cgroup-v1', undefined, 'tflite/cpu/t2', { 'llama/cpu': 'libc-too-old mem-exceeds' }],
  ['container-cgroup-v2', 'llama/cpu/t1', 'tflite/cpu/t1', { 'llama/cuda': 'driver-missing mem-exceeds' }],
] as const)('%s', (board, chat, retrieval, rejections) => {
  it('chats and embeds as expected', async () => {
    const device = await profileOf(board);
    const plans = [makePlan(inputFor(device)), makePlan(retrievalInput(device))] as const;
    expect(plans.map(({ chosen }) => chosen?.id.split('/').slice(2).join('/'))).toEqual([chat, retrieval]);
    expect({ ...rejectionsOf(plans[0]), ...rejectionsOf(plans[1]) }).toMatchObject(rejections);
  });
});

describe('a picture on a board', () => {
  it.each([
    ['raspberry-pi-5', 'tflite/cpu/t4'],
    ['alpine-musl', 'tflite/wasm/t1'],
  ])('%s goes to LiteRT', async (board, way) => {
    const cards = [cardOf('hand-landmark-lite')];
    const settings = { threads: 0, memoryBytes: 0, contextTokens: 2048 };
    const plan = makePlan(inputFor(await profileOf(board), { task: 'tensor', cards, settings }));
    expect(plan.chosen?.id).toBe(`hand-landmark-lite/fp16/${way}`);
    expect(plan.chosen?.estimate.rates.runs?.value).toBeGreaterThan(0);
  });
});

describe('WebAssembly', () => {
  it('is listed only where the native library cannot run', async () => {
    const providers = async (board: string) =>
      new Set(makePlan(retrievalInput(await profileOf(board))).candidates.map(({ provider }) => provider));
    expect(await providers('x64-avx512-vm')).not.toContain('wasm');
    expect(await providers('alpine-musl')).toContain('wasm');
  });

  it('comes before llama.cpp for embed and after every native engine with token vectors', async () => {
    const mac = await profileOf('apple-m2');
    const intelMac = { ...mac, cpu: { ...mac.cpu, architecture: 'x64' as const, flags: ['avx', 'avx2'] }, accelerators: [] };
    const plan = makePlan(retrievalInput(intelMac));
    const order = [plan.chosen?.id ?? '', ...plan.fallbacks].map((id) => id.split('/').slice(2, 4).join('/'));
    expect([...new Set(order)]).toEqual(['tflite/wasm', 'llama/cpu']);
  });
});
