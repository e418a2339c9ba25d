import { describe, expect, it } from 'vitest';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelVariant } from '#edge/contracts/model.ts';
import type { Rejection } from '#edge/contracts/plan.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import type { PlanInput } from '#edge/planner/plan-input.ts';
import { cardOf } from '#test/support/models.ts';
import { CHAT, chatCard, INTENTS, inputFor, measurementOn, NOW_MS, profileOf, RETRIEVAL, storeAll, weightsOf } from './plan-inputs.ts';

const MIB = 1024 * 1024;
const vm = await profileOf('x64-avx512-vm');

/** Reasons of the one candidate whose id ends so. */
function reasonsOf(end: string, input: PlanInput): readonly Rejection[] {
  const found = makePlan(input).candidates.filter(({ id }) => id.endsWith(end));
  expect(found.map(({ id }) => id)).toHaveLength(1);
  return found[0]?.reasons ?? [];
}

function withMemory(device: DeviceProfile, availableBytes: number): DeviceProfile {
  return { ...device, memory: { ...device.memory, availableBytes } };
}

describe('rejections', () => {
  it('no-binary: musl, an Intel Mac with ONNX Runtime, CUDA on ARM', async () => {
    const alpine = inputFor(await profileOf('alpine-musl'));
    expect(reasonsOf('llama/cpu/t4', alpine)).toEqual([
      { code: 'no-binary', detail: 'builds of llama.cpp need glibc, this system has musl 1.2.5' },
    ]);
    const mac = await profileOf('apple-m2');
    const intelMac: DeviceProfile = { ...mac, cpu: { ...mac.cpu, architecture: 'x64', flags: ['avx', 'avx2'] }, accelerators: [] };
    expect(reasonsOf(`${RETRIEVAL}/int8/onnx/cpu/t4`, inputFor(intelMac, { task: 'embed' }))).toMatchObject([{ code: 'no-binary' }]);
    expect(makePlan(inputFor(intelMac)).chosen?.id).toBe(`${CHAT}/q4_1/llama/cpu/t4`);
    expect(reasonsOf('llama/cuda/t4', inputFor(await profileOf('jetson-orin-nano')))).toEqual([
      { code: 'no-binary', detail: 'there is no published build of llama.cpp with cuda for linux/arm64; "nearside tune" builds one' },
    ]);
  });

  it('libc-too-old', async () => {
    const old: DeviceProfile = { ...vm, libc: { kind: 'glibc', version: '2.9' } };
    expect(reasonsOf('llama/cpu/t2', inputFor(old))).toEqual([
      { code: 'libc-too-old', detail: 'llama.cpp needs glibc 2.34, this system has 2.9; "nearside tune" builds one' },
    ]);
    const buster: DeviceProfile = { ...vm, libc: { kind: 'glibc', version: '2.28' } };
    expect(reasonsOf(`${RETRIEVAL}/int8/onnx/cpu/t2`, inputFor(buster, { task: 'embed' }))).toEqual([]);
  });

  it('cpu-flag-missing, but not where the flags are unknown', async () => {
    const celeron = await profileOf('x64-no-avx');
    const input = inputFor(celeron, { task: 'embed' });
    expect(reasonsOf(`${RETRIEVAL}/int8/onnx/cpu/t4`, input)).toEqual([{ code: 'cpu-flag-missing', detail: 'ONNX Runtime needs avx' }]);
    const windows: DeviceProfile = { ...vm, platform: 'win32', libc: { kind: 'none', version: '' }, cpu: { ...vm.cpu, flags: [] } };
    expect(reasonsOf(`${RETRIEVAL}/int8/onnx/cpu/t2`, inputFor(windows, { task: 'embed' }))).toEqual([]);
  });

  it('driver-missing and lib-missing', async () => {
    expect(reasonsOf('llama/cuda/t2', inputFor(vm))).toEqual([{ code: 'driver-missing', detail: 'no NVIDIA driver was found' }]);
    const desktop = await profileOf('nvidia-desktop');
    const bare: DeviceProfile = { ...desktop, accelerators: desktop.accelerators.map((one) => ({ ...one, confidence: 'device' })) };
    expect(reasonsOf('llama/cuda/t4', inputFor(bare))).toEqual([
      { code: 'lib-missing', detail: 'NVIDIA GeForce RTX 3060 is there, but not libcuda.so.1 or libcudart.so' },
    ]);
    const problem = '/dev/nvidia0 may not be opened by this user: add it to the group video';
    const closed: DeviceProfile = { ...bare, accelerators: bare.accelerators.map((one) => ({ ...one, problem })) };
    expect(reasonsOf('llama/cuda/t4', inputFor(closed))).toEqual([{ code: 'lib-missing', detail: problem }]);
  });

  it('dynamic-shape-on-ane, unless shapes are fixed and weights are floats', async () => {
    const mac = await profileOf('apple-m2');
    const card = cardOf(RETRIEVAL);
    const withVariant = (changes: Partial<ModelVariant>): PlanInput =>
      inputFor(mac, { task: 'embed', cards: [{ ...card, variants: card.variants.slice(0, 1).map((one) => ({ ...one, ...changes })) }] });
    const details = (changes: Partial<ModelVariant>) => reasonsOf('onnx/coreml/t4', withVariant(changes));
    expect(details({})).toEqual([
      { code: 'dynamic-shape-on-ane', detail: 'the Neural Engine needs fixed shapes and fp16 or fp32 weights, which int8 has not' },
    ]);
    expect(details({ staticShapes: true })).toMatchObject([
      { code: 'dynamic-shape-on-ane', detail: expect.stringContaining('needs fp16 or fp32 weights') },
    ]);
    expect(details({ quantisation: 'fp16', bitsPerWeight: 16 })).toMatchObject([
      { code: 'dynamic-shape-on-ane', detail: expect.stringContaining('needs fixed shapes,') },
    ]);
    const fit = { staticShapes: true, quantisation: 'fp16', bitsPerWeight: 16 };
    expect(details(fit)).toEqual([]);
    expect(makePlan(withVariant(fit)).chosen).toMatchObject({ backend: 'onnx', provider: 'coreml' });
    expect(makePlan(withVariant(fit)).because).toContain('this project has not run on such hardware yet');
  });

  it('format-mismatch: a task the engine does not serve, and a stored file of another format', () => {
    const onnxChat = chatCard('chat-onnx', 1e8, [{ format: 'onnx' }]);
    const input = inputFor(vm, { cards: [onnxChat] });
    expect(reasonsOf('onnx/cpu/t2', input)).toEqual([
      { code: 'format-mismatch', detail: 'ONNX Runtime does not serve generate, and the file is onnx' },
    ]);
    const card = cardOf(CHAT);
    const stored = storeAll([card]).map((one) => ({ ...one, format: 'onnx' as const }));
    expect(reasonsOf('q4_1/llama/cpu/t2', inputFor(vm, { cards: [card], stored }))).toEqual([
      { code: 'format-mismatch', detail: 'the card says gguf, the stored file is onnx' },
    ]);
  });

  it('mem-exceeds, with the context or the variant that would fit', () => {
    expect(reasonsOf('llama/cpu/t2', inputFor(withMemory(vm, 500 * MIB)))).toEqual([
      { code: 'mem-exceeds', detail: 'needs 323.3 MiB, 300.0 MiB available; a context of 768 tokens would fit' },
    ]);
    expect(reasonsOf('llama/cpu/t2', inputFor(withMemory(vm, 0)))).toEqual([
      { code: 'mem-exceeds', detail: 'needs 323.3 MiB, 0 B available' },
    ]);
    const busy = inputFor(withMemory(vm, 1000 * MIB), { engineMemory: { residentBytes: 0, expectedBytes: 500 * MIB } });
    expect(reasonsOf('llama/cpu/t2', busy)).toMatchObject([{ code: 'mem-exceeds' }]);
  });

  it('mem-exceeds names the best variant that would fit', () => {
    const variants = [
      { quality: 0.99, files: weightsOf(900 * MIB) },
      { quality: 0.97, files: weightsOf(300 * MIB) },
      { quality: 0.9, files: weightsOf(100 * MIB) },
    ];
    const input = inputFor(withMemory(vm, 1000 * MIB), { cards: [chatCard('chat', 1e9, variants)] });
    expect(reasonsOf('v0/llama/cpu/t2', input)).toEqual([
      { code: 'mem-exceeds', detail: 'needs 1.1 GiB, 600.0 MiB available; variant v1 (529.5 MiB) would fit' },
    ]);
    const tight = inputFor(withMemory(vm, 850 * MIB), { cards: [chatCard('chat', 1e9, variants)] });
    expect(reasonsOf('v1/llama/cpu/t2', tight)).toMatchObject([
      { detail: expect.stringMatching(/; a context of 1024 tokens, or variant v2 \(329\.5 MiB\) would fit$/) },
    ]);
  });

  it("mem-exceeds when the engines together would pass the user's cap, whatever is free", () => {
    const capped = (residentBytes: number): readonly Rejection[] =>
      reasonsOf(
        'llama/cpu/t2',
        inputFor(withMemory(vm, 8000 * MIB), {
          settings: { threads: 0, contextTokens: 2048, memoryBytes: 500 * MIB },
          engineMemory: { residentBytes, expectedBytes: 0 },
        }),
      );
    expect(capped(0)).toEqual([]);
    expect(capped(400 * MIB)).toMatchObject([{ code: 'mem-exceeds', detail: expect.stringContaining('100.0 MiB available') }]);
  });

  it('mem-exceeds on a GPU that is too small, while the CPU still serves', async () => {
    const desktop = await profileOf('nvidia-desktop');
    const small: DeviceProfile = { ...desktop, accelerators: desktop.accelerators.map((one) => ({ ...one, memoryBytes: 400 * MIB })) };
    expect(reasonsOf('llama/cuda/t4', inputFor(small))).toEqual([
      { code: 'mem-exceeds', detail: 'needs 178.3 MiB, the GPU offers 100.0 MiB' },
    ]);
    expect(makePlan(inputFor(small)).chosen?.provider).toBe('cpu');
  });

  it('ctx-exceeds-train when a context is insisted on; the setting is only clamped', () => {
    const insist = inputFor(vm, { requiredContextTokens: 16_384 });
    expect(reasonsOf('llama/cpu/t2', insist)).toEqual([
      { code: 'ctx-exceeds-train', detail: 'asked for 16384 tokens, the model was trained for 8192' },
    ]);
    const wish = inputFor(vm, { settings: { threads: 0, memoryBytes: 0, contextTokens: 16_384 } });
    expect(makePlan(wish).loadSpec?.contextTokens).toBe(8192);
  });

  it('not-downloaded comes after what runs and is never chosen', () => {
    const input = inputFor(vm, { task: 'embed', settings: { threads: 0, memoryBytes: 0, contextTokens: 2048, preferredModel: RETRIEVAL } });
    const plan = makePlan({ ...input, stored: input.stored.filter(({ model }) => model === INTENTS) });
    expect(plan.chosen?.model).toBe(INTENTS);
    expect(
      plan.candidates
        .filter(({ threads }) => threads === 2)
        .slice(0, 2)
        .map(({ model, downloaded }) => [model, downloaded]),
    ).toEqual([
      [INTENTS, true],
      [RETRIEVAL, false],
    ]);
    expect(plan.candidates.find(({ downloaded }) => !downloaded)?.reasons).toEqual([
      { code: 'not-downloaded', detail: '"nearside pull e5-small-v2" fetches 32.4 MiB' },
    ]);
    expect(plan.because).toContain('the default model e5-small-v2 cannot run ("nearside pull e5-small-v2" fetches 32.4 MiB)');
  });

  it('quarantined until its time is over, and with it every thread count that was never seen to run', () => {
    const candidateId = `${CHAT}/q4_1/llama/cpu/t2`;
    const quarantined = [{ candidateId, untilMs: NOW_MS + 1, reason: 'crashed with SIGSEGV' }];
    const input = inputFor(vm, { quarantined });
    const expected = [{ code: 'quarantined', detail: 'crashed with SIGSEGV; tried again after 2026-01-01T00:00:00.001Z' }];
    expect(reasonsOf('llama/cpu/t2', input)).toEqual(expected);
    expect(reasonsOf('llama/cpu/t1', input)).toEqual(expected);
    expect(makePlan(input).chosen).toBeUndefined();
    const withOne = { ...input, measurements: [measurementOn(vm, { threads: 1 })] };
    expect(makePlan(withOne).chosen?.id).toBe(`${CHAT}/q4_1/llama/cpu/t1`);
    expect(makePlan(inputFor(vm, { quarantined, nowMs: NOW_MS + 1 })).chosen?.id).toBe(candidateId);
  });

  it('quarantined no more after a minute, when nothing else can run', () => {
    const candidateId = `${CHAT}/q4_1/llama/cpu/t2`;
    const failedAt = (sinceMs: number) => [{ candidateId, sinceMs, untilMs: NOW_MS + 3_600_000, reason: 'took too long to load' }];
    expect(makePlan(inputFor(vm, { quarantined: failedAt(NOW_MS - 59_999) })).chosen).toBeUndefined();
    const plan = makePlan(inputFor(vm, { quarantined: failedAt(NOW_MS - 60_000) }));
    expect(plan.chosen?.id).toBe(candidateId);
    expect(plan.because).toContain('Nothing else can run, so what failed before is tried again');
    const withOther = inputFor(vm, { quarantined: failedAt(NOW_MS - 60_000), measurements: [measurementOn(vm, { threads: 1 })] });
    expect(makePlan(withOther).chosen?.id).toBe(`${CHAT}/q4_1/llama/cpu/t1`);
  });

  it('user-excluded: every other model when one is asked for', () => {
    const plan = makePlan(inputFor(vm, { task: 'embed', model: INTENTS }));
    expect(plan.chosen?.model).toBe(INTENTS);
    expect(plan.fallbacks).toEqual([`${INTENTS}/int8/onnx/cpu/t1`]);
    expect(reasonsOf(`${RETRIEVAL}/int8/onnx/cpu/t2`, inputFor(vm, { task: 'embed', model: INTENTS }))).toEqual([
      { code: 'user-excluded', detail: `only ${INTENTS} was asked for` },
    ]);
  });
});
