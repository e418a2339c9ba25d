import type { MODEL_FORMATS, ModelFormat } from '#edge/contracts/model.ts';
import type { BoundedReader } from './bounded-reader.ts';

const START_BYTES = 512;

/** What other kinds of files begin with, tried in order. */
const OTHER_KINDS: readonly {
  readonly looksLike: (start: Buffer, text: string) => boolean;
  readonly found: string;
  readonly hint?: string;
}[] = [
  {
    looksLike: (_, text) => text.startsWith('version https://git-lfs'),
    found: 'a Git LFS pointer, a few lines that stand for the file',
    hint: 'Fetch the file itself: run "git lfs pull" in the repository, or download it from its "resolve" address.',
  },
  {
    looksLike: (_, text) => /^\s*<(!doctype|html|head|\?xml|error)/i.test(text),
    found: 'a web page',
    hint: 'The address answers with a page, such as an error or a login, not with the file: open it in a browser to see which.',
  },
  { looksLike: (_, text) => text.startsWith('PK'), found: 'a ZIP archive (as PyTorch and Core ML files are)' },
  { looksLike: (start) => start[0] === 0x80 && (start[1] ?? 9) <= 5, found: 'a Python pickle' },
  { looksLike: (start, text) => start.length > 9 && text[8] === '{' && start.readBigUInt64LE() < 2n ** 40n, found: 'a safetensors file' },
  { looksLike: (_, text) => text.slice(4, 8) === 'ORTM', found: 'an ORT file, of which there is an ONNX original' },
  {
    looksLike: (_, text) => /^(lmgg|fmgg|tjgg|algg)/.test(text),
    found: 'a GGML file from before GGUF',
    hint: 'Look for the model as GGUF.',
  },
  { looksLike: (_, text) => text.startsWith('\x89HDF'), found: 'an HDF5 file' },
  { looksLike: (start) => start[0] === 0x1f && start[1] === 0x8b, found: 'a gzip archive', hint: 'Unpack it first.' },
  { looksLike: (_, text) => /^\s*[{[]/.test(text), found: 'a JSON text' },
];

/** A protobuf message that begins with field 1, `ir_version`, of ONNX's `ModelProto`. */
const MOST_IR_VERSION = 64;

/**
 * Tells the format from the first bytes.
 * @throws EdgeError `E_MODEL_FORMAT` that names what the file is instead, as far as that can be told.
 */
export async function recogniseFormat(reader: BoundedReader): Promise<ModelFormat> {
  const expected = 'a GGUF, ONNX or TFLite file';
  if (reader.size === 0) throw reader.wrongFormat(expected, 'an empty file');
  const start = await reader.bytes(0, Math.min(START_BYTES, reader.size));
  const text = start.toString('latin1');
  if (text.startsWith('GGUF')) return 'gguf';
  if (text.slice(4, 8) === 'TFL3') return 'tflite';
  const other = OTHER_KINDS.find(({ looksLike }) => looksLike(start, text));
  if (other) throw reader.wrongFormat(expected, other.found, other.hint);
  const irVersion = start[1] ?? 0;
  if (start[0] === 0x08 && irVersion > 0 && irVersion <= MOST_IR_VERSION) return 'onnx';
  throw reader.wrongFormat(expected, `a file that begins with ${start.subarray(0, 8).toString('hex')}`);
}

/** How a format is spelt for people. */
export const FORMAT_NAMES = { gguf: 'GGUF', onnx: 'ONNX', tflite: 'TFLite' } as const satisfies Record<
  (typeof MODEL_FORMATS)[number],
  string
>;
