import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { measurePeers } from '#apps/cli/bench-peers.ts';
import { createLogger } from '#edge/core/log.ts';

const llama = { backend: 'llama', provider: 'cpu', threads: 2 } as const;

/** A `llama-bench` on a PATH of its own, which notes its arguments and prints what it is told to. */
function peerThatPrints(output: string) {
  const folder = mkdtempSync(join(tmpdir(), 'nearside-peer-'));
  const program = join(folder, 'llama-bench');
  const note = join(folder, 'arguments');
  writeFileSync(program, `#!/bin/sh\necho "$@" > '${note}'\ncat <<'END'\n${output}\nEND\n`);
  chmodSync(program, 0o755);
  const warnings: string[] = [];
  const log = createLogger({ level: 'warn', format: 'json', write: (line) => warnings.push(JSON.parse(line).event) });
  const { signal } = new AbortController();
  return {
    measure: (task: 'generate' | 'embed', candidate: Parameters<typeof measurePeers>[1]) =>
      measurePeers(task, candidate, '/weights.gguf', { PATH: `${folder}:/usr/bin:/bin` }, { log, signal }),
    argumentsSeen: () => readFileSync(note, 'utf8'),
    warnings,
  };
}

const ROWS = '[{"n_prompt":256,"n_gen":0,"avg_ts":300.5},{"n_prompt":0,"n_gen":64,"avg_ts":110}]';

it('gives the peer the same file, threads and processor as the chosen candidate', async () => {
  const peer = peerThatPrints(ROWS);
  expect(await peer.measure('generate', llama)).toEqual({ 'llama-bench': { prefill: 300.5, decode: 110 } });
  expect(peer.argumentsSeen()).toContain('-m /weights.gguf -t 2');
  expect(peer.argumentsSeen()).toContain('-ngl 0');
  await peer.measure('generate', { ...llama, provider: 'cuda-tuned' });
  expect(peer.argumentsSeen()).toContain('-ngl 99');
});

it('asks it for generators only', async () => {
  const peer = peerThatPrints(ROWS);
  expect(await peer.measure('embed', llama)).toEqual({});
  expect(await peer.measure('generate', { ...llama, backend: 'onnx' })).toEqual({});
  expect(peer.argumentsSeen).toThrow('ENOENT');
});

it.each(['Segmentation fault', '[]', '{"error":"no"}'])('leaves out, with a warning, one that prints %s', async (output) => {
  const peer = peerThatPrints(output);
  expect(await peer.measure('generate', llama)).toEqual({});
  expect(peer.warnings).toEqual(['peer left out']);
});
