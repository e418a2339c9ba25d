/** The choice of engine follows the machine: fewer cores, less memory, an engine that crashes. Real commands, models and processes. */
import { availableParallelism } from 'node:os';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { Plan } from '#edge/contracts/plan.ts';
import { makeHome } from '#test/support/home.ts';
import { nearside, ROOT, run, startDevice } from '#test/support/run.ts';

const MODEL = 'e5-small-v2';
const home = makeHome({ models: true });

async function planOf(env: Record<string, string> = {}): Promise<Plan> {
  const { stdout, stderr, code } = await nearside(['plan', 'embed', '--json'], { home, env });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Plan;
}

describe('nearside plan', () => {
  it('lists one task on three engines, each with its estimate', async () => {
    const { candidates, chosen, because, fallbacks } = await planOf();
    const runnable = candidates.filter(({ model, reasons }) => model === MODEL && reasons.length === 0);
    expect(new Set(runnable.map(({ backend }) => backend))).toEqual(new Set(['onnx', 'tflite', 'llama']));
    expect(chosen?.model).toBe(MODEL);
    expect(because).toContain(MODEL);
    expect(fallbacks).not.toContain(chosen?.id);
  });

  it.skipIf(process.platform !== 'linux' || availableParallelism() < 2)(
    'takes one thread when it may use one core (needs Linux and two cores)',
    async () => {
      expect((await planOf()).chosen?.threads).toBeGreaterThan(1);
      const command = ['-c', '0', process.execPath, `${ROOT}/apps/cli/main.ts`, 'plan', 'embed', '--json'];
      const { stdout } = await run('taskset', command, { env: { NEARSIDE_HOME: home } });
      expect((JSON.parse(stdout) as Plan).chosen?.threads).toBe(1);
    },
  );

  it('takes the engine that fits when memory is short, and says what the others need', async () => {
    const { chosen, candidates } = await planOf({ NEARSIDE_RUNTIME_MEMORY_BYTES: String(200 * 1024 * 1024) });
    expect(chosen).toMatchObject({ model: MODEL, backend: 'tflite' });
    const onnx = candidates.find(({ id }) => id.startsWith(`${MODEL}/int8/onnx/cpu/`));
    expect(onnx?.reasons).toMatchObject([{ code: 'mem-exceeds', detail: expect.stringContaining('200.0 MiB available') }]);
  });
});

it('an engine that keeps crashing gives way to the next one, and the plan says why, also after a restart', async () => {
  const device = await startDevice({ home });
  const get = async <T>(path: string): Promise<T> => (await fetch(device.url + path)).json() as Promise<T>;
  const client = new OpenAI({ baseURL: `${device.url}/v1`, apiKey: 'none-needed', maxRetries: 0 });
  const embed = async (): Promise<number> =>
    (await client.embeddings.create({ model: MODEL, input: 'a tent' })).data[0]?.embedding.length ?? 0;
  const before = (await get<Plan>('/api/v1/plan/embed')).chosen;
  for (let crash = 0; crash < 3; crash++) {
    expect(await embed()).toBe(384);
    const { engines } = await get<{ engines: { pid: number }[] }>('/api/v1/engines');
    process.kill(engines[0]?.pid ?? 0, 'SIGSEGV');
    await expect.poll(async () => (await get<{ engines: unknown[] }>('/api/v1/engines')).engines.length, { timeout: 10_000 }).toBe(0);
  }
  await expect.poll(async () => (await get<Plan>('/api/v1/plan/embed')).chosen?.id, { timeout: 10_000 }).not.toBe(before?.id);
  expect(await embed()).toBe(384);
  const after = await get<Plan>('/api/v1/plan/embed');
  expect(after.chosen?.backend).not.toBe(before?.backend);
  const reasons = after.candidates.find(({ id }) => id === before?.id)?.reasons;
  expect(reasons).toMatchObject([{ code: 'quarantined', detail: expect.stringContaining('SIGSEGV') }]);
  await device.stop();
  expect((await planOf()).chosen?.id).toBe(after.chosen?.id);
});
