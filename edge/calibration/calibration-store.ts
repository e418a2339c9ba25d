/** Remembers how candidates ran on this device, and which of them failed, in one SQLite file that the CLI and the device may open together. */
import type { BackendId } from '#edge/contracts/backend.ts';
import type { Measurement, Rates } from '#edge/contracts/plan.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import type { Quarantine } from '#edge/planner/plan-input.ts';
import { openDatabase, quarantineDatabase, type SqliteDatabase, toEdgeError } from '#edge/storage/sqlite.ts';
import { CALIBRATION_MIGRATIONS } from './calibration-schema.ts';

const IN_MEMORY = ':memory:';

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;
/** Kernels, firmware and neighbours change without a change of the fingerprint. */
const KEEP_MS = 30 * DAY_MS;
/** How long a candidate is left out after its first, second and every later failure in a row. */
export const QUARANTINE_MS = [HOUR_MS, DAY_MS, 7 * DAY_MS] as const;

export interface CalibrationStoreOptions {
  /** Its folder is made. */
  readonly path: string;
  readonly log: Logger;
}

/** Which measurements to forget: those that agree in every field given; all of them when none is. */
export interface MeasurementFilter {
  readonly modelSha256?: string;
  readonly backend?: BackendId;
  readonly provider?: string;
  /** Spares those of this version of the native library. */
  readonly exceptVersion?: string;
}

interface MeasurementRow {
  readonly model_sha256: string;
  readonly variant: string;
  readonly backend: BackendId;
  readonly provider: string;
  readonly threads: number;
  readonly fingerprint: string;
  readonly backend_version: string;
  readonly rates: string;
  readonly load_ms: number;
  readonly resident_bytes: number;
  readonly joules: number | null;
  readonly at_ms: number;
}

/**
 * Opens its file with the first call. All it holds can be measured again, so nothing about the file keeps a device from serving: a damaged one
 * is put aside and begun anew; where the folder is read-only, the disk full, or the file of a newer version, it is left as it is and what is
 * learned lasts as long as this process. Each is said once in the log.
 * @throws EdgeError from every method: `E_LOCKED`, while another process writes for seconds.
 */
export class CalibrationStore {
  readonly #options: CalibrationStoreOptions;
  #database: SqliteDatabase | undefined;
  #path: string;
  #isPutAside = false;

  constructor(options: CalibrationStoreOptions) {
    this.#options = options;
    this.#path = options.path;
  }

  /** What was measured on this device within 30 days, sorted by key. */
  measurements(fingerprint: string, nowMs: number): readonly Measurement[] {
    const rows = this.#use((database) =>
      database
        .prepare(
          `SELECT * FROM measurement WHERE fingerprint = ? AND at_ms > ?
           ORDER BY model_sha256, variant, backend, provider, threads`,
        )
        .all(fingerprint, nowMs - KEEP_MS),
    ) as readonly MeasurementRow[];
    return rows.map(toMeasurement);
  }

  /** Takes the place of an older one of the same model, variant, backend, provider, threads and device; drops what has expired. */
  saveMeasurement(measurement: Measurement): void {
    const { modelSha256, variant, backend, provider, threads, fingerprint } = measurement;
    const { backendVersion, rates, loadMs, residentBytes, joules = null, atMs } = measurement;
    this.#use((database) =>
      database.transaction(() => {
        database.prepare('DELETE FROM measurement WHERE at_ms <= ?').run(atMs - KEEP_MS);
        database
          .prepare('INSERT OR REPLACE INTO measurement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
          .run(
            modelSha256,
            variant,
            backend,
            provider,
            threads,
            fingerprint,
            backendVersion,
            JSON.stringify(rates),
            loadMs,
            Math.round(residentBytes),
            joules,
            Math.round(atMs),
          );
      })(),
    );
  }

  /** Returns how many were forgotten. */
  forgetMeasurements(filter: MeasurementFilter = {}): number {
    const { modelSha256 = null, backend = null, provider = null, exceptVersion = null } = filter;
    return this.#use(
      (database) =>
        database
          .prepare(
            `DELETE FROM measurement WHERE model_sha256 = coalesce(:modelSha256, model_sha256) AND backend = coalesce(:backend, backend)
             AND provider = coalesce(:provider, provider) AND backend_version IS NOT :exceptVersion`,
          )
          .run({ modelSha256, backend, provider, exceptVersion }).changes,
    );
  }

  /**
   * Leaves a candidate out for {@link QUARANTINE_MS}, longer with each failure in a row on the same device. A report about a candidate that
   * is left out already comes from a run that began before, and does not count again.
   */
  quarantine(candidateId: string, reason: string, fingerprint: string, nowMs: number): Quarantine {
    return this.#use((database) =>
      database
        .transaction(() => {
          const before = database
            .prepare('SELECT failures, until_ms FROM quarantine WHERE candidate_id = ? AND fingerprint = ?')
            .get(candidateId, fingerprint) as { failures: number; until_ms: number } | undefined;
          const failures = before === undefined ? 1 : before.failures + (isInForce(before.until_ms, nowMs) ? 0 : 1);
          const untilMs = Math.round(nowMs + backOffOf(failures));
          database
            .prepare('INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?)')
            .run(candidateId, fingerprint, failures, untilMs, reason);
          return { candidateId, untilMs, sinceMs: Math.round(nowMs), reason };
        })
        .immediate(),
    );
  }

  /** Ends the row of failures of a candidate: it has run well, or somebody says so. */
  release(candidateId: string): void {
    this.#use((database) => database.prepare('DELETE FROM quarantine WHERE candidate_id = ?').run(candidateId));
  }

  /** Candidates that are left out now, sorted by id; those of another device, or of this one before it changed, are not. */
  quarantined(fingerprint: string, nowMs: number): readonly Quarantine[] {
    const rows = this.#use((database) =>
      database
        .prepare('SELECT candidate_id, failures, until_ms, reason FROM quarantine WHERE fingerprint = ? ORDER BY candidate_id')
        .all(fingerprint),
    ) as readonly { candidate_id: string; failures: number; until_ms: number; reason: string }[];
    return rows
      .filter((row) => isInForce(row.until_ms, nowMs))
      .map(({ candidate_id: candidateId, failures, until_ms: untilMs, reason }) => ({
        candidateId,
        untilMs,
        sinceMs: untilMs - backOffOf(failures),
        reason,
      }));
  }

  [Symbol.dispose](): void {
    this.#database?.close();
    this.#database = undefined;
  }

  #use<T>(work: (database: SqliteDatabase) => T): T {
    for (;;) {
      try {
        this.#database ??= openDatabase({ path: this.#path, migrations: CALIBRATION_MIGRATIONS, durability: 'normal' });
        return work(this.#database);
      } catch (cause) {
        const error = toEdgeError(cause, this.#path);
        if (error.code === 'E_LOCKED' || this.#path === IN_MEMORY) throw error;
        this[Symbol.dispose]();
        if (error.code === 'E_DATABASE_CORRUPT' && this.#putAside(error)) continue;
        this.#path = IN_MEMORY;
        this.#options.log.warn('measurements are not kept', { file: this.#options.path, reason: error.message, hint: error.hint });
      }
    }
  }

  /** False where that was done before, or cannot be done. */
  #putAside({ message }: EdgeError): boolean {
    if (this.#isPutAside) return false;
    this.#isPutAside = true;
    try {
      const kept = quarantineDatabase(this.#options.path, Date.now());
      this.#options.log.warn('calibration file was damaged, measuring begins anew', { kept, reason: message });
      return true;
    } catch (error) {
      this.#options.log.warn('damaged calibration file cannot be put aside', { reason: EdgeError.from(error).message });
      return false;
    }
  }
}

function backOffOf(failures: number): number {
  return QUARANTINE_MS[failures - 1] ?? QUARANTINE_MS[2];
}

/** A date farther away than any quarantine was written by a clock that ran ahead. */
function isInForce(untilMs: number, nowMs: number): boolean {
  return untilMs > nowMs && untilMs <= nowMs + QUARANTINE_MS[2];
}

function toMeasurement(row: MeasurementRow): Measurement {
  return {
    modelSha256: row.model_sha256,
    variant: row.variant,
    backend: row.backend,
    backendVersion: row.backend_version,
    provider: row.provider,
    threads: row.threads,
    fingerprint: row.fingerprint,
    rates: JSON.parse(row.rates) as Rates,
    loadMs: row.load_ms,
    residentBytes: row.resident_bytes,
    ...(row.joules === null ? {} : { joules: row.joules }),
    atMs: row.at_ms,
  };
}
