/** The chat model in this process, in its child, and in llama-bench. */
import { execFileSync } from 'node:child_process';
import { EngineHost } from '#edge/backends/engine-host.ts';
import { importBackend } from '#edge/backends/registry.ts';
import type { Config } from '#edge/config/schema.ts';
import type { Engine, LoadSpec } from '#edge/contracts/backend.ts';
import { silentLogger } from '#edge/core/log.ts';
import { type BenchRow, median } from './report.ts';
import { plannedSpec } from './specs.ts';

type Caller = Pick<Engine, 'generate'>;

const PROMPT = 'Tell a story about a lighthouse keeper, his dog, and a storm that lasts a week.';
const TOKENS = 128;

/** Decode speed of the chat model: directly, through the child, and llama-bench's tg128 with the same threads. */
export async function benchGeneration(config: Config, ms: number, llamaBench: string | undefined): Promise<BenchRow[]> {
  const spec = await plannedSpec(config, 'generate', config.runtime.models.generate);
  const [direct, child] = await compare(config, spec, ms, decodeSpeed);
  const rows: BenchRow[] = [
    { what: `${spec.stored.model} decode, engine in this process`, value: direct, unit: 'tokens/s' },
    {
      what: `${spec.stored.model} decode, engine in its child`,
      value: child,
      unit: 'tokens/s',
      ratio: { to: 'in this process', value: child / direct },
    },
  ];
  if (!llamaBench) return rows;
  const output = execFileSync(
    llamaBench,
    ['-m', spec.stored.files.weights ?? '', '-t', String(spec.threads), '-p', '0', '-n', String(TOKENS), '-r', '3', '-o', 'json'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const peer = (JSON.parse(output) as { avg_ts: number }[])[0]?.avg_ts ?? Number.NaN;
  return [
    ...rows,
    { what: `llama-bench tg${TOKENS}, ${spec.threads} threads`, value: peer, unit: 'tokens/s' },
    { what: 'child against llama-bench', value: child, unit: 'tokens/s', ratio: { to: 'llama-bench', value: child / peer } },
  ];
}

/** Measures both alternately, so that a change of the machine's mood meets both. */
async function compare(
  config: Config,
  spec: LoadSpec,
  ms: number,
  measure: (engine: Caller, ms: number) => Promise<number>,
): Promise<readonly [number, number]> {
  await using direct = await (await importBackend(spec.backend)).load(spec);
  await using child = new EngineHost({ spec, environment: config.environment, log: silentLogger, idleStopMs: 0, deadlineMs: 600_000 });
  await child.load();
  const rounds = 3;
  const results: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    results[0].push(await measure(direct, ms / rounds));
    results[1].push(await measure(child, ms / rounds));
  }
  return [median(results[0]), median(results[1])];
}

async function decodeSpeed(engine: Caller, ms: number): Promise<number> {
  const speeds: number[] = [];
  for (const end = performance.now() + ms; speeds.length === 0 || performance.now() < end; ) {
    let first = 0;
    for await (const part of engine.generate({ model: 'generate', prompt: PROMPT, maxTokens: TOKENS, sampling: { temperature: 0 } })) {
      if (part.type === 'text-delta' && first === 0) first = performance.now();
      if (part.type === 'response-end') speeds.push(((part.usage.completionTokens - 1) / (performance.now() - first)) * 1000);
    }
  }
  return median(speeds);
}
