/** `scripts/bench [part...]`: absolute values for orientation, ratios to a peer of the same run for judgement. */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { loadConfig } from '#edge/config/load.ts';
import { benchDevice } from './device.ts';
import { benchEmbedding, benchGeneration } from './engines.ts';
import { printTable } from './report.ts';

const USAGE = `Measures Nearside on this machine. Parts (all when none is named):

  generate   decode speed of the chat model: engine called directly, through its child, and llama-bench
  embed      texts a second of the retrieval model: engine called directly, and through its child
  device     start-up time, memory of each process, time to first token over HTTP

  --llama-bench FILE   a llama-bench binary of the same llama.cpp, as the peer
  --seconds N          length of each measurement (default 8)
  --json
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'llama-bench': { type: 'string' },
    seconds: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

if (values.help) {
  process.stdout.write(USAGE);
} else {
  const wanted = (part: string): boolean => positionals.length === 0 || positionals.includes(part);
  const config = loadConfig();
  const ms = Number(values.seconds) * 1000;
  const rows = [
    ...(wanted('generate') ? await benchGeneration(config, ms, values['llama-bench']) : []),
    ...(wanted('embed') ? await benchEmbedding(config, ms) : []),
    ...(wanted('device') ? await benchDevice(config) : []),
  ];
  if (values.json)
    process.stdout.write(
      `${JSON.stringify({ commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(), rows }, null, 2)}\n`,
    );
  else printTable(rows);
}
