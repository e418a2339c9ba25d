import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelFile, ModelSource } from '#edge/contracts/model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { createLogger, type LogFields } from '#edge/core/log.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import { ModelStore, type ModelStoreOptions } from '#edge/store/model-store.ts';

/** Bytes that differ at every place and from seed to seed. */
export function bytesOf(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, state = seed * 2_654_435_761 + 1; at < size; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export const sha256Of = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** A file of a card. */
export function fileOf(content: Buffer, sources: readonly ModelSource[], over: Partial<ModelFile> = {}): ModelFile {
  return { role: 'weights', name: 'model.gguf', sha256: sha256Of(content), bytes: content.length, sources, ...over };
}

/** A card with one variant of these files, as it stands in a catalog. */
export function cardOf(id: string, files: readonly ModelFile[]): Record<string, unknown> {
  return {
    id,
    name: id,
    task: 'generate',
    family: 'test',
    parameters: 1000,
    licence: 'Apache-2.0',
    homepage: 'https://example.org/',
    contextTokens: 128,
    languages: ['en'],
    notes: 'A test model.',
    recommendedMemoryBytes: 1,
    isDefault: false,
    verified: false,
    architecture: { layers: 1, hiddenSize: 8, kvBytesPerToken: 8 },
    variants: [{ id: 'q8_0', format: 'gguf', quantisation: 'Q8_0', bitsPerWeight: 8.5, quality: 1, files }],
  };
}

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields;
}

/** A temporary folder with a catalog, a store over it, and what the store logged. */
export class StoreFixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'nearside-store-'));
  readonly directory = join(this.folder, 'models');
  readonly catalogFolder = join(this.folder, 'catalog');
  readonly logged: LogLine[] = [];

  constructor() {
    mkdirSync(this.catalogFolder);
  }

  addCard(card: Record<string, unknown>): void {
    writeFileSync(join(this.catalogFolder, `${card.id}.json`), JSON.stringify(card));
  }

  /** A new store object over the same folder, as another start of the program makes it. */
  open(over: Partial<ModelStoreOptions> & { hubUrl?: string; hubToken?: string; timeoutMs?: number } = {}): ModelStore {
    const { hubUrl = 'http://hub.invalid', hubToken, timeoutMs = 2000, ...rest } = over;
    const log = createLogger({
      level: 'debug',
      format: 'json',
      write: (line) => {
        const { level, event, time: _time, ...fields } = JSON.parse(line) as { level: string; event: string; time: string };
        this.logged.push({ level, event, fields });
      },
    });
    return new ModelStore({
      directory: this.directory,
      catalog: loadCatalog(this.catalogFolder),
      settings: { hubUrl, hubToken, timeoutMs },
      environment: { PATH: '' },
      log,
      ...rest,
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The coded error that a promise fails with. */
export async function failureOf(
  promise: Promise<unknown>,
): Promise<{ code: string; message: string; hint: string; details: Record<string, unknown> }> {
  try {
    await promise;
  } catch (error) {
    // What is no coded error (a skipped test, a bug) is not an answer.
    if (!EdgeError.is(error)) throw error;
    return error as unknown as Awaited<ReturnType<typeof failureOf>>;
  }
  return { code: 'none', message: 'did not fail', hint: '', details: {} };
}
