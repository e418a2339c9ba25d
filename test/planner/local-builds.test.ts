import { describe, expect, it } from 'vitest';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { LocalBuild } from '#edge/contracts/plan.ts';
import { loadSpecOf, makePlan } from '#edge/planner/make-plan.ts';
import { CHAT, inputFor, measurementOn, NOW_MS, profileOf } from './plan-inputs.ts';

const vm = await profileOf('x64-avx512-vm');
const PACKAGED = `${CHAT}/q4_1/llama/cpu/t2`;
const TUNED = `${CHAT}/q4_1/llama/cpu-tuned/t2`;

function buildOn(device: DeviceProfile, changes: Partial<LocalBuild> = {}): LocalBuild {
  return { backend: 'llama', provider: 'cpu-tuned', folder: '/builds/one', release: 'b9133', fingerprint: device.fingerprint, ...changes };
}

describe('a build of this CPU', () => {
  const localBuilds = [buildOn(vm)];

  it('is a candidate, but not the choice before it was measured', () => {
    const plan = makePlan(inputFor(vm, { localBuilds }));
    expect(plan.chosen?.id).toBe(PACKAGED);
    expect(plan.fallbacks).toContain(TUNED);
    const measured = makePlan(inputFor(vm, { localBuilds, measurements: [measurementOn(vm)] }));
    const tuned = measured.candidates.find(({ id }) => id === TUNED);
    expect(tuned?.estimate.callSeconds).toMatchObject({ value: 2, source: 'extrapolated' });
    expect(measured.chosen?.id).toBe(PACKAGED);
  });

  it.each([
    [1.2, TUNED],
    [0.9, PACKAGED],
  ])('is chosen when it is %f times as fast: %s', (factor, id) => {
    const tuned = measurementOn(vm, { provider: 'cpu-tuned', rates: { prefill: 256 * factor, decode: 64 * factor } });
    const plan = makePlan(inputFor(vm, { localBuilds, measurements: [measurementOn(vm), tuned] }));
    expect(plan.chosen?.id).toBe(id);
    expect(plan.loadSpec?.localBuild).toBe(id === TUNED ? '/builds/one' : undefined);
    expect(plan.loadSpec?.gpuLayers).toBe(0);
  });

  it('is refused on other hardware', () => {
    const plan = makePlan(inputFor(vm, { localBuilds: [buildOn(vm, { fingerprint: 'other' })] }));
    const tuned = plan.candidates.filter(({ provider }) => provider === 'cpu-tuned');
    expect(tuned.map(({ id, reasons }) => [id, reasons])).toEqual([
      [TUNED, [{ code: 'no-binary', detail: 'llama.cpp b9133 was built on other hardware; "nearside tune" builds it anew' }]],
    ]);
  });

  it('counts once, the one of this hardware, when there are several', () => {
    const builds = [buildOn(vm, { folder: '/builds/old', fingerprint: 'other', release: 'b9999' }), buildOn(vm)];
    const input = inputFor(vm, { localBuilds: builds });
    const tuned = makePlan(input).candidates.find(({ id }) => id === TUNED);
    expect(makePlan(input).candidates.filter(({ id }) => id === TUNED)).toHaveLength(1);
    expect(tuned && loadSpecOf(tuned, input).localBuild).toBe('/builds/one');
  });

  it('runs where no packaged binary does', async () => {
    const musl = await profileOf('alpine-musl');
    const plan = makePlan(inputFor(musl, { localBuilds: [buildOn(musl)] }));
    expect(plan.chosen?.id).toBe(`${CHAT}/q4_1/llama/cpu-tuned/t4`);
  });
});

describe('a CUDA build on a Jetson', async () => {
  const jetson = await profileOf('jetson-orin-nano');
  const localBuilds = [buildOn(jetson, { provider: 'cuda-tuned', folder: '/builds/cuda' })];
  const CUDA = `${CHAT}/q4_1/llama/cuda-tuned/t4`;

  it('may run, and is chosen for what it did', () => {
    const before = makePlan(inputFor(jetson, { localBuilds }));
    expect(before.candidates.find(({ id }) => id === CUDA)?.reasons).toEqual([]);
    expect(before.candidates.find(({ provider }) => provider === 'cuda')?.reasons).toEqual([
      { code: 'no-binary', detail: 'there is no published build of llama.cpp with cuda for linux/arm64' },
    ]);
    const rates = { prefill: 2000, decode: 150 };
    const measurements = [measurementOn(jetson, { provider: 'cuda-tuned', threads: 4, rates, atMs: NOW_MS - 1 })];
    const after = makePlan(inputFor(jetson, { localBuilds, measurements }));
    expect(after.chosen?.id).toBe(CUDA);
    expect(after.loadSpec).toMatchObject({ provider: 'cuda-tuned', localBuild: '/builds/cuda', gpuLayers: 31 });
    expect(before.because).toContain('this project has not run on such hardware yet');
    expect(after.because).not.toContain('not run on such hardware');
  });

  it('needs the GPU', () => {
    const without: DeviceProfile = { ...jetson, accelerators: [] };
    const plan = makePlan(inputFor(without, { localBuilds }));
    expect(plan.candidates.find(({ id }) => id === CUDA)?.reasons).toMatchObject([{ code: 'driver-missing' }]);
  });
});
