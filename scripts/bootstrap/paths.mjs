import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the checkout. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const NODE_MODULES = join(ROOT, 'node_modules');
/** The pinned Node 24 (npm package `node`). */
export const PINNED_NODE = join(NODE_MODULES, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
/** Where Node keeps compiled and type-stripped modules: from the second start on it saves time and 30 MB a process. */
export const COMPILE_CACHE = join(NODE_MODULES, '.cache', 'nearside-compile');
