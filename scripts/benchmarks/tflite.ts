/** TFLite models through the engine child against LiteRT from Python, with the same files and threads. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { EngineHost } from '#edge/backends/engine-host.ts';
import type { Config } from '#edge/config/schema.ts';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { silentLogger } from '#edge/core/log.ts';
import { PASSAGE, QUESTION } from './embedding.ts';
import type { BenchRow } from './report.ts';
import { fixedSpec } from './specs.ts';
import { CALLS_A_TURN, type Turn, timeInTurns, turnOf } from './turns.ts';

interface Work {
  readonly name: string;
  /** Signature that the engine takes for it; `null` for a file without any. */
  readonly signature: string | null;
  readonly call: (host: EngineHost) => Promise<unknown>;
}

const embedWork = (name: string, text: string, signature: string): Work => ({
  name: `${name}, tokenised and pooled`,
  signature,
  call: (host) => host.embed({ model: 'embed', texts: [text], purpose: 'passage' }),
});

const PICTURE = { dtype: 'float32', shape: [1, 224, 224, 3], data: new Float32Array(224 * 224 * 3).fill(1) } as const;
const PICTURE_WORK: Work = {
  name: 'a picture of 224 x 224',
  signature: null,
  call: (host) => host.runTensors({ model: 'tensor', inputs: { input_1: PICTURE } }),
};

const MODELS: readonly { readonly model: string; readonly works: readonly Work[] }[] = [
  {
    model: 'e5-small-v2',
    works: [embedWork('a question', QUESTION, 'embed_16'), embedWork('a passage of 130 tokens', PASSAGE, 'embed_256')],
  },
  { model: 'hand-landmark-lite', works: [PICTURE_WORK] },
];
const GOAL = 1.1;

/** @param python A Python with `ai-edge-litert`, as the peer. */
export async function benchTflite(config: Config, ms: number, python: string | undefined): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { model, works } of MODELS) {
    const spec = await fixedSpec(config, model, 'tflite');
    await using host = new EngineHost({ spec, environment: config.environment, log: silentLogger, idleStopMs: 0, deadlineMs: 600_000 });
    await host.load();
    using peer = python ? openPeer(python, spec) : undefined;
    for (const work of works) {
      const child = turnOf(() => work.call(host));
      const what = `${model}, ${work.name}, ${spec.threads} threads`;
      if (peer) rows.push(...compared(what, await timeInTurns({ child, peer: peer.turnOf(work.signature) }, ms)));
      else rows.push({ what: `${what}: through the engine child`, value: (await timeInTurns({ child }, ms)).child, unit: 'ms' });
    }
  }
  return rows;
}

function compared(what: string, times: { readonly child: number; readonly peer: number }): BenchRow[] {
  const value = times.child / times.peer;
  return [
    { what: `${what}: LiteRT from Python`, value: times.peer, unit: 'ms' },
    {
      what: `${what}: through the engine child`,
      value: times.child,
      unit: 'ms',
      ratio: { to: 'Python', value },
      goal: { text: `<= ${GOAL}`, met: value <= GOAL },
    },
  ];
}

/** LiteRT in a Python process; a turn is one line to it and one back. */
function openPeer(python: string, spec: LoadSpec): Disposable & { turnOf(signature: string | null): Turn } {
  const program = fileURLToPath(new URL('litert_peer.py', import.meta.url));
  const child = spawn(python, [program, spec.stored.files.weights ?? '', String(spec.threads)], { stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout });
  const answers = lines[Symbol.asyncIterator]();
  // Without a process there is no answer either, and that is told.
  child.once('error', () => lines.close());
  child.stdin.once('error', () => undefined);
  return {
    turnOf: (signature) => async () => {
      child.stdin.write(`${JSON.stringify({ signature, calls: CALLS_A_TURN })}\n`);
      const { value, done } = await answers.next();
      if (done) {
        throw new EdgeError('E_USAGE', { what: `${python} gives no answer`, expected: 'a Python with the package ai-edge-litert' });
      }
      return JSON.parse(value) as number[];
    },
    [Symbol.dispose]: () => child.kill(),
  };
}
