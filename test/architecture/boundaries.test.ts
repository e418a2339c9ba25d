import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findCycles, ROOT, readSources } from './import-graph.ts';
import { BACKEND_FILES, FOLDER_RULES, type FolderRule, IO_MODULES, ROOM_RULES } from './rules.ts';

const files = readSources(['edge', 'agent', 'apps']);
const inside = (path: string, places: readonly string[]): boolean => places.some((place) => path === place || path.startsWith(`${place}/`));
const ruleOf = (path: string): FolderRule | undefined =>
  FOLDER_RULES.filter((rule) => inside(path, [rule.folder])).sort((a, b) => b.folder.length - a.folder.length)[0];

describe('import table', () => {
  it('has a rule for every source file', () => {
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((file) => !ruleOf(file.path)).map((file) => file.path)).toEqual([]);
  });

  it('is kept by every import', () => {
    const broken = files.flatMap((file) => {
      const rule = ruleOf(file.path);
      return file.imports
        .filter((edge) => !edge.external && rule && !allowed(rule, edge.to, edge.typeOnly))
        .map((edge) => `${edge.from} > ${edge.to}${edge.typeOnly ? ' (type)' : ''}`);
    });
    expect(broken).toEqual([]);
  });

  function allowed(rule: FolderRule, target: string, typeOnly: boolean): boolean {
    const own = ruleOf(target)?.folder === rule.folder;
    return (
      own ||
      inside(target, rule.may) ||
      (typeOnly && inside(target, rule.mayTypes ?? [])) ||
      (rule.folder === 'edge/backends' && target.startsWith('edge/backends/'))
    );
  }

  it('has no import cycle, type imports included', () => {
    expect(findCycles(files)).toEqual([]);
  });

  it('keeps each third-party library in its room', () => {
    const strays = files.flatMap((file) =>
      file.imports
        .filter((edge) => edge.external && !edge.typeOnly)
        .filter((edge) => ROOM_RULES.some((room) => room.library.test(edge.to) && !inside(edge.from, room.rooms)))
        .map((edge) => `${edge.from} > ${edge.to}`),
    );
    expect(strays).toEqual([]);
  });

  it('imports sub-folders of backends dynamically only, and never a sibling', () => {
    const host = files.filter((file) => /^edge\/backends\/[^/]+\.ts$/.test(file.path));
    const eager = host.flatMap((file) =>
      file.imports
        .filter((edge) => /^edge\/backends\/[^/]+\//.test(edge.to) && !edge.typeOnly)
        .filter((edge) => new RegExp(`^import[^(]*['"]\\./${edge.to.slice('edge/backends/'.length)}['"]`, 'm').test(file.text))
        .map((edge) => `${edge.from} > ${edge.to}`),
    );
    expect(eager).toEqual([]);
  });

  it('keeps the planner free of input and output', () => {
    const planner = files.filter((file) => inside(file.path, ['edge/planner', 'edge/contracts']));
    expect(
      planner.flatMap((file) => file.imports.filter((edge) => IO_MODULES.test(edge.to)).map((edge) => `${edge.from} > ${edge.to}`)),
    ).toEqual([]);
  });
});

describe('house rules', () => {
  it('reads process.env in edge/config alone', () => {
    const readers = files.filter(
      (file) => /process\.env\b/.test(file.text) && !inside(file.path, ['edge/config']) && !file.path.endsWith('.config.ts'),
    );
    expect(readers.map((file) => file.path)).toEqual([]);
  });

  it('has no default export and no barrel', () => {
    const sources = files.filter((file) => !file.path.endsWith('.config.ts'));
    expect(sources.filter((file) => file.hasDefaultExport).map((file) => file.path)).toEqual([]);
    expect(sources.filter((file) => file.path.endsWith('/index.ts')).map((file) => file.path)).toEqual([]);
  });

  it('throws coded errors only', () => {
    const plain = files.filter((file) => /throw new (Error|TypeError|RangeError)\(/.test(file.text) && !inside(file.path, ['apps/web']));
    expect(plain.map((file) => file.path)).toEqual([]);
  });

  it('gives every backend the same set of files, or a README that says which role it lacks', () => {
    const backends = readdirSync(join(ROOT, 'edge/backends'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(backends.map((entry) => entry.name)).toEqual(expect.arrayContaining(['fake', 'llama', 'onnx']));
    const missing = backends.flatMap(({ name }) => {
      const folder = join(ROOT, 'edge/backends', name);
      const readme = readFileSync(join(folder, 'README.md'), 'utf8');
      return BACKEND_FILES.filter((role) => !existsSync(join(folder, `${name}-${role}.ts`)) && !readme.includes(role)).map(
        (role) => `${name}/${name}-${role}.ts`,
      );
    });
    expect(missing).toEqual([]);
  });

  it('explains every source folder in a README', () => {
    const folders = new Set(
      files.map((file) => file.path.split('/').slice(0, -1).join('/')).filter((folder) => !folder.startsWith('apps/web/')),
    );
    expect([...folders].filter((folder) => !existsSync(join(ROOT, folder, 'README.md')))).toEqual([]);
  });
});
