/** Prints the installed size by package, largest first; hard links count once. `--json` for machines, `--limit MIB` fails above. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, limit: { type: 'string' } } });
const modules = fileURLToPath(new URL('../node_modules/', import.meta.url));
const seen = new Set<number>();

/** Allocated bytes below `path`, as `du` counts them. */
function allocatedBytes(path: string): number {
  const info = lstatSync(path);
  if (seen.has(info.ino)) return 0;
  if (info.nlink > 1 && !info.isDirectory()) seen.add(info.ino);
  const own = info.blocks * 512;
  return info.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + allocatedBytes(join(path, name)), own) : own;
}

const names = readdirSync(modules).flatMap((name) =>
  name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
);
const rows = names.map((name) => ({ name, bytes: allocatedBytes(join(modules, name)) })).sort((a, b) => b.bytes - a.bytes);
const total = rows.reduce((sum, row) => sum + row.bytes, 0);
const mebibytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1).padStart(8);

if (values.json) {
  process.stdout.write(`${JSON.stringify({ totalBytes: total, packages: rows })}\n`);
} else {
  const shown = rows.filter((row) => row.bytes > 2 * 1024 ** 2);
  const rest = total - shown.reduce((sum, row) => sum + row.bytes, 0);
  process.stdout.write(
    `     MiB  package\n${shown.map((row) => `${mebibytes(row.bytes)}  ${row.name}`).join('\n')}\n${mebibytes(rest)}  ${rows.length - shown.length} smaller packages\n${mebibytes(total)}  total\n`,
  );
}
if (values.limit && total > Number(values.limit) * 1024 ** 2) {
  process.stderr.write(`the installation takes ${mebibytes(total).trim()} MiB, the limit is ${values.limit} MiB\n`);
  process.exitCode = 1;
}
