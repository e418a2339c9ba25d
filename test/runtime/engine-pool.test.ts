import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { Candidate, Measurement, Plan, RejectionCode } from '#edge/contracts/plan.ts';
import type { TelemetryEvent } from '#edge/contracts/telemetry.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { createLogger } from '#edge/core/log.ts';
import { EnginePool, type EnginePoolDependencies, type FailureBook } from '#edge/runtime/engine-pool.ts';

const GIB = 1024 ** 3;
const folder = mkdtempSync(join(tmpdir(), 'nearside-pool-'));
const pools: EnginePool[] = [];
const lines: { event: string; [key: string]: unknown }[] = [];
const events: TelemetryEvent[] = [];
/** Failed candidates and why; what each pool forgets when its test ends. */
const failed = new Map<string, string>();

afterEach(async () => {
  for (const pool of pools.splice(0)) await pool[Symbol.asyncDispose]();
  lines.length = 0;
  events.length = 0;
  failed.clear();
});

/** A model file of the fake backend; `[crash]` in it kills the child while it loads. */
function modelFile(name: string, text = 'alpha beta gamma'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

interface Choice {
  readonly id: string;
  readonly file: string;
  readonly bytes?: number;
  readonly variant?: string;
  readonly rejected?: RejectionCode;
  readonly measured?: Measurement;
}

function candidateOf(model: string, choice: Choice): Candidate {
  return {
    id: choice.id,
    model,
    variant: choice.variant ?? 'v',
    format: 'gguf',
    backend: 'fake',
    provider: 'cpu',
    threads: 1,
    reasons: choice.rejected ? [{ code: choice.rejected, detail: 'for the test' }] : [],
    estimate: {
      rates: {},
      callSeconds: { value: 1, source: 'predicted', confidence: 0.4 },
      memory: { weightsBytes: 0, kvBytes: 0, computeBytes: 0, runtimeBytes: 0, totalBytes: choice.bytes ?? 1 },
    },
    measured: choice.measured ?? null,
    quality: 1,
    downloaded: true,
  };
}

function specOf(model: string, choice: Choice): LoadSpec {
  return {
    stored: { model, variant: 'v', format: 'gguf', files: { weights: choice.file }, sha256: choice.id, bytes: 1 },
    backend: 'fake',
    provider: 'cpu',
    threads: 1,
    contextTokens: 256,
    sequences: 1,
    gpuLayers: 0,
  };
}

const BOOK: FailureBook = { add: (id, reason) => failed.set(id, reason), release: (id) => failed.delete(id) };

/** A pool whose planner takes the first choice that is neither quarantined nor over what is left of the budget. */
function poolOf(
  choices: Readonly<Record<string, readonly Choice[]>>,
  budget = Number.POSITIVE_INFINITY,
  { failures = BOOK, giveWay = async () => false }: Partial<Pick<EnginePoolDependencies, 'failures' | 'giveWay'>> = {},
): EnginePool {
  const pool = new EnginePool({
    plan: async (name, { engineMemory, without }) => {
      const [model = ''] = name.split(':');
      const budgetBytes = budget - engineMemory.residentBytes - engineMemory.expectedBytes;
      await new Promise((resolve) => setTimeout(resolve, 20));
      const candidates = (choices[name] ?? []).map((choice) => {
        const isOut = without?.includes(choice.id) || failed.has(choice.id);
        const rejected = isOut ? 'quarantined' : (choice.bytes ?? 1) > budgetBytes ? 'mem-exceeds' : undefined;
        return { choice, candidate: candidateOf(model, rejected ? { ...choice, rejected } : choice) };
      });
      const chosen = candidates.find(({ candidate }) => candidate.reasons.length === 0);
      const plan: Plan = {
        task: 'generate',
        profile: 'latency',
        because: 'test',
        candidates: candidates.map(({ candidate }) => candidate),
        fallbacks: [],
        budgetBytes,
        ...(chosen ? { chosen: chosen.candidate } : {}),
      };
      return chosen ? { plan, loadSpec: specOf(model, chosen.choice) } : { plan };
    },
    failures,
    giveWay,
    onLoad: () => undefined,
    environment: process.env,
    idleUnloadMs: 0,
    deadlineMs: 20_000,
    recorder: { event: (event) => events.push(event), observe: () => undefined },
    log: createLogger({ level: 'info', format: 'json', write: (line) => lines.push(JSON.parse(line)) }),
  });
  pools.push(pool);
  return pool;
}

/** Loads a model and gives it back at once. */
async function load(pool: EnginePool, model: string): Promise<void> {
  using _lease = await pool.acquire(model);
}

/** Two models of 6 GiB each, with room for one. */
const twoOfSix = (name: string): EnginePool =>
  poolOf(
    {
      a: [{ id: 'a/1', file: modelFile(`${name}a`), bytes: 6 * GIB }],
      b: [{ id: 'b/1', file: modelFile(`${name}b`), bytes: 6 * GIB }],
    },
    10 * GIB,
  );

describe('EnginePool', () => {
  it('serves a variant by name from the engine that has it, and loads another beside it', async () => {
    const pool = poolOf({
      a: [{ id: 'a/1', file: modelFile('variant1'), variant: 'int8' }],
      'a:q8_0': [{ id: 'a/2', file: modelFile('variant2'), variant: 'q8_0' }],
    });
    using any = await pool.acquire('a');
    using same = await pool.acquire('a:int8');
    using other = await pool.acquire('a:q8_0');
    expect(same.host).toBe(any.host);
    expect(other.host).not.toBe(any.host);
    using again = await pool.acquire('a');
    expect(again.host).toBe(any.host);
    expect(pool.isLoaded('a:fp16')).toBe(false);
  });

  it('loads a model once for callers that come together, and says what it loaded', async () => {
    const pool = poolOf({ a: [{ id: 'a/1', file: modelFile('a') }] });
    const [first, second] = await Promise.all([pool.acquire('a'), pool.acquire('a')]);
    expect(first.host).toBe(second.host);
    expect(pool.isLoaded('a')).toBe(true);
    expect(pool.status()).toMatchObject([{ backend: 'fake', model: 'a', crashes: 0, active: 0 }]);
    expect(lines.filter((line) => line.event === 'model loaded')).toHaveLength(1);
  });

  it('falls to the next candidate when one cannot load, logs why and to what once, and tells the fleet', async () => {
    const pool = poolOf({
      a: [
        { id: 'a/bad', file: modelFile('bad', 'x [crash] y') },
        { id: 'a/good', file: modelFile('good') },
      ],
    });
    const { host } = await pool.acquire('a');
    expect((await host.embed({ model: 'a', texts: ['alpha'], purpose: 'plain' })).vectors).toHaveLength(1);
    expect(lines.filter((line) => line.event === 'backend fell back')).toMatchObject([
      { from: 'a/bad', to: 'a/good', code: 'E_ENGINE_CRASHED' },
    ]);
    expect(events.filter((event) => event.name === 'nearside.engine.fell_back')).toHaveLength(1);
    expect([...failed]).toEqual([['a/bad', expect.stringContaining('probe-crashed')]]);
  });

  it('goes past a damaged file to the next candidate without holding it against the first, and fails when there is none', async () => {
    const file = modelFile('damaged', '');
    const pool = poolOf({
      a: [
        { id: 'a/damaged', file, variant: 'first' },
        { id: 'a/whole', file: modelFile('whole') },
      ],
    });
    await load(pool, 'a');
    expect(lines.filter((line) => line.event === 'backend fell back')).toMatchObject([{ to: 'a/whole', code: 'E_MODEL_CORRUPT' }]);
    expect(failed.size).toBe(0);
    const alone = poolOf({ a: [{ id: 'a/damaged', file: modelFile('alone', '') }] });
    await expect(alone.acquire('a')).rejects.toMatchObject({ code: 'E_MODEL_CORRUPT' });
  });

  it('gives the error of the last candidate when none can load', async () => {
    const pool = poolOf({ a: [{ id: 'a/bad', file: modelFile('bad2', '[crash]') }] });
    await expect(pool.acquire('a')).rejects.toMatchObject({ code: 'E_ENGINE_CRASHED' });
    await expect(pool.acquire('a')).rejects.toMatchObject({
      code: 'E_NO_CANDIDATE',
      message: expect.stringContaining('a/bad: quarantined'),
    });
  });

  it('unloads the engine that was idle longest to make room for another', async () => {
    const pool = twoOfSix('r');
    await load(pool, 'a');
    await load(pool, 'b');
    expect(pool.isLoaded('a')).toBe(false);
    expect(pool.isLoaded('b')).toBe(true);
    expect(lines.map((line) => line.event)).toContain('model unloaded to make room');
  });

  it('never unloads an engine that works', async () => {
    const pool = twoOfSix('w');
    using lease = await pool.acquire('a');
    const { host } = lease;
    const running = (async () => {
      let text = '';
      for await (const part of host.generate({ model: 'a', prompt: '[slow] one two three', maxTokens: 20 }))
        if (part.type === 'text-delta') text += part.text;
      return text;
    })();
    await expect.poll(() => pool.status()[0]?.active).toBe(1);
    await expect(pool.acquire('b')).rejects.toMatchObject({ code: 'E_NO_CANDIDATE', message: expect.stringContaining('mem-exceeds') });
    expect((await running).length).toBeGreaterThan(0);
  });

  it('leaves a candidate that crashes three times, when the plan has another', async () => {
    const pool = poolOf({
      a: [
        { id: 'a/1', file: modelFile('c1') },
        { id: 'a/2', file: modelFile('c2') },
      ],
    });
    // Each call meets the crash twice: it is repeated once on a new child.
    for (let call = 0; call < 2; call++) {
      using lease = await pool.acquire('a');
      await expect(lease.host.embed({ model: 'a', texts: ['[crash]'], purpose: 'plain' })).rejects.toMatchObject({
        code: 'E_ENGINE_CRASHED',
      });
    }
    await expect.poll(() => failed.size).toBe(1);
    await load(pool, 'a');
    expect([...failed]).toEqual([['a/1', expect.stringContaining('crashed 3 times')]]);
    const count = (name: string): number => events.filter((event) => event.name === name).length;
    expect(count('nearside.engine.crashed')).toBe(4);
    expect(count('nearside.engine.fell_back')).toBe(1);
  });

  it('does not let two models that load together count on the same memory', async () => {
    const pool = twoOfSix('t');
    await Promise.all([load(pool, 'a'), load(pool, 'b').catch(() => undefined)]);
    expect(pool.status().length).toBeLessThan(2);
  });

  it('keeps an engine that was lent and is not called yet', async () => {
    const pool = twoOfSix('l');
    using lease = await pool.acquire('a');
    await expect(pool.acquire('b')).rejects.toMatchObject({ code: 'E_NO_CANDIDATE' });
    expect((await lease.host.embed({ model: 'a', texts: ['alpha'], purpose: 'plain' })).vectors).toHaveLength(1);
  });

  it('unloads nothing for a model that would not fit even then', async () => {
    const pool = poolOf(
      { a: [{ id: 'a/1', file: modelFile('va'), bytes: GIB }], huge: [{ id: 'h/1', file: modelFile('vh'), bytes: 90 * GIB }] },
      10 * GIB,
    );
    await load(pool, 'a');
    await expect(pool.acquire('huge')).rejects.toMatchObject({ code: 'E_NO_CANDIDATE' });
    expect(pool.isLoaded('a')).toBe(true);
  });

  it('lets calls in flight end before it gives up a candidate that crashed', async () => {
    const pool = poolOf({
      a: [
        { id: 'a/1', file: modelFile('f1') },
        { id: 'a/2', file: modelFile('f2') },
      ],
    });
    using waiting = await pool.acquire('a');
    for (let call = 0; call < 2; call++) {
      using lease = await pool.acquire('a');
      await expect(lease.host.embed({ model: 'a', texts: ['[crash]'], purpose: 'plain' })).rejects.toMatchObject({
        code: 'E_ENGINE_CRASHED',
      });
    }
    await expect.poll(() => failed.size).toBe(1);
    expect((await waiting.host.embed({ model: 'a', texts: ['alpha'], purpose: 'plain' })).vectors).toHaveLength(1);
    expect(pool.status()).toHaveLength(1);
    waiting[Symbol.dispose]();
    await expect.poll(() => pool.status()).toEqual([]);
  });

  it('changes to a better candidate when asked to plan again, after the calls in flight', async () => {
    const choices = [
      { id: 'a/1', file: modelFile('r1') },
      { id: 'a/2', file: modelFile('r2') },
    ];
    const pool = poolOf({ a: choices });
    using waiting = await pool.acquire('a');
    await pool.replan();
    expect(pool.isLoaded('a')).toBe(true);
    choices.reverse();
    await pool.replan();
    using next = await pool.acquire('a');
    expect(next.host).not.toBe(waiting.host);
    expect((await waiting.host.embed({ model: 'a', texts: ['alpha'], purpose: 'plain' })).vectors).toHaveLength(1);
    waiting[Symbol.dispose]();
    await expect.poll(() => pool.status()).toHaveLength(1);
    expect(lines.filter((line) => line.event === 'engine changes')).toMatchObject([{ from: 'a/1', to: 'a/2', because: 'test' }]);
  });

  it('waits for an engine that goes when its successor does not fit beside it', async () => {
    const choices = [
      { id: 'a/1', file: modelFile('g1'), bytes: 6 * GIB },
      { id: 'a/2', file: modelFile('g2'), bytes: 6 * GIB },
    ];
    const pool = poolOf({ a: choices }, 10 * GIB);
    const working = await pool.acquire('a');
    choices.reverse();
    await pool.replan();
    const next = pool.acquire('a');
    expect(await Promise.race([next.then(() => 'lent'), sleep(300, 'waits')])).toBe('waits');
    working[Symbol.dispose]();
    using lease = await next;
    expect(lease.candidate.id).toBe('a/2');
    lease[Symbol.dispose]();
    choices.reverse();
    await pool.replan();
    using again = await pool.acquire('a');
    expect(again.candidate.id).toBe('a/1');
  });

  it('knows what an engine that stays is measured at by now', async () => {
    const choices: Choice[] = [{ id: 'a/1', file: modelFile('m1') }];
    const pool = poolOf({ a: choices });
    await load(pool, 'a');
    const measured = { rates: { short: 1, long: 1 } } as unknown as Measurement;
    choices[0] = { id: 'a/1', file: '', measured };
    await pool.replan();
    using lease = await pool.acquire('a');
    expect(lease.candidate.measured).toBe(measured);
    expect(pool.status()).toHaveLength(1);
  });

  it('loads a variant once for those who ask for it by name and those who do not', async () => {
    const choice = { id: 'a/1', file: modelFile('twin'), variant: 'int8' };
    const pool = poolOf({ a: [choice], 'a:int8': [choice] });
    const [any, named] = await Promise.all([pool.acquire('a'), pool.acquire('a:int8')]);
    expect(any.host).toBe(named.host);
    expect(pool.status()).toHaveLength(1);
  });

  it('serves on when nothing can be remembered', async () => {
    const full = (): never => {
      throw new EdgeError('E_DISK_FULL', { what: 'no space' });
    };
    const choices = {
      a: [
        { id: 'a/bad', file: modelFile('n1', '[crash]') },
        { id: 'a/good', file: modelFile('n2'), bytes: 6 * GIB },
      ],
    };
    const b = [{ id: 'b/1', file: modelFile('n3'), bytes: 6 * GIB }];
    const pool = poolOf({ ...choices, b }, 10 * GIB, { failures: { add: full, release: full } });
    await load(pool, 'a');
    await load(pool, 'b');
    expect(pool.memory.residentBytes + pool.memory.expectedBytes).toBe(6 * GIB);
    expect(lines.filter((line) => line.event === 'failures are not remembered').length).toBeGreaterThan(0);
  });

  it('asks for memory that is used for no real work before it unloads anything, and only when memory is short', async () => {
    let isAsked = 0;
    let spare = 4 * GIB;
    const giveWay = async (): Promise<boolean> => {
      isAsked++;
      const gave = spare > 0;
      b.bytes -= spare;
      spare = 0;
      return gave;
    };
    const b = { id: 'b/1', file: modelFile('w2'), bytes: 6 * GIB };
    const pool = poolOf({ a: [{ id: 'a/1', file: modelFile('w1'), bytes: 6 * GIB }], b: [b] }, 10 * GIB, { giveWay });
    await load(pool, 'a');
    expect(isAsked).toBe(0);
    await load(pool, 'b');
    expect(isAsked).toBe(1);
    expect(pool.isLoaded('a')).toBe(true);
  });

  it('answers a caller who gives up while the model loads, at once', async () => {
    const pool = poolOf({ a: [{ id: 'a/1', file: modelFile('s1', 'alpha [stall]') }] });
    await expect(pool.acquire('a', AbortSignal.timeout(300))).rejects.toMatchObject({ code: 'E_CANCELLED' });
  });

  it('ends a load that is under way when it is closed', async () => {
    const pool = poolOf({ a: [{ id: 'a/1', file: modelFile('s2', 'alpha [stall]') }] });
    const loading = expect(pool.acquire('a')).rejects.toMatchObject({ code: 'E_SHUTTING_DOWN' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await pool[Symbol.asyncDispose]();
    await loading;
    expect(failed.size).toBe(0);
  });

  it('refuses work while it is closing', async () => {
    const pool = poolOf({ a: [{ id: 'a/1', file: modelFile('z') }] });
    await pool[Symbol.asyncDispose]();
    await expect(pool.acquire('a')).rejects.toMatchObject({ code: 'E_SHUTTING_DOWN' });
  });
});
