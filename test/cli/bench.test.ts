import { expect, it } from 'vitest';
import type { BenchReport } from '#apps/cli/bench-report.ts';
import { makeHome } from '#test/support/home.ts';
import { nearside } from '#test/support/run.ts';

it('measures every way to run a model, and says which one is chosen', async () => {
  const home = makeHome({ models: true });
  const { code, stdout, stderr } = await nearside(['bench', 'bge-small-en-v1.5', '--json'], { home });
  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as BenchReport;
  expect(report.task).toBe('embed');
  const measured = report.candidates.filter((candidate) => candidate.measured);
  expect(measured.length).toBeGreaterThan(0);
  for (const { id, model, variant, backend, provider, threads, measured: figures } of measured) {
    expect(id).toBe(`${model}/${variant}/${backend}/${provider}/t${threads}`);
    expect(figures?.callSeconds).toBeCloseTo(1 / (figures?.short ?? 0) + 1 / (figures?.long ?? 0), 9);
    expect(figures?.residentBytes).toBeGreaterThan(50e6);
  }
  expect(report.candidates.filter(({ chosen }) => chosen)).toMatchObject([{ model: 'bge-small-en-v1.5', backend: 'onnx' }]);
  expect(report.regret).toBeGreaterThanOrEqual(0);
  expect(report.peers).toEqual({});
}, 120_000);

it('refuses what is neither a task nor a model, and what is not stored', async () => {
  const home = makeHome({ models: false });
  const unknown = await nearside(['bench', 'embedd'], { home });
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('"embedd" is neither a task nor a model') });
  const missing = await nearside(['bench', 'embed'], { home });
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('E_MODEL_NOT_STORED') });
}, 60_000);
