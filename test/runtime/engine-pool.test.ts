import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { Candidate, Plan, RejectionCode } from '#edge/contracts/plan.ts';
import type { TelemetryEvent } from '#edge/contracts/telemetry.ts';
import { createLogger } from '#edge/core/log.ts';
import { EnginePool } from '#edge/runtime/engine-pool.ts';

const folder = mkdtempSync(join(tmpdir(), 'nearside-pool-'));
const pools: EnginePool[] = [];
const lines: { event: string; [key: string]: unknown }[] = [];
const events: TelemetryEvent[] = [];

afterEach(async () => {
  for (const pool of pools.splice(0)) await pool[Symbol.asyncDispose]();
  lines.length = 0;
  events.length = 0;
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
  readonly rejected?: RejectionCode;
}

function candidateOf(model: string, choice: Choice): Candidate {
  return {
    id: choice.id,
    model,
    variant: 'v',
    format: 'gguf',
    backend: 'fake',
    provider: 'cpu',
    threads: 1,
    reasons: choice.rejected ? [{ code: choice.rejected, detail: 'for the test' }] : [],
    memory: { weightsBytes: 0, kvBytes: 0, computeBytes: 0, runtimeBytes: 0, totalBytes: choice.bytes ?? 1 },
    speed: { value: 1, source: 'predicted', confidence: 0.4 },
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

/** A pool whose planner takes the first choice that is neither quarantined nor over the budget. */
function poolOf(choices: Readonly<Record<string, readonly Choice[]>>, budget = Number.POSITIVE_INFINITY): EnginePool {
  const reserved = new Map<string, number>();
  const pool = new EnginePool({
    plan: async (model, quarantined) => {
      const inUse = [...reserved].filter(([other]) => other !== model && pool.isLoaded(other)).reduce((sum, [, bytes]) => sum + bytes, 0);
      const candidates = (choices[model] ?? []).map((choice) => {
        if (quarantined.some((entry) => entry.candidateId === choice.id))
          return { choice, candidate: candidateOf(model, { ...choice, rejected: 'quarantined' }) };
        return {
          choice,
          candidate: candidateOf(model, inUse + (choice.bytes ?? 1) > budget ? { ...choice, rejected: 'mem-exceeds' } : choice),
        };
      });
      const chosen = candidates.find(({ candidate }) => candidate.reasons.length === 0);
      if (chosen) reserved.set(model, chosen.candidate.memory.totalBytes);
      const plan: Plan = {
        task: 'generate',
        profile: 'latency',
        because: 'test',
        candidates: candidates.map(({ candidate }) => candidate),
        fallbacks: [],
        budgetBytes: budget,
        ...(chosen ? { chosen: chosen.candidate } : {}),
      };
      return chosen ? { plan, loadSpec: specOf(model, chosen.choice) } : { plan };
    },
    environment: process.env,
    idleUnloadMs: 0,
    deadlineMs: 20_000,
    recorder: { event: (event) => events.push(event), observe: () => undefined },
    log: createLogger({ level: 'info', format: 'json', write: (line) => lines.push(JSON.parse(line)) }),
  });
  pools.push(pool);
  return pool;
}

describe('EnginePool', () => {
  it('loads a model once for callers that come together, and says what it loaded', async () => {
    const pool = poolOf({ a: [{ id: 'a/1', file: modelFile('a') }] });
    const [first, second] = await Promise.all([pool.acquire('a'), pool.acquire('a')]);
    expect(first).toBe(second);
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
    const host = await pool.acquire('a');
    expect((await host.embed({ model: 'a', texts: ['alpha'], purpose: 'plain' })).vectors).toHaveLength(1);
    expect(lines.filter((line) => line.event === 'backend fell back')).toMatchObject([
      { from: 'a/bad', to: 'a/good', code: 'E_ENGINE_CRASHED' },
    ]);
    expect(events.filter((event) => event.name === 'nearside.engine.fell_back')).toHaveLength(1);
    expect(pool.quarantined).toMatchObject([{ candidateId: 'a/bad' }]);
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
    const pool = poolOf({ a: [{ id: 'a/1', file: modelFile('ra'), bytes: 6 }], b: [{ id: 'b/1', file: modelFile('rb'), bytes: 6 }] }, 10);
    await pool.acquire('a');
    await pool.acquire('b');
    expect(pool.isLoaded('a')).toBe(false);
    expect(pool.isLoaded('b')).toBe(true);
    expect(lines.map((line) => line.event)).toContain('model unloaded to make room');
  });

  it('never unloads an engine that works', async () => {
    const pool = poolOf({ a: [{ id: 'a/1', file: modelFile('wa'), bytes: 6 }], b: [{ id: 'b/1', file: modelFile('wb'), bytes: 6 }] }, 10);
    const host = await pool.acquire('a');
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
    for (let crash = 0; crash < 3; crash++) {
      const host = await pool.acquire('a');
      await expect(host.embed({ model: 'a', texts: ['[crash]'], purpose: 'plain' })).rejects.toMatchObject({ code: 'E_ENGINE_CRASHED' });
    }
    await expect.poll(() => pool.isLoaded('a')).toBe(false);
    await pool.acquire('a');
    expect(pool.quarantined).toMatchObject([{ candidateId: 'a/1' }]);
    expect(events.map((event) => event.name)).toEqual([
      'nearside.engine.crashed',
      'nearside.engine.crashed',
      'nearside.engine.crashed',
      'nearside.engine.fell_back',
    ]);
  });

  it('refuses work while it is closing', async () => {
    const pool = poolOf({ a: [{ id: 'a/1', file: modelFile('z') }] });
    await pool[Symbol.asyncDispose]();
    await expect(pool.acquire('a')).rejects.toMatchObject({ code: 'E_SHUTTING_DOWN' });
  });
});
