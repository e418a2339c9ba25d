/** One candidate from start to end: its engine is started, verified, measured and ended again. */
import { EngineHost } from '#edge/backends/engine-host.ts';
import type { EngineInfo, LoadSpec } from '#edge/contracts/backend.ts';
import type { ModelCard, Task } from '#edge/contracts/model.ts';
import type { Measurement } from '#edge/contracts/plan.ts';
import type { EdgeError, ErrorCode } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import type { ProbeIo } from '#edge/hardware/probe-io.ts';
import type { WatchConditions } from './conditions.ts';
import { type MeasureOptions, measureEngine } from './measure-engine.ts';
import { verifyEngine } from './verify-engine.ts';
import { fillMemory } from './workload.ts';

/** Time that loading, and every call, may take. */
const DEADLINE_MS = 60_000;

export interface MeasureCandidateOptions extends MeasureOptions {
  readonly spec: LoadSpec;
  readonly card: Pick<ModelCard, 'golden'>;
  /** What the engine is measured at: the card's task. */
  readonly task: Task;
  readonly fingerprint: string;
  /** Environment of the device's process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly io: ProbeIo;
  readonly watchConditions: WatchConditions;
  readonly log: Logger;
  readonly signal?: AbortSignal;
  /** Time that loading, and every call, may take. Defaults to a minute. */
  readonly deadlineMs?: number;
}

export interface MeasuredCandidate {
  readonly measurement: Measurement;
  /** What else went on meanwhile; such a measurement is not worth keeping. */
  readonly disturbance: string | undefined;
}

/**
 * Loads, verifies and measures a candidate in a child of its own, which is gone afterwards.
 * @throws EdgeError for every way to fail: `E_ENGINE_CRASHED`, `E_ENGINE_HUNG`, `E_DEADLINE`, `E_MEMORY_BUDGET`, `E_GOLDEN_MISMATCH`,
 * `E_MODEL_CORRUPT`, `E_MODEL_LOAD` ... See {@link blamesCandidate}.
 */
export async function measureCandidate(options: MeasureCandidateOptions): Promise<MeasuredCandidate> {
  const { spec, card, task, environment, io, log, signal, deadlineMs = DEADLINE_MS } = options;
  let crash: EdgeError | undefined;
  await using host = new EngineHost({
    spec,
    environment,
    log,
    idleStopMs: 0,
    deadlineMs,
    onCrash: ({ error }) => {
      crash ??= error;
    },
  });
  const call = signal ? { signal } : {};
  const startedAt = performance.now();
  const info = await host.load(call);
  const loadMs = performance.now() - startedAt;
  const subject = { engine: host, info, options: call };
  await verifyEngine(subject, card.golden);
  const watch = await options.watchConditions({ pid: host.status.pid, threads: spec.threads });
  const { rates, joules } = await measureEngine(subject, task, options);
  await fillMemory(subject);
  // The host repeats a call that met a crash; an engine that only works the second time is no good one.
  if (crash) throw crash;
  const residentBytes = (await residentBytesOf(io, host.status.pid)) ?? host.status.residentBytes;
  return {
    measurement: {
      ...keyOf(spec, info),
      fingerprint: options.fingerprint,
      rates,
      loadMs,
      residentBytes,
      ...(joules === undefined ? {} : { joules }),
      atMs: Date.now(),
    },
    disturbance: await watch.disturbance(),
  };
}

function keyOf(
  { stored, backend, provider, threads }: LoadSpec,
  info: EngineInfo,
): Omit<Measurement, 'fingerprint' | 'rates' | 'loadMs' | 'residentBytes' | 'atMs'> {
  return { modelSha256: stored.sha256, variant: stored.variant, backend, backendVersion: info.version, provider, threads };
}

/** The engine tells its memory once a second; the kernel knows it now. */
async function residentBytesOf(io: ProbeIo, pid: number | undefined): Promise<number | undefined> {
  const status = pid === undefined ? undefined : await io.readText(`/proc/${pid}/status`);
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? '')?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Failures that say nothing about the candidate. */
const BLAMELESS: ReadonlySet<ErrorCode> = new Set([
  'E_CANCELLED',
  'E_SHUTTING_DOWN',
  'E_MODEL_NOT_STORED',
  'E_MODEL_CORRUPT',
  'E_DISK_FULL',
]);

/**
 * True when a failure of {@link measureCandidate} is a reason to leave the candidate out. A damaged file is none: it can be fetched anew at any
 * moment, and a quarantine would outlive it.
 */
export function blamesCandidate(error: EdgeError): boolean {
  return !BLAMELESS.has(error.code);
}
