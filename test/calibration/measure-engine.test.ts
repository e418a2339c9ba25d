import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { importBackend } from '#edge/backends/registry.ts';
import type { EngineSubject } from '#edge/calibration/engine-subject.ts';
import { measureEngine } from '#edge/calibration/measure-engine.ts';
import type { Engine } from '#edge/contracts/backend.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { ResponseEnd } from '#edge/contracts/parts.ts';
import { TASK_RATES } from '#edge/contracts/plan.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { fakeSpec } from '#test/support/fake-model.ts';

const ENGINE = { engine: 'fake/cpu', model: 'fake-model', variant: 'words' };
const BUDGET = { budgetMs: 60 };

/** The fake engine with some of its calls replaced. */
async function subjectWith(calls: Partial<Engine> = {}, signal?: AbortSignal): Promise<EngineSubject> {
  const engine = await (await importBackend('fake')).load({ ...fakeSpec(), contextTokens: 2048 });
  return { engine: { ...bound(engine), ...calls }, info: engine.info, options: signal ? { signal } : {} };
}

function bound(engine: Engine): Pick<Engine, 'generate' | 'embed' | 'score' | 'runTensors'> {
  const { embed, score, runTensors } = engine;
  return { embed, score, runTensors, generate: (request, options) => engine.generate(request, options) };
}

/** An encoder that adds two tokens to a text's words, and takes 1 ms and 1/8 ms a token. */
function encoder(lengths: number[]): Partial<Engine> {
  return {
    embed: async ({ texts }) => {
      const promptTokens = (texts[0] ?? '').split(' ').length + 2;
      lengths.push(promptTokens);
      await sleep(1 + promptTokens / 8);
      return { vectors: [Float32Array.of(1)], dimensions: 1, promptTokens, truncated: 0, engine: ENGINE };
    },
  };
}

/** A generator of 1,000 tokens a second for the prompt and 100 for the answer. */
function generator(requests: GenerateRequest[], more: Partial<ResponseEnd['usage']> = {}): Partial<Engine> {
  return {
    generate: async function* (request) {
      requests.push(request);
      const usage = {
        promptTokens: (request.prompt ?? '').split(' ').length,
        completionTokens: request.maxTokens ?? 1,
        cachedTokens: 0,
        ...more,
      };
      const prefillMs = usage.promptTokens - usage.cachedTokens;
      const tokensPerSecond = usage.completionTokens > 1 ? { tokensPerSecond: 100 } : {};
      yield {
        type: 'response-end',
        finishReason: 'length',
        usage,
        timings: { totalMs: prefillMs, prefillMs, ...tokensPerSecond },
        engine: ENGINE,
      };
    },
  };
}

describe('every task', () => {
  it.each(['generate', 'embed', 'classify', 'rerank', 'tensor'] as const)('%s gets its rates', async (task) => {
    const { rates } = await measureEngine(await subjectWith(), task, BUDGET);
    expect(Object.keys(rates)).toEqual([...TASK_RATES[task]]);
    for (const rate of Object.values(rates)) expect(rate > 0 && Number.isFinite(rate), JSON.stringify(rates)).toBe(true);
  });
});

describe('encoders', () => {
  it('are measured with texts of exactly 16 and 128 tokens, one a call, alternately', async () => {
    const lengths: number[] = [];
    const { rates } = await measureEngine(await subjectWith(encoder(lengths)), 'embed', BUDGET);
    const rounds = lengths.slice(-4);
    expect(rounds).toEqual([16, 128, 16, 128]);
    expect(rates.short).toBeGreaterThan(rates.long ?? 0);
  });

  it('whose vocabulary splits every word are still measured', async () => {
    const embed: Engine['embed'] = async ({ texts }) => {
      const promptTokens = (texts[0] ?? '').split(' ').length * 3;
      return { vectors: [Float32Array.of(1)], dimensions: 1, promptTokens, truncated: 0, engine: ENGINE };
    };
    const { rates } = await measureEngine(await subjectWith({ embed }), 'embed', BUDGET);
    expect(rates.short).toBeGreaterThan(0);
  });
});

describe('generators', () => {
  it('are asked greedily, each time with another beginning, so that no cache helps', async () => {
    const requests: GenerateRequest[] = [];
    const { rates } = await measureEngine(await subjectWith(generator(requests)), 'generate', { budgetMs: 1000 });
    expect(rates.prefill).toBeCloseTo(1000);
    expect(rates.decode).toBeCloseTo(100);
    for (const { sampling } of requests) expect(sampling).toMatchObject({ temperature: 0, repeatPenalty: 1 });
    const beginnings = requests.slice(0, 10).map(({ prompt }) => prompt?.split(' ')[0]);
    expect(new Set(beginnings).size).toBe(beginnings.length);
  });

  it('get work that fits the budget: all of it when they are quick, little when they are slow', async () => {
    const sizes = async (budgetMs: number): Promise<readonly (number | undefined)[]> => {
      const requests: GenerateRequest[] = [];
      await measureEngine(await subjectWith(generator(requests)), 'generate', { budgetMs });
      return [requests[1]?.prompt?.split(' ').length, requests[1]?.maxTokens];
    };
    expect(await sizes(1000)).toEqual([256, 20]);
    expect(await sizes(10)).toEqual([32, 8]);
  });

  it('are told by the tokens they read, not by those of the cache', async () => {
    const { rates } = await measureEngine(await subjectWith(generator([], { promptTokens: 100, cachedTokens: 40 })), 'generate', BUDGET);
    expect(rates.prefill).toBeCloseTo(1000);
  });

  it('that never say more than one token cannot be measured', async () => {
    const subject = await subjectWith(generator([], { completionTokens: 1 }));
    const error = await expectCode(measureEngine(subject, 'generate', BUDGET), 'E_UNSUPPORTED');
    expect(error.message).toContain('a rate of decode');
  });
});

it('gives medians, which one slow round does not move', async () => {
  let runs = 0;
  const runTensors: Engine['runTensors'] = async () => {
    await sleep(++runs === 3 ? 300 : 2);
    return { outputs: {}, engine: ENGINE };
  };
  const { rates } = await measureEngine(await subjectWith({ runTensors }), 'tensor', { budgetMs: 500 });
  expect(runs).toBeGreaterThan(10);
  // A mean over the rounds would be 300 ms / 20 rounds slower.
  expect(rates.runs).toBeGreaterThan(100);
});

it('tells the energy of a typical call: power above idle, times its time', async () => {
  const runTensors: Engine['runTensors'] = async () => {
    await sleep(20);
    return { outputs: {}, engine: ENGINE };
  };
  const meter = {
    source: 'test',
    measure: async <T>(work: () => Promise<T>) => {
      const startedAt = performance.now();
      const result = await work();
      const seconds = (performance.now() - startedAt) / 1000;
      return { result, seconds, joules: seconds * 7 };
    },
  };
  const { rates, joules } = await measureEngine(await subjectWith({ runTensors }), 'tensor', {
    ...BUDGET,
    energy: { meter, idleWatts: 2 },
  });
  expect((joules ?? 0) * (rates.runs ?? 0)).toBeCloseTo(5, 0);
  const silent = { ...meter, measure: async <T>(work: () => Promise<T>) => ({ result: await work(), seconds: 1 }) };
  const without = await measureEngine(await subjectWith({ runTensors }), 'tensor', { ...BUDGET, energy: { meter: silent, idleWatts: 2 } });
  expect(without).not.toHaveProperty('joules');
});

describe('real work', () => {
  it('goes first: each round waits until the device is idle', async () => {
    let idle = false;
    let whileBusy = 0;
    const runTensors: Engine['runTensors'] = async () => {
      if (!idle) whileBusy++;
      return { outputs: {}, engine: ENGINE };
    };
    const whenIdle = async (): Promise<void> => {
      await sleep(5);
      idle = true;
    };
    await measureEngine(await subjectWith({ runTensors }), 'tensor', { budgetMs: 10, whenIdle });
    // The warm-up only.
    expect(whileBusy).toBe(1);
  });

  it('that never ends does not hold a cancellation up', async () => {
    const controller = new AbortController();
    const measuring = measureEngine(await subjectWith({}, controller.signal), 'tensor', { whenIdle: () => new Promise(() => undefined) });
    setTimeout(() => controller.abort(), 20);
    await expectCode(measuring, 'E_CANCELLED');
  });
});
