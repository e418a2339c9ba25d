import type { KeptQuality } from '#edge/contracts/quantize.ts';
import type { PartialFile } from '../partial-file.ts';
import type { FetchContext, SourceOf } from './source.ts';

/**
 * Weights made on this device out of another variant's, which is fetched first where it is missing. They are always made whole.
 * @returns What is left of the other variant's quality.
 * @throws EdgeError `E_QUALITY_LOST`, `E_ENGINE_CRASHED`, `E_DISK_FULL`, `E_CANCELLED` and others of `Quantize`.
 */
export async function fetchDerived(source: SourceOf<'derived'>, target: PartialFile, context: FetchContext): Promise<KeptQuality> {
  await target.reset();
  const kept = await context.derive(source, target.path);
  await target.adopt();
  return kept;
}
