/** The import table of ARCHITECTURE.md as data; `boundaries.test.ts` holds the code against it. */

export interface FolderRule {
  /** Folder the rule is about; the longest that fits a file decides. */
  readonly folder: string;
  /** Folders or files it may import values from, besides itself. */
  readonly may: readonly string[];
  /** Folders or files it may import types from, besides those of `may`. */
  readonly mayTypes?: readonly string[];
}

const BASE = ['edge/contracts', 'edge/core'];

export const FOLDER_RULES: readonly FolderRule[] = [
  { folder: 'edge/contracts', may: [] },
  { folder: 'edge/core', may: [] },
  { folder: 'edge/config', may: BASE },
  { folder: 'edge/storage', may: BASE },
  { folder: 'edge/hardware', may: BASE },
  { folder: 'edge/store', may: [...BASE, 'edge/storage'], mayTypes: ['edge/config'] },
  { folder: 'edge/planner', may: BASE },
  { folder: 'edge/backends', may: [...BASE, 'edge/planner'] },
  { folder: 'edge/backends/onnx', may: BASE },
  { folder: 'edge/backends/tflite', may: BASE },
  { folder: 'edge/backends/llama', may: BASE },
  { folder: 'edge/backends/fake', may: BASE },
  { folder: 'edge/calibration', may: [...BASE, 'edge/hardware', 'edge/planner', 'edge/backends', 'edge/storage'] },
  { folder: 'edge/builds', may: [...BASE, 'edge/hardware', 'edge/storage'] },
  {
    folder: 'edge/runtime',
    may: [...BASE, 'edge/hardware', 'edge/planner', 'edge/backends', 'edge/builds', 'edge/calibration', 'edge/store', 'edge/storage'],
    mayTypes: ['edge/config'],
  },
  { folder: 'edge/telemetry', may: [...BASE, 'edge/storage'], mayTypes: ['edge/config'] },
  { folder: 'edge/serve', may: BASE, mayTypes: ['edge/config', 'edge/runtime', 'edge/telemetry'] },
  { folder: 'agent', may: [...BASE, 'edge/storage'], mayTypes: ['edge/config', 'edge/runtime'] },
  { folder: 'apps/demo', may: ['edge/core'], mayTypes: ['agent/shop'] },
  { folder: 'apps/fleet', may: [...BASE, 'edge/config', 'edge/storage', 'edge/telemetry/wire', 'edge/telemetry/semantic-conventions.ts'] },
  {
    folder: 'apps/bots',
    may: [
      ...BASE,
      'agent',
      'edge/config',
      'edge/storage',
      'edge/runtime/runtime-methods.ts',
      'edge/runtime/runtime-client.ts',
      'apps/demo',
    ],
  },
  { folder: 'apps/device', may: ['edge'], mayTypes: ['agent', 'apps/bots', 'apps/fleet'] },
  { folder: 'apps/cli', may: ['edge', 'apps/device', 'apps/fleet'], mayTypes: ['agent'] },
  { folder: 'apps/web', may: [], mayTypes: ['edge/contracts'] },
];

/** A third-party library and the only places that may import it. */
export interface RoomRule {
  readonly library: RegExp;
  readonly rooms: readonly string[];
}

export const ROOM_RULES: readonly RoomRule[] = [
  { library: /^onnxruntime-/, rooms: ['edge/backends/onnx/onnx-native.ts'] },
  { library: /^node-llama-cpp$/, rooms: ['edge/backends/llama/llama-native.ts'] },
  { library: /^@litertjs\/.*$/, rooms: ['edge/backends/tflite/tflite-native.ts'] },
  { library: /^koffi$/, rooms: ['edge/backends/tflite/tflite-native.ts', 'edge/backends/llama/llama-quantize-native.ts'] },
  { library: /^@node-llama-cpp\/.*$/, rooms: ['edge/backends/llama/llama-quantize-native.ts'] },
  { library: /^(better-sqlite3|sqlite-vec)$/, rooms: ['edge/storage'] },
  { library: /^mqtt$/, rooms: ['edge/telemetry/mqtt-transport.ts', 'apps/fleet/sources/mqtt-source.ts'] },
  { library: /^aedes/, rooms: ['apps/fleet/broker.ts'] },
  { library: /^(hono|@hono\/.*)$/, rooms: ['edge/serve', 'apps/fleet'] },
  { library: /^(langchain|@langchain\/.*)$/, rooms: ['agent'] },
  { library: /^(preact|@preact\/.*|marked)$/, rooms: ['apps/web', 'agent/retrieval'] },
  { library: /^commander$/, rooms: ['apps/cli', 'apps/fleet'] },
];

/** Files that every backend folder has. */
export const BACKEND_FILES = ['backend', 'options', 'accelerators', 'session', 'native'] as const;

/** Modules that do input or output: not for pure folders. */
export const IO_MODULES = /^node:(fs|net|http|https|child_process|dgram|tls|worker_threads|os)/;
