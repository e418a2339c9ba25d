/** What `nearside plan` is asked about: a task, a model of the catalog, or a file that is in no catalog. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ModelCard, type ModelSource, TASKS, type Task } from '#edge/contracts/model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';
import { parseModelName } from '#edge/runtime/model-name.ts';
import { type Catalog, variantOf } from '#edge/store/catalog.ts';
import { cardFromHeader } from '#edge/store/headers/card-from-header.ts';
import { readFileHeader } from '#edge/store/headers/file-source.ts';
import { readRemoteHeader } from '#edge/store/headers/http-source.ts';
import type { GraphTensor, ModelHeader } from '#edge/store/headers/model-header.ts';
import { FORMAT_NAMES } from '#edge/store/headers/recognise.ts';
import { hubRequest } from '#edge/store/sources/hf.ts';
import { placeOf, type SourceSettings } from '#edge/store/sources/source.ts';

export interface FileSubject {
  readonly kind: 'file';
  readonly card: ModelCard;
  readonly header: ModelHeader;
  /** Absolute path; absent for a file that is not on this device. */
  readonly path?: string;
  /** How much is to be fetched from where; absent for a file of this device. */
  readonly absence?: string;
}

export type PlanSubject =
  | { readonly kind: 'task'; readonly task: Task }
  | { readonly kind: 'model'; readonly card: ModelCard }
  | FileSubject;

export interface SubjectContext {
  readonly catalog: Catalog;
  readonly settings: SourceSettings;
  /** Folder that relative paths are meant from. */
  readonly callerDirectory: string;
  readonly signal: AbortSignal;
}

const HUB_FILE = /^hf:([\w-][\w.-]*\/[\w-][\w.-]*)\/([\w@][\w@. +/-]*)$/;
const LOOKS_LIKE_PATH = /[\\/]|\.(gguf|onnx|tflite)$/i;

/**
 * Reads the argument of the command: a task, `MODEL` or `MODEL:VARIANT`, a path, an address, or `hf:OWNER/NAME/PATH`. Of a file, its header is read.
 * @throws EdgeError `E_USAGE` for none of them, and what reading the header throws.
 */
export async function resolveSubject(name: string, context: SubjectContext): Promise<PlanSubject> {
  const task = TASKS.find((known) => known === name);
  if (task) return { kind: 'task', task };
  if (name.startsWith('hf:')) return fromHub(name, context);
  if (/^https?:\/\//i.test(name)) return fromServer(name, context);
  const { model, variant } = parseModelName(name);
  const card = context.catalog.cards.find(({ id }) => id === model);
  if (card) return { kind: 'model', card: variant === undefined ? card : { ...card, variants: [variantOf(card, variant)] } };
  const path = resolve(context.callerDirectory, name);
  if (LOOKS_LIKE_PATH.test(name) || existsSync(path)) return fromFile(name, path);
  throw new EdgeError('E_USAGE', {
    what: `there is no task "${name}", and no model or file of that name`,
    expected: `${TASKS.join(', ')}, a model of "nearside list --all", a file, an address, or hf:OWNER/NAME/PATH`,
  });
}

async function fromFile(name: string, path: string): Promise<FileSubject> {
  const header = await readFileHeader(path);
  return { ...describe(name, { kind: 'file', path }, header), path };
}

async function fromServer(name: string, { settings, signal }: SubjectContext): Promise<FileSubject> {
  const url = URL.parse(name);
  if (!url) throw new EdgeError('E_USAGE', { what: `"${name}" is no address`, expected: 'https://HOST/PATH' });
  const header = await readRemoteHeader({ url }, { timeoutMs: settings.timeoutMs, signal });
  return remote(url.pathname, { kind: 'https', url: name }, header, settings);
}

async function fromHub(name: string, { settings, signal }: SubjectContext): Promise<FileSubject> {
  const [, repo, path] = HUB_FILE.exec(name) ?? [];
  if (!repo || !path) throw new EdgeError('E_USAGE', { what: `"${name}" names no file of the hub`, expected: 'hf:OWNER/NAME/PATH' });
  const source = { kind: 'hf', repo, path } as const;
  const header = await readRemoteHeader(hubRequest(source, settings), { timeoutMs: settings.timeoutMs, signal });
  return remote(path, source, header, settings);
}

function remote(name: string, source: ModelSource, header: ModelHeader, settings: SourceSettings): FileSubject {
  return { ...describe(name, source, header), absence: `${formatBytes(header.fileBytes)} at ${placeOf(source, settings)}` };
}

function describe(name: string, source: ModelSource, header: ModelHeader): FileSubject {
  if (header.unusable) {
    throw new EdgeError('E_MODEL_FORMAT', {
      what: `cannot plan ${name}`,
      expected: 'a file that can be run',
      found: header.unusable,
      hint: 'Choose another file of the model.',
    });
  }
  return { kind: 'file', card: cardFromHeader({ name, source }, header), header };
}

/** A file in one line, for people. */
export function describeFile({ card, header }: FileSubject): string {
  const { transformer, inputs, outputs } = header;
  const kind = transformer
    ? `${transformer.architecture}, ${transformer.layers} layers, trained for ${transformer.contextTokens.toLocaleString('en-US')} tokens`
    : `${inputs.map(describeTensor).join(', ')} > ${outputs.map(describeTensor).join(', ')}`;
  const size = `${(header.parameters / 1e6).toFixed(1)} M parameters at ${header.bitsPerWeight.toFixed(2)} bits`;
  return `${card.name}: ${FORMAT_NAMES[header.format]} ${header.quantisation}, ${size}, ${kind}; how good it is nobody measured`;
}

function describeTensor({ name, dtype, shape }: GraphTensor): string {
  return `${name} ${dtype}[${shape.map((size) => (size < 0 ? '?' : size)).join(',')}]`;
}
