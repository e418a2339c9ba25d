/** `scripts/bench [part...]`: absolute values for orientation, ratios to a peer of the same run for judgement. */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { progressReporter } from '#apps/cli/terminal.ts';
import { loadConfig } from '#edge/config/load.ts';
import { silentLogger } from '#edge/core/log.ts';
import { benchChild } from './child.ts';
import { benchChoice } from './choice.ts';
import { printChoice } from './choice-table.ts';
import type { BenchContext } from './context.ts';
import { benchDevice } from './device.ts';
import { benchEmbedding } from './embedding.ts';
import { benchGeneration } from './engines.ts';
import { benchFirstPlan } from './first-plan.ts';
import { printTable } from './report.ts';
import { benchTflite } from './tflite.ts';

const PARTS = ['generate', 'embed', 'tflite', 'child', 'device', 'choice', 'first-plan'];

const USAGE = `Measures Nearside on this machine. Parts (all when none is named):

  generate   decode speed of the chat model: engine called directly, through its child, and llama-bench
  embed      texts a second of the retrieval model: through its engine child, and onnxruntime called directly
  tflite     latency of TFLite models through the engine child, and of LiteRT from Python
  child      start of an engine child, its memory over the bare engine, its way back after a crash
  device     start-up time, memory of each process, time to first token over HTTP
  choice     every way to run each stored model (about 6 minutes): the choice against the best, predictions against measurements,
             chosen weights of the chat model against those that were downloaded
  first-plan first calibration of a new device, and the questions that it answers meanwhile

  --llama-bench FILE   a llama-bench binary of the same llama.cpp, as the peer
  --python FILE        a Python with the package ai-edge-litert, as the peer
  --seconds N          length of each measurement (default 8)
  --json
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'llama-bench': { type: 'string' },
    python: { type: 'string' },
    seconds: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

const unknown = positionals.filter((part) => !PARTS.includes(part));
if (values.help) {
  process.stdout.write(USAGE);
} else if (unknown.length > 0) {
  process.stderr.write(`There is no part "${unknown.join('", "')}".\n${USAGE}`);
  process.exitCode = 2;
} else {
  const wanted = (part: string): boolean => positionals.length === 0 || positionals.includes(part);
  const config = loadConfig();
  const ms = Number(values.seconds) * 1000;
  const progress = progressReporter();
  const stopping = new AbortController();
  process.once('SIGINT', () => stopping.abort());
  const context: BenchContext = { config, log: silentLogger, onProgress: progress.onProgress, signal: stopping.signal };
  const choice = wanted('choice') ? await benchChoice(context) : undefined;
  const firstPlan = wanted('first-plan') ? await benchFirstPlan(context) : undefined;
  progress.end();
  const rows = [
    ...(choice?.rows ?? []),
    ...(firstPlan?.rows ?? []),
    ...(wanted('generate') ? await benchGeneration(config, ms, values['llama-bench']) : []),
    ...(wanted('embed') ? await benchEmbedding(config, ms) : []),
    ...(wanted('tflite') ? await benchTflite(config, ms, values.python) : []),
    ...(wanted('child') ? await benchChild(config) : []),
    ...(wanted('device') ? await benchDevice(config) : []),
  ];
  if (values.json) {
    const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
    const details = {
      ...(choice ? { choice: { ...choice, rows: undefined } } : {}),
      ...(firstPlan ? { firstPlan: { ...firstPlan, rows: undefined } } : {}),
    };
    process.stdout.write(`${JSON.stringify({ commit, rows, ...details }, null, 2)}\n`);
  } else {
    if (choice) printChoice(choice);
    printTable(rows);
  }
}
