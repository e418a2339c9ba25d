import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadSpec } from '#edge/contracts/backend.ts';

const WORDS =
  'The keeper of the lighthouse knew every ship by its bell and lit the lamp before the fog came in from the harbour while his daughter read';

let folder: string | undefined;

/** A load spec of the fake backend; `text` becomes its model file (see the fake backend's README for the words that make it fail). */
export function fakeSpec(text = WORDS): LoadSpec {
  folder ??= mkdtempSync(join(tmpdir(), 'nearside-fake-model-'));
  const path = join(folder, `${Buffer.from(text).toString('hex').slice(0, 40)}.txt`);
  writeFileSync(path, text);
  return {
    stored: {
      model: 'fake-model',
      variant: 'words',
      format: 'gguf',
      files: { weights: path },
      sha256: '0'.repeat(64),
      bytes: Buffer.byteLength(text),
    },
    backend: 'fake',
    provider: 'cpu',
    threads: 1,
    contextTokens: 512,
    sequences: 2,
    gpuLayers: 0,
    embedding: { dimensions: 48, pooling: 'mean', normalize: true, queryPrefix: 'query: ', passagePrefix: 'passage: ' },
  };
}
