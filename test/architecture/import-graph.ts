import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** One import of one file. */
export interface ImportEdge {
  /** Importing file, relative to the root. */
  readonly from: string;
  /** Imported file relative to the root, or the bare package name. */
  readonly to: string;
  readonly external: boolean;
  /** True when only types are imported: erased before the program runs. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly ImportEdge[];
  readonly hasDefaultExport: boolean;
}

/** Parses every TypeScript file below the given folders. */
export function readSources(folders: readonly string[]): readonly SourceFile[] {
  return folders.flatMap((folder) => walk(join(ROOT, folder))).map(parse);
}

/** Strongly connected components of more than one file (Tarjan, 1972), type imports included. */
export function findCycles(files: readonly SourceFile[]): readonly (readonly string[])[] {
  const next = new Map(files.map((file) => [file.path, file.imports.filter((edge) => !edge.external).map((edge) => edge.to)]));
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];
  const visit = (path: string): void => {
    index.set(path, index.size);
    low.set(path, index.get(path) as number);
    stack.push(path);
    for (const target of next.get(path) ?? []) {
      if (!next.has(target)) continue;
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) low.set(path, Math.min(low.get(path) as number, low.get(target) as number));
    }
    if (low.get(path) !== index.get(path)) return;
    const component = stack.splice(stack.indexOf(path));
    if (component.length > 1) cycles.push(component);
  };
  for (const file of files) if (!index.has(file.path)) visit(file.path);
  return cycles;
}

function parse(absolute: string): SourceFile {
  const path = relative(ROOT, absolute);
  const text = readFileSync(absolute, 'utf8');
  const { module } = parseSync(absolute, text);
  const edges: ImportEdge[] = [];
  const add = (specifier: string, typeOnly: boolean): void => {
    edges.push({ from: path, typeOnly, ...resolveSpecifier(specifier, absolute) });
  };
  for (const statement of module.staticImports) {
    add(statement.moduleRequest.value, statement.entries.length > 0 && statement.entries.every((entry) => entry.isType));
  }
  for (const statement of module.staticExports) {
    for (const entry of statement.entries) if (entry.moduleRequest) add(entry.moduleRequest.value, entry.isType);
  }
  for (const dynamic of module.dynamicImports) {
    const literal = /^['"`]([^'"`$]+)['"`]$/.exec(text.slice(dynamic.moduleRequest.start, dynamic.moduleRequest.end));
    if (literal?.[1]) add(literal[1], false);
  }
  const hasDefaultExport = module.staticExports.some((statement) => statement.entries.some((entry) => entry.exportName.kind === 'Default'));
  return { path, text, imports: edges, hasDefaultExport };
}

function resolveSpecifier(specifier: string, importer: string): { to: string; external: boolean } {
  if (specifier.startsWith('.')) return { to: relative(ROOT, resolve(dirname(importer), specifier)), external: false };
  if (specifier.startsWith('#')) return { to: specifier.slice(1), external: false };
  const name = specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : (specifier.split('/')[0] as string);
  return { to: name, external: true };
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name === 'dist') return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return walk(path);
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}
