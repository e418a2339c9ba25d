/** What every source of model files is given, and the names they go by. */
import type { ModelSource } from '#edge/contracts/model.ts';
import type { KeptQuality } from '#edge/contracts/quantize.ts';
import type { PartialFile } from '../partial-file.ts';

/** The part of the settings that sources need. */
export interface SourceSettings {
  readonly hubUrl: string;
  readonly hubToken?: string | undefined;
  /** A source that stays silent this long is given up, in ms. */
  readonly timeoutMs: number;
}

export interface FetchContext {
  readonly settings: SourceSettings;
  /** Environment of the tools that are started (`pip`, `mvn`, `npm`). */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folder for packages on their way; kept until the pull ends, so that two files of one package fetch it once. */
  readonly scratch: string;
  /** Size of the file in bytes, and whether the card knows it exactly. */
  readonly expected: { readonly bytes: number; readonly exact: boolean };
  readonly signal: AbortSignal;
  /** To be asked before the first byte by a source that learns the whole file's size. @throws EdgeError `E_DISK_FULL`. */
  readonly requireSpace: (totalBytes: number) => Promise<void>;
  /** Writes weights made of another variant's into a file. @throws EdgeError as `Quantize`, and as a pull of the other variant. */
  readonly derive: (source: SourceOf<'derived'>, path: string) => Promise<KeptQuality>;
  /** Bytes of this file obtained so far; `total` when the source says another size than the card's estimate. */
  readonly onBytes: (done: number, total?: number) => void;
}

/**
 * Appends the file to `target`, going on after the bytes that are there or resetting it.
 * @throws EdgeError `E_SOURCE_UNAVAILABLE`, `E_SOURCE_UNAUTHORIZED`, `E_SOURCE_FORBIDDEN`, `E_SOURCE_NOT_FOUND`,
 * `E_DOWNLOAD_FAILED`, `E_HASH_MISMATCH`, `E_DISK_FULL` or `E_CANCELLED`.
 */
export type FetchFrom<S extends ModelSource> = (source: S, target: PartialFile, context: FetchContext) => Promise<void>;

export type SourceOf<K extends ModelSource['kind']> = Extract<ModelSource, { kind: K }>;

/** Where a source takes files from, for a progress label: `PyPI`, or the host. */
export function placeOf(source: ModelSource, { hubUrl }: SourceSettings): string {
  switch (source.kind) {
    case 'hf':
      return new URL(hubUrl).host;
    case 'https':
      return new URL(source.url).host;
    case 'pypi':
      return 'PyPI';
    case 'maven':
      return 'Maven';
    case 'npm':
      return 'npm';
    case 'file':
      return source.path;
    case 'derived':
      return source.from;
  }
}

/** A source as logs and manifests name it: `maven:group:artifact:version`. Holds no credentials of a URL. */
export function describeSource(source: ModelSource): string {
  switch (source.kind) {
    case 'hf':
      return `hf:${source.repo}/${source.path}`;
    case 'pypi':
      return `pypi:${source.packages[0]?.package}${source.packages.length > 1 ? ` and ${source.packages.length - 1} more` : ''}`;
    case 'maven':
      return `maven:${source.artifact}`;
    case 'npm':
      return `npm:${source.package}`;
    case 'https': {
      const { origin, pathname } = new URL(source.url);
      return origin + pathname;
    }
    case 'file':
      return `file:${source.path}`;
    case 'derived':
      return `derived:${source.from}>${source.to}`;
  }
}

/** Sources with the same key fail together: when one is unavailable, the others need not be tried. */
export function reachKey(source: ModelSource): string {
  if (source.kind === 'https') return new URL(source.url).origin;
  return source.kind === 'file' ? `file:${source.path}` : source.kind;
}
