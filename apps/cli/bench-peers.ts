/** Other programs that run the same file, when they are installed. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { Task } from '#edge/contracts/model.ts';
import { type Candidate, type Rates, TYPICAL_CALL } from '#edge/contracts/plan.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { isOnCpu } from '#edge/planner/binaries.ts';

/** Rates of each peer by its name. */
export type Peers = Readonly<Record<string, Rates>>;

const PEER = 'llama-bench';
const ROUNDS = 3;
const ROWS = z.array(z.object({ n_prompt: z.number(), n_gen: z.number(), avg_ts: z.number().positive() }));

/**
 * Measures llama.cpp's own `llama-bench` from the PATH on the weights of a generator that llama.cpp runs, with its threads, on the CPU or
 * the GPU as it does; nothing for others.
 */
export async function measurePeers(
  task: Task,
  { backend, provider, threads }: Pick<Candidate, 'backend' | 'provider' | 'threads'>,
  weights: string,
  environment: Readonly<Record<string, string | undefined>>,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<Peers> {
  const program = task === 'generate' && backend === 'llama' ? findOnPath(PEER, environment.PATH) : undefined;
  if (program === undefined) return {};
  const { prefill, decode } = TYPICAL_CALL.generate;
  const layers = isOnCpu(provider) ? '0' : '99';
  const args = ['-m', weights, '-t', `${threads}`, '-p', `${prefill}`, '-n', `${decode}`, '-r', `${ROUNDS}`, '-ngl', layers, '-o', 'json'];
  try {
    const { stdout } = await promisify(execFile)(program, args, { signal });
    const rows = ROWS.parse(JSON.parse(stdout));
    const [prompt, answer] = [rows.find(({ n_prompt }) => n_prompt > 0), rows.find(({ n_gen }) => n_gen > 0)];
    if (!prompt || !answer) throw new EdgeError('E_UNSUPPORTED', { what: `reading what ${PEER} said`, found: stdout.slice(0, 200) });
    return { [PEER]: { prefill: prompt.avg_ts, decode: answer.avg_ts } };
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
