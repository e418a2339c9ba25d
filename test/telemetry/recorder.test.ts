import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Lane } from '#edge/contracts/telemetry.ts';
import { EventRecorder } from '#edge/telemetry/event-recorder.ts';
import { MAX_SERIES_PER_METRIC, MetricAggregates } from '#edge/telemetry/metric-aggregates.ts';
import { renderPrometheus } from '#edge/telemetry/prometheus.ts';
import { EVENTS, METRICS } from '#edge/telemetry/semantic-conventions.ts';
import { recordSchema } from '#edge/telemetry/wire/record.ts';
import { capturedLog } from './support/harness.ts';

const clock = { now: () => 1000.7, monotonic: () => 0 };
const TTFT = 'gen_ai.server.time_to_first_token';

function makeRecorder(capacity?: number) {
  const { log, lines } = capturedLog();
  return { lines, recorder: new EventRecorder({ clock, log, ...(capacity === undefined ? {} : { capacity }) }) };
}

describe('the semantic conventions', () => {
  test('hold OpenTelemetry boundaries, with 20, 40 and 80 s appended to the first token', () => {
    expect(METRICS[TTFT]).toMatchObject({
      unit: 's',
      boundaries: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80],
    });
    expect(METRICS['gen_ai.server.request.duration']).toMatchObject({
      boundaries: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
    });
    expect(METRICS['gen_ai.client.token.usage']).toMatchObject({
      boundaries: [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864],
    });
  });

  test('name everything under gen_ai. or nearside., with ascending boundaries and a meaning', () => {
    for (const [name, metric] of Object.entries(METRICS)) {
      expect(name).toMatch(/^(gen_ai|nearside)\.[a-z_.]+$/);
      expect(metric.meaning).toMatch(/\.$/);
      if (metric.kind === 'histogram') expect(metric.boundaries).toEqual([...new Set(metric.boundaries)].toSorted((a, b) => a - b));
    }
    for (const [name, meaning] of Object.entries(EVENTS)) {
      expect(name).toMatch(/^nearside\.[a-z_.]+$/);
      expect(meaning).toMatch(/\.$/);
    }
  });
});

test('every metric and event that the code records has its place in the semantic conventions', () => {
  const root = new URL('../../', import.meta.url);
  const sources = ['edge', 'agent', 'apps'].flatMap((folder) =>
    readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.includes('node_modules'))
      .map((path) => readFileSync(new URL(`${folder}/${path}`, root), 'utf8')),
  );
  const found = (pattern: RegExp): string[] => sources.flatMap((text) => Array.from(text.matchAll(pattern), (match) => match[1] as string));
  const metrics = found(/observe\(\s*'([^']+)'/g);
  const events = found(/name: '(nearside\.[^']+)'/g);
  expect(metrics.length).toBeGreaterThan(5);
  expect(events.length).toBeGreaterThan(3);
  expect(metrics.filter((name) => !Object.hasOwn(METRICS, name))).toEqual([]);
  expect(events.filter((name) => !Object.hasOwn(EVENTS, name))).toEqual([]);
});

describe('the recorder', () => {
  test('hands events over in order, with their lane and time', () => {
    const { recorder } = makeRecorder();
    recorder.event({ lane: 'alerts', name: 'nearside.engine.crashed', attributes: { pid: 7 } });
    recorder.event({ lane: 'traces', name: 'nearside.request.failed' });
    const { rows, drops } = recorder.peek(10);
    expect(rows.map(({ lane, time }) => [lane, time])).toEqual([
      ['alerts', 1000],
      ['traces', 1000],
    ]);
    expect(JSON.parse(rows[0]?.payload ?? '')).toEqual({ kind: 'event', name: 'nearside.engine.crashed', attributes: { pid: 7 } });
    expect(drops).toEqual([]);
    recorder.confirm({ rows: rows.slice(0, 1), drops });
    expect(recorder.peek(10).rows).toEqual(rows.slice(1));
  });

  test('drops unknown names, counts each and logs once', () => {
    const { recorder, lines } = makeRecorder();
    for (let round = 0; round < 5; round++) {
      recorder.event({ lane: 'alerts', name: 'nearside.invented' });
      recorder.observe('nearside.invented.metric', 1);
      recorder.event({ lane: 'alerts', name: 'toString' });
    }
    expect(recorder.peek(10)).toEqual({
      rows: [],
      drops: [
        { lane: 'alerts', reason: 'unknown-name', count: 10 },
        { lane: 'metrics', reason: 'unknown-name', count: 5 },
      ],
    });
    expect(lines).toHaveLength(3);
  });

  test('keeps at most its capacity and counts the rest', () => {
    const { recorder } = makeRecorder(3);
    for (let round = 0; round < 10; round++) recorder.event({ lane: 'traces', name: 'nearside.request.failed' });
    const { rows, drops } = recorder.peek(100);
    expect(rows).toHaveLength(3);
    expect(drops).toEqual([{ lane: 'traces', reason: 'handover-full', count: 7 }]);
  });

  test('never throws, whatever it is given', () => {
    const { recorder } = makeRecorder();
    const trap = {
      get boom(): string {
        throw new TypeError('boom');
      },
    };
    expect(() => {
      recorder.event({ lane: 'gold' as Lane, name: 'nearside.device.started' });
      recorder.event(undefined as never);
      recorder.event({ lane: 'alerts', name: 'nearside.device.started', attributes: trap });
      recorder.observe(TTFT, Number.NaN);
      recorder.observe(TTFT, -1);
      recorder.observe(TTFT, 'fast' as never);
      recorder.observe(TTFT, 1, trap);
    }).not.toThrow();
    const { rows, drops } = recorder.peek(10);
    expect(rows).toEqual([]);
    expect(drops.reduce((sum, drop) => sum + drop.count, 0)).toBe(7);
  });

  test('cuts long texts and further attributes, and leaves out what is no scalar: rows always pass the wire', () => {
    const { recorder } = makeRecorder();
    const attributes = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`key${index}`.padEnd(500, '.'), 'x'.repeat(5000)]));
    recorder.event({ lane: 'traces', name: 'nearside.request.failed', attributes });
    recorder.event({
      lane: 'traces',
      name: 'nearside.request.failed',
      attributes: { deep: {} as never, no: null as never, bad: Number.POSITIVE_INFINITY, good: 1 },
    });
    recorder.observe(TTFT, 0.5);
    recorder.observe('nearside.process.memory', -3);
    recorder.observe('nearside.bot.answers', 2);
    recorder.stageMetrics();
    const records = recorder.peek(10).rows.map((row) => recordSchema.parse(JSON.parse(row.payload)));
    expect(records.map((record) => record.kind)).toEqual(['event', 'event', 'histogram', 'gauge', 'counter']);
    expect(Object.keys(records[0]?.attributes ?? {})).toHaveLength(16);
    expect(records[1]?.attributes).toEqual({ good: 1 });
  });
});

describe('aggregates', () => {
  test('count a value in the bucket whose bound it does not exceed, and begin anew after each take', () => {
    const aggregates = new MetricAggregates(100);
    for (const value of [0.001, 0.0011, 80, 81]) aggregates.observe(TTFT, value, { model: 'm' });
    const [delta, ...others] = aggregates.takeDeltas(200);
    expect(others).toEqual([]);
    expect(delta).toMatchObject({ kind: 'histogram', startTime: 100, count: 4, attributes: { model: 'm' } });
    expect(delta?.kind === 'histogram' && [delta.buckets[0], delta.buckets[1], delta.buckets.at(-2), delta.buckets.at(-1)]).toEqual([
      1, 1, 1, 1,
    ]);
    expect(aggregates.takeDeltas(300)).toEqual([]);
    aggregates.observe(TTFT, 1, { model: 'm' });
    expect(aggregates.takeDeltas(400)).toMatchObject([{ startTime: 300, count: 1, sum: 1 }]);
    expect(aggregates.totals()).toMatchObject([{ count: 5 }]);
  });

  test('know a series by its attributes whatever their order', () => {
    const aggregates = new MetricAggregates(0);
    aggregates.observe('nearside.bot.answers', 1, { bot: 'qa', rung: 'faq' });
    aggregates.observe('nearside.bot.answers', 2, { rung: 'faq', bot: 'qa' });
    expect(aggregates.takeDeltas(1)).toMatchObject([{ kind: 'counter', value: 3 }]);
  });

  test('limit the series of a metric and keep the total right', () => {
    const aggregates = new MetricAggregates(0);
    for (let id = 0; id < MAX_SERIES_PER_METRIC + 50; id++) aggregates.observe('nearside.bot.answers', 1, { id });
    const records = aggregates.takeDeltas(1);
    expect(records).toHaveLength(MAX_SERIES_PER_METRIC + 1);
    expect(records.at(-1)).toMatchObject({ attributes: { 'otel.metric.overflow': true }, value: 50 });
  });
});

test('Prometheus text: units in the name, cumulated buckets, escaped labels, the ledger', () => {
  const aggregates = new MetricAggregates(0);
  aggregates.observe(TTFT, 0.003, { 'gen_ai.request.model': 'a "b"\\\n' });
  aggregates.observe(TTFT, 100, { 'gen_ai.request.model': 'a "b"\\\n' });
  aggregates.observe('nearside.bot.answers', 2, {});
  aggregates.observe('nearside.process.memory', 5, {});
  const lane = { produced: 3, stored: 1, dropped: 1, pending: 1 };
  const ledger = {
    tenant: 't',
    device: 'd',
    boot: 'b',
    ...lane,
    droppedByReason: { 'outbox-full': 1 },
    lanes: { lifecycle: lane, alerts: lane, metrics: lane, traces: lane },
  };
  const text = renderPrometheus(aggregates.totals(), ledger);
  const label = 'gen_ai_request_model="a \\"b\\"\\\\\\n"';
  expect(text).toContain('# TYPE gen_ai_server_time_to_first_token_seconds histogram\n');
  expect(text).toContain(`gen_ai_server_time_to_first_token_seconds_bucket{${label},le="0.001"} 0\n`);
  expect(text).toContain(`gen_ai_server_time_to_first_token_seconds_bucket{${label},le="0.005"} 1\n`);
  expect(text).toContain(`gen_ai_server_time_to_first_token_seconds_bucket{${label},le="+Inf"} 2\n`);
  expect(text).toContain(`gen_ai_server_time_to_first_token_seconds_count{${label}} 2\n`);
  expect(text).toContain('nearside_bot_answers_total 2\n');
  expect(text).toContain('nearside_process_memory_bytes 5\n');
  expect(text).toContain('nearside_telemetry_events{lane="alerts",state="pending"} 1\n');
  expect(text).toContain('nearside_telemetry_dropped_total{reason="outbox-full"} 1\n');
  for (const line of text.trimEnd().split('\n')) expect(line).toMatch(/^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{.*\})? \S+)$/);
});
