/** What it costs to hold an engine in a child process: its start, its memory, and the way back after a crash. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { EngineHost } from '#edge/backends/engine-host.ts';
import type { Config } from '#edge/config/schema.ts';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import { sleep } from '#edge/core/clock.ts';
import { silentLogger } from '#edge/core/log.ts';
import { PASSAGE } from './embedding.ts';
import { type BenchRow, median } from './report.ts';
import { fixedSpec } from './specs.ts';

const ROUNDS = 5;
const MEBI = 1024 ** 2;
/** A heartbeat, which tells the memory, comes each second. */
const HEARTBEAT_MS = 1100;

export async function benchChild(config: Config): Promise<BenchRow[]> {
  const spec = await fixedSpec(config, config.runtime.models.embed, 'onnx');
  const ready = await timesOf(() => startToReady(config, spec));
  const [memory, bare] = [await memoryOf(config, spec), await bareMemory(spec)];
  const recovery = await timesOf(() => recover(config, spec));
  const { model } = spec.stored;
  return [
    { what: 'engine child: start to ready, without a model', value: ready, unit: 'ms', goal: { text: '<= 300 ms', met: ready <= 300 } },
    { what: `memory of a program with onnxruntime and ${model}`, value: bare / MEBI, unit: 'MiB' },
    {
      what: 'engine child with the same: memory over it',
      value: (memory - bare) / MEBI,
      unit: 'MiB',
      goal: { text: '<= 40 MB', met: memory - bare <= 40e6 },
    },
    {
      what: `SIGSEGV to the next vector of ${model}, load included`,
      value: recovery,
      unit: 'ms',
      goal: { text: '< 2 s', met: recovery < 2000 },
    },
  ];
}

async function timesOf(measure: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await measure());
  return median(times);
}

function hostOf(config: Config, spec: LoadSpec): EngineHost {
  return new EngineHost({ spec, environment: config.environment, log: silentLogger, idleStopMs: 0, deadlineMs: 600_000 });
}

/** The fake engine's model is a text of a few words: its load takes no time. */
async function startToReady(config: Config, like: LoadSpec): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'nearside-bench-'));
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  const weights = join(folder, 'words');
  writeFileSync(weights, 'a few words');
  const { embedding: _none, ...spec } = like;
  await using host = hostOf(config, { ...spec, backend: 'fake', stored: { ...spec.stored, files: { weights } } });
  const start = performance.now();
  await host.load();
  return performance.now() - start;
}

async function memoryOf(config: Config, spec: LoadSpec): Promise<number> {
  await using host = hostOf(config, spec);
  for (let count = 0; count < 20; count++) await host.embed({ model: spec.stored.model, texts: [PASSAGE], purpose: 'passage' });
  await sleep(HEARTBEAT_MS);
  return host.status.residentBytes;
}

async function bareMemory(spec: LoadSpec): Promise<number> {
  const program = fileURLToPath(new URL('bare-engine.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', program, JSON.stringify(spec)]);
  return Number(stdout);
}

async function recover(config: Config, spec: LoadSpec): Promise<number> {
  await using host = hostOf(config, spec);
  const request = { model: spec.stored.model, texts: [PASSAGE], purpose: 'passage' } as const;
  await host.embed(request);
  const { pid } = host.status;
  const start = performance.now();
  if (pid !== undefined) process.kill(pid, 'SIGSEGV');
  await host.embed(request);
  return performance.now() - start;
}
