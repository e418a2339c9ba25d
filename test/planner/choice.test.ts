import { describe, expect, it } from 'vitest';
import type { PlanProfile } from '#edge/contracts/plan.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { loadSpecOf, makePlan } from '#edge/planner/make-plan.ts';
import { planTable } from '#edge/planner/plan-table.ts';
import { cardOf } from '#test/support/models.ts';
import { chatCard, INTENTS, inputFor, profileOf, RETRIEVAL, retrievalInput, weightsOf } from './plan-inputs.ts';

const vm = await profileOf('x64-avx512-vm');
const settings = { threads: 0, memoryBytes: 0, contextTokens: 2048 };

describe('choice', () => {
  const cards = [
    chatCard('small', 1e8, [
      { quality: 0.97, files: weightsOf(1e8) },
      { quality: 0.8, files: weightsOf(6e7) },
    ]),
    chatCard('large', 1e9, [{ quality: 0.99, files: weightsOf(6e8) }]),
  ];

  it.each<[PlanProfile, string]>([
    ['latency', 'small/v0/llama/cpu/t2'],
    ['quality', 'large/v0/llama/cpu/t2'],
    ['battery', 'small/v0/llama/cpu/t2'],
  ])('favours under %s what the profile says', (profile, id) => {
    expect(makePlan(inputFor(vm, { profile, cards, settings })).chosen?.id).toBe(id);
  });

  it('lets the default model win while it can run', () => {
    const preferred = { ...settings, preferredModel: 'large' };
    expect(makePlan(inputFor(vm, { cards, settings: preferred })).chosen?.model).toBe('large');
    const tight = { ...preferred, memoryBytes: 400 * 1024 * 1024 };
    const plan = makePlan(inputFor(vm, { cards, settings: tight }));
    expect(plan.chosen?.id).toBe('small/v0/llama/cpu/t2');
    expect(plan.because).toContain('the default model large cannot run (needs');
  });

  it('breaks a tie by id', () => {
    const twins = ['b', 'a', 'c'].map((id) => chatCard(id, 1e8, [{}]));
    const plan = makePlan(inputFor(vm, { cards: twins, settings: { ...settings, threads: 2 } }));
    expect([plan.chosen?.model, ...plan.fallbacks]).toEqual(['a', 'b/v0/llama/cpu/t2', 'c/v0/llama/cpu/t2']);
  });

  it('has the retrieval model on three engines', () => {
    const plan = makePlan(retrievalInput(vm));
    const engines = [plan.chosen?.id ?? '', ...plan.fallbacks].map((id) => id.split('/')[2]);
    expect([...new Set(engines)]).toEqual(['tflite', 'onnx', 'llama']);
  });

  it('serves classify with an encoder, the default one first', () => {
    const plan = makePlan(inputFor(vm, { task: 'classify', settings: { ...settings, preferredModel: INTENTS } }));
    expect(plan.chosen?.model).toBe(INTENTS);
    expect(plan.fallbacks).toContain(`${RETRIEVAL}/int8/onnx/cpu/t2`);
  });
});

describe('load specification', () => {
  it('is complete for a generator on a CPU', () => {
    expect(makePlan(inputFor(vm)).loadSpec).toEqual({
      backend: 'llama',
      provider: 'cpu',
      threads: 2,
      contextTokens: 2048,
      sequences: 1,
      gpuLayers: 0,
    });
  });

  it('puts all layers and the output layer on a GPU', async () => {
    const plan = makePlan(inputFor(await profileOf('nvidia-desktop')));
    expect(plan.loadSpec).toMatchObject({ provider: 'cuda', gpuLayers: 31, threads: 4 });
  });

  it('carries the embedding profile and the input length of an encoder', () => {
    const plan = makePlan(inputFor(vm, { task: 'embed', model: RETRIEVAL }));
    expect(plan.loadSpec).toMatchObject({ contextTokens: 512, embedding: cardOf(RETRIEVAL).embedding });
  });

  it('honours the number of threads that the user set', () => {
    expect(makePlan(inputFor(vm, { settings: { ...settings, threads: 1 } })).loadSpec?.threads).toBe(1);
  });

  it('never has more threads than the machine has cores', () => {
    const plan = makePlan(inputFor(vm, { settings: { ...settings, threads: 64 } }));
    expect(plan.candidates.map(({ threads }) => threads)).toEqual(plan.candidates.map(() => vm.cpu.logicalCores));
  });

  it('can be had for a fallback', () => {
    const input = inputFor(vm, { task: 'classify', settings: { ...settings, threads: 2, preferredModel: INTENTS } });
    const plan = makePlan(input);
    const fallback = plan.candidates.find(({ id }) => id === plan.fallbacks[0]);
    expect(fallback && loadSpecOf(fallback, input)).toMatchObject({ backend: 'onnx', threads: 2, embedding: { pooling: 'mean' } });
  });
});

describe('bad input', () => {
  it('refuses an unknown model and one of another task', () => {
    expect(() => makePlan(inputFor(vm, { model: 'gpt-9' }))).toThrow(EdgeError);
    expect(() => makePlan(inputFor(vm, { model: 'gpt-9' }))).toThrow('cannot plan with model "gpt-9": expected a model of the catalog');
    expect(() => makePlan(inputFor(vm, { model: RETRIEVAL }))).toThrow('expected a model that serves generate, found a model for embed');
  });

  it('says that no model serves the task', () => {
    const plan = makePlan(inputFor(vm, { task: 'tensor' }));
    expect(plan).toMatchObject({ because: 'Nothing can serve tensor: no model of the catalog does.', candidates: [], fallbacks: [] });
    expect(plan.chosen).toBeUndefined();
    expect(plan.loadSpec).toBeUndefined();
  });
});

describe('explanation', () => {
  it.each(['x64-avx512-vm', 'raspberry-pi-4', 'jetson-orin-nano', 'nvidia-desktop', 'alpine-musl'])('of chat on %s', async (board) => {
    expect(makePlan(inputFor(await profileOf(board))).because).toMatchSnapshot();
  });

  it('of the criterion that decided when there is no default', () => {
    const cards = [chatCard('small', 1e8, [{ files: weightsOf(1e8) }]), chatCard('large', 1e9, [{ files: weightsOf(6e8) }])];
    expect(makePlan(inputFor(vm, { cards, settings })).because).toMatch(
      /: it takes 1\.\d s a call against [\d.]+ s of large\/v0\/llama\/cpu\/t2; /,
    );
    expect(makePlan(inputFor(vm, { cards, settings, profile: 'quality' })).because).toContain(
      'it is a larger model than small/v0/llama/cpu/t2;',
    );
  });

  it('is a table with aligned columns, the chosen one marked', () => {
    expect(planTable(makePlan(inputFor(vm, { task: 'embed', model: RETRIEVAL })))).toMatchSnapshot();
  });

  it('survives JSON unchanged', () => {
    const plan = makePlan(inputFor(vm));
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });
});
