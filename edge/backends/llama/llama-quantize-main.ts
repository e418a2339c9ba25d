/** Entry of the quantiser's child: one job. Started by `llamaQuantizer` with model and quantisation as arguments, for process lists. */
import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { KeptQuality } from '#edge/contracts/quantize.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { connectParent } from '#edge/core/process/parent.ts';
import { compareReadings, type Reading, readQuality } from './llama-quality.ts';
import type { QuantizeHostMethods, QuantizeMethods } from './llama-quantize.ts';
import { loadLibllama } from './llama-quantize-native.ts';

type Job = QuantizeMethods['quantize']['params'];

/** The device answers meanwhile, on the other half; llama.cpp's threads wait for each other by spinning. */
const THREADS = Math.max(1, Math.floor(availableParallelism() / 2));
/** How llama.cpp announces a tensor: `[  12/ 272] blk.0.attn_q.weight`. */
const TENSOR_LINE = /^\[\s*(\d+)\/\s*(\d+)\]/;

async function quantize({ model, from, to, quantization, measure }: Job): Promise<KeptQuality> {
  await access(from).catch((error: unknown) => {
    const found = systemErrorCode(error) ?? 'none';
    throw new EdgeError('E_MODEL_NOT_STORED', { what: `cannot quantise ${model}`, expected: `a file at ${from}`, found, cause: error });
  });
  const library = await loadLibllama((text) => {
    const [, done, total] = TENSOR_LINE.exec(text) ?? [];
    if (done !== undefined && total !== undefined) report(`quantising ${model} to ${quantization}`, Number(done), Number(total));
  });
  await library.quantize(from, to, quantization, THREADS);
  const readings: Reading[] = [];
  for (const path of [from, to]) {
    await using reader = await library.openReader(path, measure, THREADS);
    const onShare = (share: number): void =>
      report(`comparing ${quantization} of ${model}`, Math.round(50 * (readings.length + share)), 100);
    readings.push(await readQuality(reader, measure, onShare));
  }
  return compareReadings(...(readings as [Reading, Reading]));
}

let last = '';

/** Tells the parent, but nothing twice. */
function report(label: string, done: number, total: number): void {
  const step = `${label} ${done}`;
  if (step === last) return;
  last = step;
  parent.call('progress', { label, done, total, unit: 'steps' }).catch(() => undefined);
}

const parent = connectParent<QuantizeHostMethods, QuantizeMethods>({ quantize }, async () => undefined);
