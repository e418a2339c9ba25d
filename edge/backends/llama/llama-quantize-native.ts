/**
 * llama.cpp's C API through koffi, for what node-llama-cpp does not offer: writing a model in another quantisation, and the logits of every
 * token of a text. Structures are those of `llama.h` of llama.cpp 0.5.0 (ggml-org/llama.cpp, MIT), which node-llama-cpp packages; their
 * sizes and places are checked against the library's own defaults before anything is passed.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LibraryHandle, TypeObject } from 'koffi';
import type { QualityMeasure, Quantization } from '#edge/contracts/quantize.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { loadError } from './llama-native.ts';
import { MAX_TOKENS, type TextReader } from './llama-quality.ts';

type Koffi = typeof import('koffi').default;
type NativeFunction = ReturnType<LibraryHandle['func']>;
type Pointer = bigint;
type Fields = Record<string, unknown>;

/** `llama_ftype`. */
const FILE_TYPES: Readonly<Record<Quantization, number>> = { F16: 1, Q4_0: 2, Q8_0: 7, Q4_K_M: 15, Q5_K_M: 17, Q6_K: 18, BF16: 32 };

/** Packages of node-llama-cpp that hold a library for the CPU. */
const PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'linux-arm': 'linux-armv7l',
  'darwin-arm64': 'mac-arm64-metal',
  'darwin-x64': 'mac-x64',
  'win32-x64': 'win-x64',
  'win32-arm64': 'win-arm64',
};

/** Rows that are converted at a time take at most this much memory; the library's default is 8 GiB. */
const ROW_BUFFER_BYTES = 64 << 20;
/** Tokens whose logits are held at a time: a vocabulary of 262,144 takes 64 MiB. */
const READ_BATCH = 64;
/** An encoder reads its whole input at once. */
const EMBED_BATCH = 512;
const KEPT_LOG_LINES = 40;
const MODEL_STACK_BYTES = 8 << 20;

const QUANTIZE_PARAMS = {
  nthread: 'int32',
  ftype: 'int32',
  output_tensor_type: 'int32',
  token_embedding_type: 'int32',
  allow_requantize: 'bool',
  quantize_output_tensor: 'bool',
  only_copy: 'bool',
  pure: 'bool',
  keep_split: 'bool',
  dry_run: 'bool',
  imatrix: 'void *',
  kv_overrides: 'void *',
  tt_overrides: 'void *',
  prune_layers: 'void *',
  max_buf_size: 'size_t',
};

const MODEL_PARAMS = {
  devices: 'void *',
  tensor_buft_overrides: 'void *',
  n_gpu_layers: 'int32',
  split_mode: 'int32',
  load_mode: 'int32',
  lazy_mode: 'int32',
  main_gpu: 'int32',
  tensor_split: 'void *',
  progress_callback: 'void *',
  progress_callback_user_data: 'void *',
  kv_overrides: 'void *',
  vocab_only: 'bool',
  check_tensors: 'bool',
  use_extra_bufts: 'bool',
  no_host: 'bool',
  no_alloc: 'bool',
  load_mtp: 'bool',
};

const CONTEXT_PARAMS = {
  n_ctx: 'uint32',
  n_batch: 'uint32',
  n_ubatch: 'uint32',
  n_seq_max: 'uint32',
  n_rs_seq: 'uint32',
  n_outputs_max: 'uint32',
  n_outputs_max_per_seq: 'uint32',
  n_threads: 'int32',
  n_threads_batch: 'int32',
  ctx_type: 'int32',
  rope_scaling_type: 'int32',
  pooling_type: 'int32',
  attention_type: 'int32',
  flash_attn_type: 'int32',
  rope_freq_base: 'float',
  rope_freq_scale: 'float',
  yarn_ext_factor: 'float',
  yarn_attn_factor: 'float',
  yarn_beta_fast: 'float',
  yarn_beta_slow: 'float',
  yarn_orig_ctx: 'uint32',
  defrag_thold: 'float',
  cb_eval: 'void *',
  cb_eval_user_data: 'void *',
  type_k: 'int32',
  type_v: 'int32',
  abort_callback: 'void *',
  abort_callback_data: 'void *',
  embeddings: 'bool',
  offload_kqv: 'bool',
  no_perf: 'bool',
  op_offload: 'bool',
  swa_full: 'bool',
  kv_unified: 'bool',
  samplers: 'void *',
  n_samplers: 'size_t',
  ctx_other: 'void *',
};

const BATCH = {
  n_tokens: 'int32',
  token: 'void *',
  embd: 'void *',
  pos: 'void *',
  n_seq_id: 'void *',
  seq_id: 'void *',
  logits: 'void *',
};

/** Defaults of the release that the structures are of: other values mean another layout. */
const KNOWN_DEFAULTS = {
  quantize: { ftype: FILE_TYPES.Q8_0, token_embedding_type: 43, quantize_output_tensor: true, max_buf_size: 8 * 2 ** 30 },
  model: { n_gpu_layers: -1, split_mode: 1, lazy_mode: 1, kv_overrides: null, use_extra_bufts: true, load_mtp: false },
  context: {
    n_ctx: 512,
    n_batch: 2048,
    n_ubatch: 512,
    flash_attn_type: -1,
    defrag_thold: -1,
    type_k: 1,
    type_v: 1,
    swa_full: true,
    ctx_other: null,
  },
} as const satisfies Readonly<Record<string, Fields>>;

/** llama.cpp in this process; made by {@link loadLibllama}, once. */
export class Libllama {
  readonly #koffi: Koffi;
  readonly #bind: (name: string, result: string | TypeObject, args: readonly (string | TypeObject)[]) => NativeFunction;
  readonly #types: Readonly<Record<'quantize' | 'model' | 'context' | 'batch', TypeObject>>;
  readonly #log: readonly string[];

  constructor(koffi: Koffi, library: LibraryHandle, log: readonly string[]) {
    this.#koffi = koffi;
    this.#bind = (name, result, args) => library.func(name, result, [...args]);
    this.#log = log;
    this.#types = {
      quantize: koffi.struct(QUANTIZE_PARAMS),
      model: koffi.struct(MODEL_PARAMS),
      context: koffi.struct(CONTEXT_PARAMS),
      batch: koffi.struct(BATCH),
    };
  }

  /** Writes the model in `from` to `to` in another quantisation. @throws EdgeError `E_MODEL_CORRUPT`, `E_MODEL_LOAD`, `E_DISK_FULL`. */
  async quantize(from: string, to: string, quantization: Quantization, threads: number): Promise<void> {
    const params = {
      ...this.#defaults('quantize', 'llama_model_quantize_default_params'),
      ftype: FILE_TYPES[quantization],
      nthread: threads,
      allow_requantize: true,
      max_buf_size: ROW_BUFFER_BYTES,
    };
    const quantize = this.#bind('llama_model_quantize', 'uint32', ['str', 'str', this.#koffi.pointer(this.#types.quantize)]);
    if ((await callAside(quantize, from, to, params)) === 0) return;
    const what = `cannot make ${quantization} of ${from}`;
    const full = this.#log.find((line) => line.includes('iostream error'));
    if (full !== undefined) throw new EdgeError('E_DISK_FULL', { what, expected: 'a file that can be written', found: full });
    throw loadError(what, undefined, this.#log);
  }

  /** Loads a model for reading. @throws EdgeError `E_MODEL_CORRUPT`, `E_MODEL_LOAD`, `E_MEMORY_BUDGET`. */
  async openReader(path: string, measure: QualityMeasure, threads: number): Promise<TextReader> {
    const params = {
      ...this.#defaults('model', 'llama_model_default_params'),
      n_gpu_layers: 0,
      // Repacked weights would be a second copy in memory; without them the file stays mapped.
      use_extra_bufts: false,
    };
    const load = this.#bind('llama_model_load_from_file', 'void *', ['str', this.#types.model]);
    const model = (await callAside(load, path, params)) as Pointer | null;
    if (model === null) throw loadError(`cannot load ${path}`, undefined, this.#log);
    const context = await this.#createContext(model, measure, threads);
    if (context === null) {
      this.#bind('llama_model_free', 'void', ['void *'])(model);
      throw new EdgeError('E_MEMORY_BUDGET', { what: `cannot make a context for ${path}`, found: this.#log.at(-1) ?? 'nothing' });
    }
    return this.#reader(model, context, measure);
  }

  #createContext(model: Pointer, measure: QualityMeasure, threads: number): Promise<Pointer | null> {
    const batch = measure === 'cosine' ? EMBED_BATCH : READ_BATCH;
    const params = {
      ...this.#defaults('context', 'llama_context_default_params'),
      n_ctx: measure === 'cosine' ? EMBED_BATCH : MAX_TOKENS,
      n_batch: batch,
      n_ubatch: batch,
      n_threads: threads,
      n_threads_batch: threads,
      embeddings: measure === 'cosine',
    };
    const init = this.#bind('llama_init_from_model', 'void *', ['void *', this.#types.context]);
    return callAside(init, model, params) as Promise<Pointer | null>;
  }

  #reader(model: Pointer, context: Pointer, measure: QualityMeasure): TextReader {
    const bind = this.#bind;
    const koffi = this.#koffi;
    const vocabulary = bind('llama_model_get_vocab', 'void *', ['void *'])(model) as Pointer;
    const vocabularySize = bind('llama_vocab_n_tokens', 'int32', ['void *'])(vocabulary) as number;
    const size = bind('llama_model_n_embd', 'int32', ['void *'])(model) as number;
    const tokenizeInto = bind('llama_tokenize', 'int32', ['void *', 'str', 'int32', 'int32 *', 'int32', 'bool', 'bool']);
    const logitsOf = bind('llama_get_logits_ith', 'void *', ['void *', 'int32']);
    const capacity = measure === 'cosine' ? EMBED_BATCH : READ_BATCH;
    const batch = bind('llama_batch_init', this.#types.batch, ['int32', 'int32', 'int32'])(capacity, 0, 1) as Readonly<
      Record<string, Pointer>
    >;
    const decode = bind('llama_decode', 'int32', ['void *', this.#types.batch]);
    const floats = (address: Pointer, count: number): Float32Array =>
      koffi.decode(address, koffi.array('float', count, 'Typed')) as Float32Array;

    /** Every token is an output. Without positions and sequences the tokens follow those read before. */
    const read = async (tokens: Int32Array): Promise<void> => {
      koffi.encode(batch.token, 'int32', Array.from(tokens), tokens.length);
      koffi.encode(batch.logits, 'int8', new Array(tokens.length).fill(1), tokens.length);
      const status = await callAside(decode, context, { ...batch, n_tokens: tokens.length, pos: null, n_seq_id: null, seq_id: null });
      if (status !== 0) throw new EdgeError('E_MODEL_LOAD', { what: 'llama.cpp cannot read the text', found: `status ${String(status)}` });
    };

    return {
      tokenize: (text) => {
        const tokens = new Int32Array(Buffer.byteLength(text) + 2);
        const count = tokenizeInto(vocabulary, text, Buffer.byteLength(text), tokens, tokens.length, true, false) as number;
        return tokens.subarray(0, count);
      },
      readLogits: async (tokens, visit) => {
        for (let start = 0; start < tokens.length; start += READ_BATCH) {
          const part = tokens.subarray(start, start + READ_BATCH);
          await read(part);
          for (const index of part.keys()) visit(start + index, floats(logitsOf(context, index) as Pointer, vocabularySize));
        }
      },
      embed: async (tokens) => {
        const memory = bind('llama_get_memory', 'void *', ['void *'])(context) as Pointer | null;
        // An encoder keeps nothing of the text before.
        if (memory !== null) bind('llama_memory_clear', 'void', ['void *', 'bool'])(memory, true);
        await read(tokens.subarray(0, EMBED_BATCH));
        return floats(bind('llama_get_embeddings_seq', 'void *', ['void *', 'int32'])(context, 0) as Pointer, size);
      },
      [Symbol.asyncDispose]: async () => {
        bind('llama_free', 'void', ['void *'])(context);
        bind('llama_model_free', 'void', ['void *'])(model);
      },
    };
  }

  /** The library's own defaults, which also prove that its structures are those of this module. */
  #defaults(kind: keyof typeof KNOWN_DEFAULTS, name: string): Fields {
    const found = this.#bind(name, this.#types[kind], [])() as Fields;
    for (const [field, expected] of Object.entries(KNOWN_DEFAULTS[kind])) {
      if (found[field] === expected) continue;
      throw new EdgeError('E_UNSUPPORTED', {
        what: `cannot use this build of llama.cpp: ${name}`,
        expected: `${field} = ${expected}, as in release 0.5.0`,
        found: String(found[field]),
        hint: 'Install the version of node-llama-cpp that Nearside names in its package.json.',
      });
    }
    return found;
  }
}

/**
 * Loads the library that node-llama-cpp packages for this platform.
 * @param onLog Each piece of text that llama.cpp writes to its log.
 * @throws EdgeError `E_UNSUPPORTED` where there is none, `E_MODEL_LOAD` when it cannot be loaded.
 */
export async function loadLibllama(onLog: (text: string) => void): Promise<Libllama> {
  const folder = await libraryFolder();
  try {
    const { default: koffi } = await import('koffi');
    koffi.config({ ...koffi.config(), sync_stack_size: MODEL_STACK_BYTES, async_stack_size: MODEL_STACK_BYTES });
    const names = await readdir(folder);
    const find = (name: string): string =>
      join(folder, names.find((each) => RegExp(`^(lib)?${name}\\.([\\w.]+\\.)?(so|dylib|dll)$`).test(each)) ?? name);
    const library = koffi.load(find('llama'));
    const log: string[] = [];
    const keep = (_level: number, text: string): void => {
      onLog(text);
      log.push(text.trim());
      if (log.length > KEPT_LOG_LINES) log.shift();
    };
    const callback = koffi.register(keep, koffi.pointer(koffi.proto('void', ['int', 'str', 'void *'])));
    library.func('llama_log_set', 'void', ['void *', 'void *'])(callback, null);
    library.func('llama_backend_init', 'void', [])();
    koffi.load(find('ggml')).func('ggml_backend_load_all_from_path', 'void', ['str'])(folder);
    return new Libllama(koffi, library, log);
  } catch (error) {
    if (EdgeError.is(error)) throw error;
    throw new EdgeError('E_MODEL_LOAD', {
      what: `cannot load llama.cpp from ${folder}`,
      expected: 'a library that runs here',
      found: error instanceof Error ? error.message : String(error),
      cause: error,
    });
  }
}

async function libraryFolder(): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  try {
    const { getBinsDir } = (await import(`@node-llama-cpp/${name}`)) as { getBinsDir(): { binsDir: string } };
    return join(getBinsDir().binsDir, name ?? '');
  } catch (error) {
    throw new EdgeError('E_UNSUPPORTED', {
      what: `there is no packaged llama.cpp for ${platform}`,
      expected: name === undefined ? `one of ${Object.keys(PACKAGES).join(', ')}` : `the package @node-llama-cpp/${name}`,
      found: error instanceof Error ? error.message : String(error),
      hint: 'Variants can be made on another machine of the same fleet, or pulled ready-made.',
      cause: error,
    });
  }
}

/** Calls a native function on a thread of the pool, so that the process still answers its parent. */
function callAside(native: NativeFunction, ...args: readonly unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    native.async(...args, (error: unknown, result: unknown) => (error ? reject(error) : resolve(result)));
  });
}
