/** The Prometheus text exposition format 0.0.4, with OpenTelemetry's naming rules for units and counters. */
import type { Attributes, Ledger } from '#edge/contracts/telemetry.ts';
import { LANES } from '#edge/contracts/telemetry.ts';
import type { MetricSeries } from './metric-aggregates.ts';

const UNIT_SUFFIXES: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' };

/** Renders metrics since the start of the process, and the ledger, as one scrape. */
export function renderPrometheus(series: readonly MetricSeries[], ledger: Ledger): string {
  const families = Map.groupBy(series, (one) => one.name);
  return [...Array.from(families.values(), renderFamily), renderLedger(ledger)].join('');
}

function renderFamily(series: readonly MetricSeries[]): string {
  const { name, convention } = series[0] as MetricSeries;
  const family = familyName(name, convention.unit, convention.kind);
  const lines = series.flatMap((one) => {
    if (one.convention.kind !== 'histogram') return [sample(family, one.attributes, one.sum)];
    let cumulated = 0;
    const buckets = one.buckets.map((count, index) => {
      cumulated += count;
      const bound = one.convention.kind === 'histogram' ? one.convention.boundaries[index] : undefined;
      return sample(`${family}_bucket`, { ...one.attributes, le: bound === undefined ? '+Inf' : String(bound) }, cumulated);
    });
    return [...buckets, sample(`${family}_sum`, one.attributes, one.sum), sample(`${family}_count`, one.attributes, one.count)];
  });
  return header(family, convention.kind, convention.meaning) + lines.join('');
}

function renderLedger(ledger: Ledger): string {
  const events = LANES.flatMap((lane) => {
    const { produced, stored, dropped, pending } = ledger.lanes[lane];
    return Object.entries({ produced, stored, dropped, pending }).map(([state, count]) =>
      sample('nearside_telemetry_events', { lane, state }, count),
    );
  });
  const drops = Object.entries(ledger.droppedByReason).map(([reason, count]) =>
    sample('nearside_telemetry_dropped_total', { reason }, count),
  );
  return (
    header('nearside_telemetry_events', 'gauge', 'Events of this outbox: produced = stored + dropped + pending.') +
    events.join('') +
    (drops.length > 0 ? header('nearside_telemetry_dropped_total', 'counter', 'Events dropped, by reason.') + drops.join('') : '')
  );
}

function familyName(name: string, unit: string, kind: string): string {
  const base = name.replaceAll(/[^a-zA-Z0-9_:]/g, '_') + (UNIT_SUFFIXES[unit] ?? '');
  return kind === 'counter' ? `${base}_total` : base;
}

function header(family: string, kind: string, meaning: string): string {
  return `# HELP ${family} ${meaning}\n# TYPE ${family} ${kind}\n`;
}

function sample(name: string, attributes: Attributes, value: number): string {
  const labels = Object.entries(attributes).map(([key, text]) => `${key.replaceAll(/[^a-zA-Z0-9_]/g, '_')}="${escapeLabel(String(text))}"`);
  return `${name}${labels.length > 0 ? `{${labels.join(',')}}` : ''} ${value}\n`;
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
