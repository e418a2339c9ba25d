/** The retrieval model in its child against ONNX Runtime called directly. */
import { EngineHost } from '#edge/backends/engine-host.ts';
import type { Config } from '#edge/config/schema.ts';
import { silentLogger } from '#edge/core/log.ts';
import { openOnnxPeer } from './onnx-peer.ts';
import type { BenchRow } from './report.ts';
import { fixedSpec } from './specs.ts';
import { timeInTurns, turnOf } from './turns.ts';

export const QUESTION = 'How long do I have to return an opened tent?';
export const PASSAGE = 'The device keeps every event in its outbox until the collector has committed it. '.repeat(8).trim();

const WORK: readonly { readonly name: string; readonly texts: readonly string[]; readonly goal: number }[] = [
  { name: 'a question', texts: [QUESTION], goal: 0.9 },
  { name: 'a passage of 130 tokens', texts: [PASSAGE], goal: 0.9 },
  { name: 'a batch of 16 questions', texts: Array.from({ length: 16 }, (_, index) => `${QUESTION} ${index}`), goal: 0.95 },
];

/** Texts a second, one call after the other. */
export async function benchEmbedding(config: Config, ms: number): Promise<BenchRow[]> {
  const spec = await fixedSpec(config, config.runtime.models.embed, 'onnx');
  const direct = await openOnnxPeer(spec);
  await using host = new EngineHost({ spec, environment: config.environment, log: silentLogger, idleStopMs: 0, deadlineMs: 600_000 });
  await host.load();
  const rows: BenchRow[] = [];
  for (const { name, texts, goal } of WORK) {
    const times = await timeInTurns(
      {
        direct: turnOf(() => direct(texts)),
        child: turnOf(() => host.embed({ model: spec.stored.model, texts, purpose: 'passage' })),
      },
      ms / WORK.length,
    );
    const perSecond = (callMs: number): number => (texts.length / callMs) * 1000;
    const ratio = times.direct / times.child;
    const what = `${spec.stored.model}, ${name}, ${spec.threads} threads`;
    rows.push(
      { what: `${what}: onnxruntime called directly`, value: perSecond(times.direct), unit: 'texts/s' },
      {
        what: `${what}: through the engine child`,
        value: perSecond(times.child),
        unit: 'texts/s',
        ratio: { to: 'onnxruntime', value: ratio },
        goal: { text: `>= ${goal}`, met: ratio >= goal },
      },
    );
  }
  return rows;
}
