/** Other programs that run the same file, when they are installed. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type Candidate, type Rates, TYPICAL_CALL } from '#edge/contracts/plan.ts';
import type { Logger } from '#edge/core/log.ts';

/** Rates of each peer by its name. */
export type Peers = Readonly<Record<string, Rates>>;

const PEER = 'llama-bench';
const ROUNDS = 3;

/**
 * Measures llama.cpp's own `llama-bench` from the PATH on the weights of a chosen GGUF candidate, with its threads; nothing for others.
 */
export async function measurePeers(
  { backend, threads }: Pick<Candidate, 'backend' | 'threads'>,
  weights: string,
  environment: Readonly<Record<string, string | undefined>>,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<Peers> {
  const program = backend === 'llama' ? findOnPath(PEER, environment.PATH) : undefined;
  if (program === undefined) return {};
  const { prefill, decode } = TYPICAL_CALL.generate;
  const args = ['-m', weights, '-t', `${threads}`, '-p', `${prefill}`, '-n', `${decode}`, '-r', `${ROUNDS}`, '-ngl', '0', '-o', 'json'];
  try {
    const { stdout } = await promisify(execFile)(program, args, { signal });
    const rows = JSON.parse(stdout) as readonly { n_prompt: number; n_gen: number; avg_ts: number }[];
    const speedOf = (kind: 'n_prompt' | 'n_gen'): number => rows.find((row) => row[kind] > 0)?.avg_ts ?? 0;
    return { [PEER]: { prefill: speedOf('n_prompt'), decode: speedOf('n_gen') } };
  } catch (error) {
    if (signal.aborted) throw error;
    log.warn('peer left out', { program, reason: String(error) });
    return {};
  }
}

function findOnPath(name: string, path: string | undefined): string | undefined {
  return (path ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
