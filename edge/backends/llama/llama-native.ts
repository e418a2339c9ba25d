/**
 * The only file that touches the native library. It is imported when a model is loaded, never before, and never
 * compiles anything: a missing binary is an error that says so.
 */
import { access } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Llama,
  LlamaContext,
  LlamaEmbeddingContext,
  LlamaGrammar,
  LlamaGrammarEvaluationState,
  LlamaModel,
  LlamaOptions,
} from 'node-llama-cpp';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { OnProgress } from '#edge/contracts/progress.ts';
import { abortError } from '#edge/core/abort.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { gpuOf, isLocal, type LlamaGpu } from './llama-accelerators.ts';
import { readLocalBuild } from './llama-local-build.ts';

export type { LlamaContextSequence, Token } from 'node-llama-cpp';
export type { LlamaContext, LlamaEmbeddingContext, LlamaGrammarEvaluationState, LlamaModel };

type Library = typeof import('node-llama-cpp');

/** Time the library takes to hand over its log lines after it failed. */
const LOG_DELAY_MS = 50;
const KEPT_LOG_LINES = 20;
/** Ends every grammar the library makes of a schema; a model would have to write four line feeds before it may end. */
const SCHEMA_GRAMMAR_TAIL = ' "\\n\\n\\n\\n" [\\n]*';

/** A chat history turned into tokens; see `llama-template.ts`. */
export type ChatWrapper = InstanceType<Library['JinjaTemplateChatWrapper']>;
export type ChatHistory = Parameters<ChatWrapper['generateContextState']>[0]['chatHistory'];

export interface NativeLoadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

interface Started {
  readonly library: Library;
  readonly llama: Llama;
}

/** By GPU, or by folder of a local build. */
const started = new Map<LlamaGpu | string, Promise<Started>>();
/** What llama.cpp last said, for the messages of errors. */
const nativeLog: string[] = [];

/** One loaded model and what belongs to it. */
export class NativeModel {
  readonly model: LlamaModel;
  /** Release of llama.cpp. */
  readonly version: string;
  readonly #library: Library;
  readonly #llama: Llama;

  constructor(library: Library, llama: Llama, model: LlamaModel) {
    this.#library = library;
    this.#llama = llama;
    this.model = model;
    this.version = llama.llamaCppRelease.release;
  }

  /** Threads of the next evaluations, at most those that the context was made with. */
  set threads(count: number) {
    this.#llama.maxThreads = count;
  }

  /** @throws EdgeError `E_MEMORY_BUDGET` when the context cannot be allocated. */
  createContext(spec: LoadSpec, contextTokens: number, signal?: AbortSignal): Promise<LlamaContext> {
    return this.#allocate(spec, contextTokens, signal, () =>
      this.model.createContext({
        contextSize: contextTokens,
        sequences: spec.sequences,
        threads: { ideal: spec.threads, min: 1 },
        // The planner did the sum, knowing the control group's limit, which the library does not.
        ignoreMemorySafetyChecks: true,
        ...(signal ? { createSignal: signal } : {}),
      }),
    );
  }

  /** @throws EdgeError `E_MEMORY_BUDGET` when the context cannot be allocated. */
  createEmbeddingContext(spec: LoadSpec, contextTokens: number, signal?: AbortSignal): Promise<LlamaEmbeddingContext> {
    return this.#allocate(spec, contextTokens, signal, () =>
      this.model.createEmbeddingContext({
        contextSize: contextTokens,
        // An encoder reads its whole input in one batch.
        batchSize: contextTokens,
        threads: spec.threads,
        ignoreMemorySafetyChecks: true,
        ...(signal ? { createSignal: signal } : {}),
      }),
    );
  }

  /** @throws EdgeError `E_BAD_REQUEST` when the text is no grammar. */
  async grammar(gbnf: string): Promise<LlamaGrammarEvaluationState> {
    return this.#stateOf('grammar', () => this.#llama.createGrammar({ grammar: gbnf }));
  }

  /** The grammar of a schema that `toGrammarSchema` accepted. @throws EdgeError `E_BAD_REQUEST`. */
  async schemaGrammar(schema: Readonly<Record<string, unknown>>): Promise<LlamaGrammarEvaluationState> {
    return this.#stateOf('jsonSchema', async () => {
      const compiled = await this.#llama.createGrammarForJsonSchema(schema as never);
      const [root = '', ...rules] = compiled.grammar.split('\n');
      const ended = root.endsWith(SCHEMA_GRAMMAR_TAIL) ? root.slice(0, -SCHEMA_GRAMMAR_TAIL.length) : root;
      return this.#llama.createGrammar({ grammar: [ended, ...rules].join('\n') });
    });
  }

  /** The chat template of the model file; when it has none, or one that cannot be read, the one its family is known by. */
  chatWrapper(): ChatWrapper {
    const template = this.model.fileInfo.metadata.tokenizer.chat_template;
    const byFamily = () => this.#library.resolveChatWrapper(this.model) as unknown as ChatWrapper;
    if (!template) return byFamily();
    try {
      return new this.#library.JinjaTemplateChatWrapper({ template, reasoning: null, tokenizer: this.model.tokenizer });
    } catch (error) {
      const wrapper = byFamily();
      process.stderr.write(`chat template of the model file is unusable (${String(error)}): using ${wrapper.wrapperName}\n`);
      return wrapper;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.model.dispose();
  }

  async #stateOf(field: string, create: () => Promise<LlamaGrammar>): Promise<LlamaGrammarEvaluationState> {
    try {
      return new this.#library.LlamaGrammarEvaluationState({ model: this.model, grammar: await create() });
    } catch (error) {
      throw new EdgeError('E_BAD_REQUEST', {
        what: field,
        expected: 'one that llama.cpp can compile',
        found: messageOf(error),
        cause: error,
      });
    }
  }

  async #allocate<T>(spec: LoadSpec, contextTokens: number, signal: AbortSignal | undefined, create: () => Promise<T>): Promise<T> {
    try {
      return await create();
    } catch (error) {
      if (signal?.aborted) throw abortError(signal, 'load');
      await sleep(LOG_DELAY_MS);
      throw new EdgeError('E_MEMORY_BUDGET', {
        what: `cannot make a context for ${spec.stored.model}`,
        expected: `memory for ${spec.sequences} x ${contextTokens} tokens`,
        found: nativeLog.at(-1) ?? messageOf(error),
        cause: error,
      });
    }
  }
}

/**
 * Loads the library and the model.
 * @throws EdgeError `E_MODEL_NOT_STORED`, `E_MODEL_CORRUPT`, `E_MEMORY_BUDGET`, `E_MODEL_LOAD` (with what llama.cpp
 * said), `E_UNSUPPORTED` (provider), `E_CANCELLED`.
 */
export async function loadNative(spec: LoadSpec, { signal, onProgress }: NativeLoadOptions): Promise<NativeModel> {
  const { stored } = spec;
  const what = `cannot load ${stored.model} (${stored.variant})`;
  const path = stored.files.weights;
  if (!path) throw new EdgeError('E_MODEL_NOT_STORED', { what, expected: 'a weights file', found: 'none' });
  await access(path).catch((error: unknown) => {
    throw new EdgeError('E_MODEL_NOT_STORED', {
      what,
      expected: `a file at ${path}`,
      found: systemErrorCode(error) ?? 'none',
      cause: error,
    });
  });
  const { library, llama } = await startLibrary(spec);
  nativeLog.length = 0;
  try {
    const model = await llama.loadModel({
      modelPath: path,
      gpuLayers: spec.gpuLayers,
      useMmap: true,
      ignoreMemorySafetyChecks: true,
      ...(signal ? { loadSignal: signal } : {}),
      onLoadProgress: (done) =>
        onProgress?.({ label: `loading ${stored.model}`, done: done * stored.bytes, total: stored.bytes, unit: 'bytes' }),
    });
    return new NativeModel(library, llama, model);
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, 'load');
    await sleep(LOG_DELAY_MS);
    throw loadError(what, error, nativeLog);
  }
}

/** Starts llama.cpp once a process: its log goes to the instance that was made last, whichever model it is about. */
async function startLibrary(spec: LoadSpec): Promise<Started> {
  const gpu = gpuOf(spec.provider, process.platform, process.arch);
  const key = spec.localBuild ?? gpu;
  const running = started.get(key);
  if (running) {
    const { llama } = await running;
    llama.maxThreads = Math.max(llama.maxThreads, spec.threads);
    return running;
  }
  const starting = startOn(gpu, spec);
  started.set(key, starting);
  starting.catch(() => started.delete(key));
  return starting;
}

async function startOn(gpu: LlamaGpu, { provider, threads, localBuild }: LoadSpec): Promise<Started> {
  const what = `cannot start llama.cpp on ${provider}`;
  if (isLocal(provider) !== (localBuild !== undefined)) {
    throw new EdgeError('E_MODEL_LOAD', {
      what,
      expected: isLocal(provider) ? 'the folder of a local build' : 'the packaged build',
      found: localBuild ?? 'none',
    });
  }
  try {
    const library = await import('node-llama-cpp');
    const options: SharedOptions = {
      maxThreads: threads,
      logLevel: library.LlamaLogLevel.warn,
      logger: (_level, message) => {
        nativeLog.push(message.trim());
        if (nativeLog.length > KEPT_LOG_LINES) nativeLog.shift();
      },
    };
    const llama =
      localBuild === undefined
        ? await library.getLlama({ ...options, gpu, build: 'never', skipDownload: true, progressLogs: false })
        : await openLocalBuild(library, localBuild, gpu, options);
    if (llama.gpu !== gpu)
      throw new EdgeError('E_MODEL_LOAD', { what, expected: `a build for ${gpu || 'cpu'}`, found: `${llama.gpu || 'cpu'}` });
    return { library, llama };
  } catch (error) {
    if (EdgeError.is(error)) throw error;
    throw new EdgeError('E_MODEL_LOAD', {
      what,
      expected: 'a binary of llama.cpp that runs here',
      found: messageOf(error),
      hint: 'Run "npm ci" again on this machine, or choose another provider; "nearside plan" names those that fit.',
      cause: error,
    });
  }
}

type SharedOptions = Pick<LlamaOptions, 'maxThreads' | 'logLevel' | 'logger'>;

/** What `getLlama` itself calls once it has chosen a binary (node-llama-cpp 3.22); not in its types. */
interface LlamaFactory {
  _create(options: SharedOptions & Readonly<Record<string, unknown>>): Promise<Llama>;
}

/**
 * Opens an addon that lies outside the package. `getLlama` looks for local builds in the package's own folder alone,
 * which the next installation empties and which may be read-only, and it falls back to the packaged binary without an error.
 */
async function openLocalBuild(library: Library, folder: string, gpu: LlamaGpu, options: SharedOptions): Promise<Llama> {
  const { addon, release, options: customCmakeOptions } = await readLocalBuild(folder, await library.getModuleVersion());
  const llamaCpp = { repo: 'ggml-org/llama.cpp', release };
  return (library.Llama as unknown as LlamaFactory)._create({
    ...options,
    bindings: createRequire(import.meta.url)(addon) as unknown,
    bindingPath: addon,
    buildType: 'localBuild',
    buildMetadata: { buildOptions: { customCmakeOptions, gpu, llamaCpp } },
    // Memory is the planner's sum: see `ignoreMemorySafetyChecks`.
    vramPadding: 0,
    ramPadding: 0,
    debug: false,
    numa: false,
    tempDir: false,
  });
}

/** Tells a file that is not a whole GGUF from one that this llama.cpp cannot load, by the error and the native log. */
export function loadError(what: string, error: unknown, log: readonly string[]): EdgeError {
  const said = log.find((line) => /error loading model|failed to/i.test(line)) ?? log.at(-1);
  const found = said ?? messageOf(error);
  if (error instanceof Error && error.constructor.name === 'InsufficientMemoryError') {
    return new EdgeError('E_MEMORY_BUDGET', { what, expected: 'memory for the weights', found, cause: error });
  }
  const isCorrupt =
    error instanceof RangeError ||
    (error instanceof Error && /magic|gguf/i.test(`${error.constructor.name} ${error.message}`)) ||
    log.some((line) => /not within the file bounds|corrupt|incomplete|gguf_init|invalid magic/i.test(line));
  return new EdgeError(isCorrupt ? 'E_MODEL_CORRUPT' : 'E_MODEL_LOAD', {
    what,
    expected: isCorrupt ? 'a whole GGUF file' : 'a model that this llama.cpp can load',
    found,
    cause: error,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
